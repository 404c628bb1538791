"""A release out of its parts: what grades, what finds, and the gate between them. Every release is written here."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from pydantic import JsonValue, TypeAdapter, ValidationError

from kneeoa import __version__
from kneeoa.model.crop import FRAME_VERSION
from kneeoa.model.errors import ReleaseError
from kneeoa.model.grades import KL_GRADES, SCHEMA_VERSION
from kneeoa.model.normalize import CLIP_PERCENTILES
from kneeoa.model.release import (
    FINDER,
    GATE,
    KL_NETWORK,
    MANIFEST,
    METAL,
    RELEASES,
    Attribution,
    Decision,
    FinderThresholds,
    Manifest,
    load_release,
    release_folder,
    write_manifest,
)
from kneeoa.training.fit_gate import GATE_MAX_BYTES, FittedGate

KL_NETWORK_MAX_BYTES = 15_000_000
"""Budget of the KL network in the repository."""
FINDER_MAX_BYTES = 5_000_000
"""Likewise of the finder, and of the network that looks for metal with it."""
HELD = "held"
DISAGREEMENT = "largest_disagreement_torch_onnx"
FINDER_ON_HELD = "finder_on_composed_held"
GATE_ON_HELD = "gate_on_held"


@dataclass(frozen=True, slots=True)
class GradingPart:
    """What grades a crop.

    Attributes:
        network: ONNX bytes.
        decision: how its logits become a grade.
        metrics: what it does on `held`, under the manifest's names.
        data: what it was learnt from.
        weights: what it began with.
        training: its configuration, resolved.
    """

    network: bytes
    decision: Decision
    metrics: dict[str, JsonValue]
    data: tuple[Attribution, ...]
    weights: tuple[Attribution, ...]
    training: dict[str, JsonValue]


@dataclass(frozen=True, slots=True)
class FindingPart:
    """What finds knees.

    Attributes:
        network: ONNX bytes.
        limits: for `release.json`.
        metrics: what it does on films composed from `held`.
        metal: ONNX bytes of the network that looks for metal, or None.
    """

    network: bytes
    limits: FinderThresholds
    metrics: dict[str, JsonValue]
    metal: bytes | None = None


def release_target(name: str, out: Path | None) -> Path:
    """The folder of a release to be.

    Args:
        name: of the release.
        out: the folder to write into; None is `model/releases`.

    Raises:
        ReleaseError: the name is taken or not a plain name.
    """
    target = (RELEASES if out is None else out) / name
    if Path(name).name != name or target.exists():
        msg = f"{name!r} is taken or not a plain name. Choose another, or remove {target} first."
        raise ReleaseError(msg)
    return target


def grading_part(release: str | Path) -> GradingPart:
    """What grades in a release; one without a finder, as early ones are, will do.

    Args:
        release: the name of a shipped release, or the folder of one.

    Raises:
        ReleaseError: it is missing or altered, or made for another frame.
    """
    folder = release_folder(release)
    try:
        said = TypeAdapter(dict[str, JsonValue]).validate_json((folder / MANIFEST).read_bytes())
        network = (folder / KL_NETWORK).read_bytes()
        metrics = TypeAdapter(dict[str, JsonValue]).validate_python(said["metrics"])
        files = TypeAdapter(dict[str, str]).validate_python(said["files"])
        part = GradingPart(
            network=network,
            decision=Decision.model_validate(said["decision"]),
            metrics={name: metrics[name] for name in (HELD, DISAGREEMENT) if name in metrics},
            data=TypeAdapter(tuple[Attribution, ...]).validate_python(said["data"]),
            weights=TypeAdapter(tuple[Attribution, ...]).validate_python(said["weights"]),
            training=TypeAdapter(dict[str, JsonValue]).validate_python(said["training"]),
        )
    except (OSError, KeyError, ValidationError) as error:
        msg = f"{release} holds no KL network with a valid {MANIFEST}. Give a shipped release or the folder of one."
        raise ReleaseError(msg) from error
    if said.get("frame") != FRAME_VERSION or files.get(KL_NETWORK) != _sha256(network):
        msg = f"The KL network of {release} was altered, or made for another frame. Install the release again."
        raise ReleaseError(msg)
    return part


def finding_part(release: str | Path) -> FindingPart:
    """What finds knees in a release.

    Args:
        release: the name of a shipped release, or the folder of one.

    Raises:
        ReleaseError: see `load_release`.
    """
    loaded = load_release(release)
    said = loaded.manifest.metrics.get(FINDER_ON_HELD)
    metrics = TypeAdapter(dict[str, JsonValue]).validate_python(said) if said is not None else {}
    return FindingPart(loaded.contents[FINDER], loaded.manifest.finder, metrics, loaded.contents.get(METAL))


def assemble(grading: GradingPart, finding: FindingPart, gate: FittedGate, target: Path) -> Path:
    """Writes a release; its folder appears whole or not at all.

    Args:
        grading: what grades.
        finding: what finds.
        gate: fitted for both.
        target: from `release_target`.

    Returns:
        The release's folder.

    Raises:
        ReleaseError: a part is larger than its budget.
    """
    files = {KL_NETWORK: grading.network, FINDER: finding.network, GATE: gate.to_bytes()}
    if finding.metal is not None:
        files[METAL] = finding.metal
    budgets = {KL_NETWORK: KL_NETWORK_MAX_BYTES, FINDER: FINDER_MAX_BYTES, GATE: GATE_MAX_BYTES}
    budgets[METAL] = FINDER_MAX_BYTES - len(finding.network)
    for file, content in files.items():
        if len(content) > budgets[file]:
            msg = f"{file} takes {len(content)} bytes, more than its {budgets[file]}: choose a smaller one."
            raise ReleaseError(msg)
    found: dict[str, JsonValue] = {FINDER_ON_HELD: finding.metrics} if finding.metrics else {}
    manifest = Manifest(
        schema_version=SCHEMA_VERSION,
        name=target.name,
        software=__version__,
        frame=FRAME_VERSION,
        normalisation=f"clip at percentiles {CLIP_PERCENTILES[0]} and {CLIP_PERCENTILES[1]}, mean 0, deviation 1",
        classes=tuple(f"KL {grade}" for grade in KL_GRADES),
        decision=grading.decision,
        gate=gate.thresholds,
        finder=finding.limits,
        metrics=grading.metrics | found | {GATE_ON_HELD: dict(gate.report)},
        data=grading.data,
        weights=grading.weights,
        training=grading.training,
        files={file: _sha256(content) for file, content in files.items()},
    )
    write_release(manifest, files, target)
    return target


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def write_release(manifest: Manifest, files: dict[str, bytes], target: Path) -> None:
    """Writes a release's folder, whole or not at all.

    Args:
        manifest: of the release; it names every file with its hash.
        files: their bytes by name.
        target: from `release_target`.

    Raises:
        ReleaseError: what was written cannot be loaded.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        for name, content in files.items():
            (draft / name).write_bytes(content)
        write_manifest(manifest, draft)
        load_release(draft)
        draft.chmod(0o755)
        draft.rename(target)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
