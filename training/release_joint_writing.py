"""Writes a release with a joint-space part: the base's files as they are, two networks more, and a new manifest."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from pydantic import JsonValue, TypeAdapter

from kneeoa.model.errors import ReleaseError
from kneeoa.model.joint_release import JOINT_MAX_BYTES, PLACE_NETWORK, TRACE_NETWORK, JointSpaceSettings
from kneeoa.model.release import load_release, write_manifest

METRICS = "joint_space_while_fitting"


def add_joint_space(
    base: str | Path,
    networks: tuple[bytes, bytes],
    settings: JointSpaceSettings,
    seen: Mapping[str, float],
    target: Path,
) -> Path:
    """Writes a release; its folder appears whole or not at all.

    Args:
        base: the release to add to, whose grading, finding and gate stay as they are.
        networks: ONNX bytes, placing and tracing.
        settings: fitted for them.
        seen: figures of the fit, for the manifest.
        target: from `release_parts.release_target`.

    Raises:
        ReleaseError: the networks take more than their budget, or the base is not valid.
    """
    size = sum(len(network) for network in networks)
    if size > JOINT_MAX_BYTES:
        raise ReleaseError(f"The networks take {size} bytes, more than {JOINT_MAX_BYTES}: choose smaller ones.")
    release = load_release(base)
    files = dict(release.contents) | {PLACE_NETWORK: networks[0], TRACE_NETWORK: networks[1]}
    metrics: dict[str, JsonValue] = {**release.manifest.metrics, METRICS: dict(seen)}
    manifest = release.manifest.model_copy(
        update={
            "name": target.name,
            "joint_space": settings,
            "metrics": metrics,
            "files": {name: hashlib.sha256(content).hexdigest() for name, content in files.items()},
        }
    )
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
    return target


def take_over(base: str | Path, source: str | Path, target: Path) -> Path:
    """Adds the joint space of one release to another, as it is.

    Args:
        base: the release to add to.
        source: the release whose joint space is taken.
        target: from `release_parts.release_target`.

    Raises:
        ReleaseError: `source` measures no joint space, or a release is not valid.
    """
    given = load_release(source)
    settings = given.manifest.joint_space
    if settings is None:
        raise ReleaseError(f"Release {given.manifest.name} measures no joint space: there is nothing to take over.")
    seen = TypeAdapter(dict[str, float]).validate_python(given.manifest.metrics.get(METRICS, {}))
    networks = (given.contents[PLACE_NETWORK], given.contents[TRACE_NETWORK])
    return add_joint_space(base, networks, settings, seen, target)
