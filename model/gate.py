"""What may be graded. Everything else is refused with its reason.

Until films are searched for knees, a film is graded only where it is one frontal knee, framed as the networks learnt
it. The header decides first, where it says anything; the picture is always asked.
"""

from __future__ import annotations

import io
import re
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kneeoa.model.errors import ReasonCode, Refusal
from kneeoa.model.radiograph import Radiograph

ADULT_YEARS = 18
SQUARENESS = (0.8, 1.25)
"""Height / width of a film that may be one knee crop; a bilateral or a long-leg film lies beyond."""
# The knee in the languages that Body Part Examined is seen in.
_KNEE_WORDS = ("KNEE", "KNIE", "GENOU", "RODILLA", "GINOCCHIO", "JOELHO")
# A message names only these words: whatever else stands in the attribute may be anything, even a name.
_OTHER_PARTS = (
    *("ABDOMEN", "ANKLE", "ARM", "CHEST", "CLAVICLE", "ELBOW", "FEMUR", "FINGER", "FOOT", "FOREARM", "HAND", "HEAD"),
    *("HEEL", "HIP", "HUMERUS", "LEG", "NECK", "PATELLA", "PELVIS", "RIB", "SHOULDER", "SKULL", "SPINE", "THIGH"),
    *("TIBIA", "TOE", "WRIST"),
)
# View Position (0018,5101) and view codes of a frontal knee; weight-bearing and flexed PA views are frontal.
_FRONTAL = re.compile(r"\b(AP|PA|FRONTAL|ANTERO-?POSTERIOR|POSTERO-?ANTERIOR|ROSENBERG|FIXED FLEXION)\b")
_NOT_FRONTAL = re.compile(r"LAT|OBLIQUE|SKYLINE|SUNRISE|MERCHANT|TANGENTIAL|AXIAL")


@dataclass(frozen=True, slots=True, eq=False)
class Gate:
    """Whether an embedding is that of one knee, framed, upright and on the side it is said to be.

    Attributes:
        mean: (features,) mean embedding of the training knees.
        components: (k, features) their principal directions, each divided by its standard deviation.
        residual_spread: standard deviation of what the components leave over.
        framing: (features + 1,) weights and bias of "not one framed, upright knee".
        mirrored: (features + 1,) weights and bias of "mirrored".
    """

    mean: npt.NDArray[np.float32]
    components: npt.NDArray[np.float32]
    residual_spread: float
    framing: npt.NDArray[np.float32]
    mirrored: npt.NDArray[np.float32]

    @classmethod
    def from_bytes(cls, content: bytes) -> Gate:
        """Reads `gate.npz` of a release; no pickled objects."""
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            return cls(
                mean=arrays["mean"],
                components=arrays["components"],
                residual_spread=float(arrays["residual_spread"]),
                framing=arrays["framing"],
                mirrored=arrays["mirrored"],
            )

    def distance(self, embedding: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        """How far embeddings lie from the training knees.

        Args:
            embedding: (knees, features).

        Returns:
            (knees,) root mean of squared standardised distances, within the principal directions and beyond them;
            about 1 for a training knee.

        References:
            Moghaddam B., Pentland A., Probabilistic visual learning for object representation, PAMI 1997;19:696.
        """
        centred = (embedding - self.mean).astype(np.float64)
        inside = centred @ self.components.T.astype(np.float64)
        # Undo the division by the standard deviation to take the explained part away.
        norms = np.linalg.norm(self.components, axis=1)
        explained = (inside / norms**2) @ self.components
        beyond = np.linalg.norm(centred - explained, axis=1) / self.residual_spread
        return np.asarray(np.sqrt(((inside**2).mean(axis=1) + beyond**2) / 2))

    def framing_logit(self, embedding: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        """(knees, features) -> (knees,) log odds of "not one framed, upright knee"."""
        return _logit(self.framing, embedding)

    def mirrored_logit(self, embedding: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        """(knees, features) -> (knees,) log odds of "this is the other side's mirror image"."""
        return _logit(self.mirrored, embedding)


def _logit(weights: npt.NDArray[np.float32], embedding: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    return np.asarray(embedding.astype(np.float64) @ weights[:-1] + weights[-1])


def refuse_by_header(radiograph: Radiograph) -> Refusal | None:
    """Refuses what the object itself says is not a frontal adult knee, or cannot be one knee crop by its shape.

    Args:
        radiograph: a film; what its header does not say is not held against it.
    """
    facts = radiograph.facts
    part = radiograph.body_part
    if part and not any(word in part.upper() for word in _KNEE_WORDS):
        named = next((word.lower() for word in _OTHER_PARTS if word in part.upper()), "another part of the body")
        return Refusal.because(ReasonCode.NOT_A_KNEE, f"The object's Body Part Examined is {named}, not knee.")
    view = facts.view.upper()
    if view != "UNKNOWN" and (_NOT_FRONTAL.search(view) or not _FRONTAL.search(view)):
        return Refusal.because(ReasonCode.NOT_FRONTAL, f"The object names the view {facts.view[:32]!r}, not AP or PA.")
    if radiograph.patient_age_years is not None and radiograph.patient_age_years < ADULT_YEARS:
        return Refusal.because(ReasonCode.CHILD, "The patient's age in the header is below 18 years.")
    rows, columns = radiograph.pixels.shape
    if not SQUARENESS[0] <= rows / columns <= SQUARENESS[1] or "bilateral" in radiograph.flags:
        return Refusal.because(
            ReasonCode.NEEDS_LOCALISATION,
            "The film is not one knee crop (its shape or laterality says so), and finding knees is not built yet.",
        )
    return None
