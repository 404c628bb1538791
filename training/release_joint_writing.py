"""Writes a release with a joint-space part: the base's files as they are, two networks more, and a new manifest."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError

from kneeoa.model.errors import ReleaseError
from kneeoa.model.joint_release import JOINT_MAX_BYTES, PLACE_NETWORK, TRACE_NETWORK, JointSpaceSettings
from kneeoa.model.release import RELEASES, load_release
from kneeoa.training.release_parts import write_release

PART = "joint_space.json"
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
    write_release(manifest, files, target)
    return target


class JointSpacePart(BaseModel):
    """`joint_space.json` of a folder that holds a joint-space part alone, beside its two networks.

    Attributes:
        settings: for a release's manifest.
        seen: figures of the fit.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    settings: JointSpaceSettings
    seen: dict[str, float]


def read_part(source: str) -> tuple[JointSpacePart, tuple[bytes, bytes]]:
    """A joint-space part and its networks, placing and tracing.

    Args:
        source: name of a shipped part such as `joint-space-4`, or the folder of one.

    Raises:
        ReleaseError: `source` is no joint-space part.
    """
    folder = RELEASES / source if (RELEASES / source / PART).is_file() else Path(source)
    try:
        part = JointSpacePart.model_validate_json((folder / PART).read_bytes())
        return part, ((folder / PLACE_NETWORK).read_bytes(), (folder / TRACE_NETWORK).read_bytes())
    except (OSError, ValidationError) as error:
        raise ReleaseError(f"{source} holds no joint-space part. Give joint-space-4, or the folder of one.") from error


def take_over(base: str | Path, source: str, target: Path) -> Path:
    """Adds a joint-space part to a release, as it is.

    Args:
        base: the release to add to.
        source: name of a shipped part such as `joint-space-4`, or the folder of one.
        target: from `release_parts.release_target`.

    Raises:
        ReleaseError: `source` is no joint-space part, or the base is not valid.
    """
    part, networks = read_part(source)
    return add_joint_space(base, networks, part.settings, part.seen, target)


def write_part(
    networks: tuple[bytes, bytes], settings: JointSpaceSettings, seen: Mapping[str, float], folder: Path
) -> Path:
    """Writes a joint-space part alone, for `take_over`; returns its folder."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / PLACE_NETWORK).write_bytes(networks[0])
    (folder / TRACE_NETWORK).write_bytes(networks[1])
    part = JointSpacePart(settings=settings, seen=dict(seen))
    (folder / PART).write_text(part.model_dump_json(indent=1) + "\n", encoding="utf-8")
    return folder
