"""What a release says of the joint space: the meter made of its networks, and the references it judges by."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import BaseModel, ConfigDict

from kneeoa.model.joint_head import JSN_NETWORK, NarrowingHead, NarrowingHeadSettings
from kneeoa.model.joint_narrowing import CompartmentReference
from kneeoa.model.joint_space import JointSpaceMeter, QualityScale

PLACE_NETWORK, TRACE_NETWORK = "joint_place.onnx", "joint_trace.onnx"
JOINT_MAX_BYTES = 3_000_000
"""Budget of both networks together in the repository."""


class JointSpaceSettings(BaseModel):
    """The joint-space part of `release.json`.

    Attributes:
        quality_offset: see `joint_space.QualityScale`; also `quality_spread` and `quality_place`.
        medial: reference of the medial compartment, from training knees of KL 0.
        lateral: likewise of the lateral one.
        excluded_subjects_sha256: of the sorted list of subjects that had no part in any of it.
        jsn: of the head trained on readers' narrowing grades; None where the release has none.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    quality_offset: float
    quality_spread: float
    quality_place: float
    medial: CompartmentReference
    lateral: CompartmentReference
    excluded_subjects_sha256: str
    jsn: NarrowingHeadSettings | None = None

    @property
    def quality_scale(self) -> QualityScale:
        """The calibration of the quality."""
        return QualityScale(self.quality_offset, self.quality_spread, self.quality_place)

    def reference(self, compartment: str) -> CompartmentReference:
        """The reference of "medial" or "lateral"."""
        return self.medial if compartment == "medial" else self.lateral


def meter_of(
    contents: Mapping[str, bytes], settings: JointSpaceSettings, device: str = "auto", threads: int = 0
) -> JointSpaceMeter:
    """The meter of a release's files.

    Args:
        contents: a release's files, by name, with both networks among them.
        settings: the joint-space part of its manifest.
        device: "auto", "cpu" or "cuda".
        threads: see `session.NetworkSession`.
    """
    return JointSpaceMeter(contents[PLACE_NETWORK], contents[TRACE_NETWORK], settings.quality_scale, device, threads)


def head_of(
    contents: Mapping[str, bytes], settings: JointSpaceSettings, device: str = "auto", threads: int = 0
) -> NarrowingHead | None:
    """The head of a release's files that grades narrowing as readers do, or None where it has none; see `meter_of`."""
    return None if settings.jsn is None else NarrowingHead(contents[JSN_NETWORK], settings.jsn, device, threads)
