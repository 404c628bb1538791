"""Writes a release with a joint-space part: the base's files as they are, two networks more, and a new manifest."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Mapping
from pathlib import Path

from pydantic import JsonValue

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
