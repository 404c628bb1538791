"""A release: the networks that grade, and everything that decides about a grade, under one hash."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ValidationError

from kneeoa.model.calibrate import DecisionRule
from kneeoa.model.crop import FRAME_VERSION
from kneeoa.model.errors import ReleaseError
from kneeoa.model.film_views import VIEWS_VERSION
from kneeoa.model.joint_head import JSN_NETWORK
from kneeoa.model.joint_release import PLACE_NETWORK, TRACE_NETWORK, JointSpaceSettings

RELEASES = Path(__file__).parent / "releases"
DEFAULT_RELEASE = "kneeoa-6"
MANIFEST = "release.json"
KL_NETWORK = "kl.onnx"
GATE = "gate.npz"
FINDER = "finder.onnx"
METAL = "metal.onnx"
"""Releases before kneeoa-3 have none: there the finder alone looks for metal."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Decision(_Part):
    """How logits become a grade."""

    rule: DecisionRule
    temperature: float = Field(gt=0)


class GateThresholds(_Part):
    """What a crop must satisfy to be graded; each was fitted on `held`.

    Attributes:
        distance: largest distance of an embedding from the training knees (see `gate.Gate`).
        unusual: distance from which on a knee is graded with the flag `unusual_film`.
        framing: largest logit of "is not one knee, framed and upright", by the embedding.
        looks: the same by the finder's features.
    """

    distance: float
    unusual: float
    framing: float
    looks: float


class FinderThresholds(_Part):
    """What the finder must say of a place for it to be a knee that may be graded; fitted on composed `held` films.

    Attributes:
        views: the views that the finder was trained on (`film_views.VIEWS_VERSION`).
        confidence: least confidence of a knee.
        implant: least probability of an implant that refuses a knee.
        seen_share: least share of the joint that must lie on the film (see `localize.KneeRegion.seen_share`).
        side: probability from which on the picture is taken to tell the side, right or left.
        metal: least probability of metal, by the network that looks at the square, that refuses a knee; None where the
            release has no such network.
    """

    views: str
    confidence: float = Field(gt=0, lt=1)
    implant: float = Field(gt=0, lt=1)
    seen_share: float = Field(gt=0, le=1)
    side: float = Field(gt=0.5, lt=1)
    metal: float | None = Field(default=None, gt=0, lt=1)


class Attribution(_Part):
    """A source that the release was learnt from."""

    name: str
    reference: str
    licence: str
    note: str = ""


class Manifest(_Part):
    """`release.json`, all of it."""

    schema_version: str
    name: str
    software: str
    frame: str
    normalisation: str
    classes: tuple[str, ...]
    decision: Decision
    gate: GateThresholds
    finder: FinderThresholds
    joint_space: JointSpaceSettings | None = None
    metrics: dict[str, JsonValue]
    data: tuple[Attribution, ...]
    weights: tuple[Attribution, ...]
    training: dict[str, JsonValue]
    files: dict[str, str]


@dataclass(frozen=True, slots=True)
class Release:
    """A verified release in memory.

    Attributes:
        manifest: what `release.json` says.
        sha256: SHA-256 of `release.json`, which lists every other file's: "network hash" everywhere.
        contents: every listed file's bytes, by name; exactly the bytes whose hash was checked.
    """

    manifest: Manifest
    sha256: str
    contents: MappingProxyType[str, bytes]


def release_folder(release: str | Path) -> Path:
    """The folder of a release given by its shipped name or by a path."""
    shipped = RELEASES / str(release)
    return shipped if (shipped / MANIFEST).is_file() else Path(release)


def load_release(release: str | Path = DEFAULT_RELEASE) -> Release:
    """Reads a release and checks it to the last byte.

    Args:
        release: the name of a shipped release, or the folder of one.

    Raises:
        ReleaseError: `release.json` is missing or not valid, a listed file is missing or has another hash, or the
            frame is not the one that this version cuts.
    """
    folder = release_folder(release)
    try:
        raw = (folder / MANIFEST).read_bytes()
        manifest = Manifest.model_validate_json(raw)
    except OSError as error:
        msg = f"There is no release {str(release)!r}. Give the name of a shipped release or a folder with {MANIFEST}."
        raise ReleaseError(msg) from error
    except ValidationError as error:
        msg = f"{MANIFEST} of {folder.name} is not valid ({error.error_count()} errors). Install the release again."
        raise ReleaseError(msg) from error
    if manifest.frame != FRAME_VERSION:
        msg = (
            f"Release {manifest.name} was trained on frame {manifest.frame}; this version of KneeOA cuts "
            f"{FRAME_VERSION}. Install the version that the release names ({manifest.software})."
        )
        raise ReleaseError(msg)
    if manifest.finder.views != VIEWS_VERSION:
        msg = (
            f"The finder of release {manifest.name} was trained on views {manifest.finder.views}; this KneeOA "
            f"cuts {VIEWS_VERSION}. Install the version that the release names ({manifest.software})."
        )
        raise ReleaseError(msg)
    contents = {name: _verified(folder, name, sha256) for name, sha256 in manifest.files.items()}
    joint = () if manifest.joint_space is None else (PLACE_NETWORK, TRACE_NETWORK)
    head = () if manifest.joint_space is None or manifest.joint_space.jsn is None else (JSN_NETWORK,)
    for name in (KL_NETWORK, GATE, FINDER, *joint, *head):
        if name not in contents:
            msg = f"Release {manifest.name} lists no {name}. Install the release again."
            raise ReleaseError(msg)
    return Release(manifest, hashlib.sha256(raw).hexdigest(), MappingProxyType(contents))


def _verified(folder: Path, name: str, sha256: str) -> bytes:
    if Path(name).name != name:
        msg = f"{MANIFEST} lists {name!r}, which is not a plain file name. Install the release again."
        raise ReleaseError(msg)
    try:
        content = (folder / name).read_bytes()
    except OSError as error:
        msg = f"Release {folder.name} lacks its file {name}. Install the release again."
        raise ReleaseError(msg) from error
    if hashlib.sha256(content).hexdigest() != sha256:
        msg = f"{name} of release {folder.name} is not the file that was released (its hash differs). Install it again."
        raise ReleaseError(msg)
    return content


def write_manifest(manifest: Manifest, folder: Path) -> None:
    """Writes `release.json`, readable and stable to the byte for the same content."""
    text = json.dumps(manifest.model_dump(mode="json"), indent=1, sort_keys=False, ensure_ascii=False)
    (folder / MANIFEST).write_text(text + "\n", encoding="utf-8")
