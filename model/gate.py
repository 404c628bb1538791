"""What may be graded. Everything else is refused with its reason.

The header decides first, where it says anything and may be trusted; the picture is always asked. A film is judged by
what the finder sees on it, a knee by the finder and by how far its embedding lies from those of training knees.
"""

from __future__ import annotations

import io
import re
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from kneeoa.model.errors import ReasonCode, Refusal
from kneeoa.model.localize import KneeRegion
from kneeoa.model.radiograph import FilmFacts, FloatImage, Radiograph
from kneeoa.model.release import FinderThresholds

ADULT_YEARS = 18
MOST_KNEES = 2
# Both only choose between the reasons for refusing a film on which no knee was found.
_BURNT = 0.75
_DRAWN = 0.85
UNUSUAL = "unusual_film"
UNKNOWN_SPACING = "unknown_spacing"
# The knee in the languages that Body Part Examined is seen in.
_KNEE_WORDS = ("KNEE", "KNIE", "GENOU", "RODILLA", "GINOCCHIO", "JOELHO")
# A message names only these words: whatever else stands in the attribute may be anything, even a name.
_OTHER_PARTS = (
    *("ABDOMEN", "ANKLE", "ARM", "CHEST", "CLAVICLE", "ELBOW", "FINGER", "FOOT", "FOREARM", "HAND", "HEAD", "HEEL"),
    *("HUMERUS", "NECK", "RIB", "SHOULDER", "SKULL", "SPINE", "TOE", "WRIST"),
)
# A long-leg film is filed under any of these, and shows knees: the picture decides.
_LEG_PARTS = ("LEG", "LEXTREMITY", "LOWER", "EXTREMITY", "FEMUR", "TIBIA", "THIGH", "HIP", "PELVIS", "PATELLA", "BEIN")
# View Position (0018,5101) and view codes of a frontal knee; weight-bearing and flexed PA views are frontal.
_FRONTAL = re.compile(r"\b(AP|PA|FRONTAL|ANTERO-?POSTERIOR|POSTERO-?ANTERIOR|ROSENBERG|FIXED FLEXION)\b")
_NOT_FRONTAL = re.compile(r"LAT|OBLIQUE|SKYLINE|SUNRISE|MERCHANT|TANGENTIAL|AXIAL")


@dataclass(frozen=True, slots=True, eq=False)
class Gate:
    """Whether an embedding is that of one frontal knee, native, framed and upright.

    Attributes:
        mean: (features,) mean embedding of the training knees.
        components: (k, features) their principal directions, each divided by its standard deviation.
        residual_spread: standard deviation of what the components leave over.
        framing: (features + 1,) weights and bias of "not one native frontal knee, framed and upright".
        looks: (finder's features + 1,) likewise, of what the finder pooled: it sees the shafts, too.
    """

    mean: npt.NDArray[np.float32]
    components: npt.NDArray[np.float32]
    residual_spread: float
    framing: npt.NDArray[np.float32]
    looks: npt.NDArray[np.float32]

    @classmethod
    def from_bytes(cls, content: bytes) -> Gate:
        """Reads `gate.npz` of a release; no pickled objects."""
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            return cls(
                mean=arrays["mean"],
                components=arrays["components"],
                residual_spread=float(arrays["residual_spread"]),
                framing=arrays["framing"],
                looks=arrays["looks"],
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
        """(knees, features) -> (knees,) log odds of "not one native frontal knee, framed and upright"."""
        return np.asarray(embedding.astype(np.float64) @ self.framing[:-1] + self.framing[-1])

    def looks_logit(self, features: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
        """(knees, finder's features) -> (knees,) log odds of "not one native frontal knee, whole and upright"."""
        return np.asarray(features.astype(np.float64) @ self.looks[:-1] + self.looks[-1])


def refuse_by_header(radiograph: Radiograph) -> Refusal | None:
    """Refuses what the object itself says is not a frontal adult knee.

    Args:
        radiograph: a film; what its header does not say is not held against it.
    """
    return refuse_by_statement(radiograph.facts, radiograph.body_part, radiograph.patient_age_years)


def refuse_by_statement(facts: FilmFacts, part: str | None, age_years: float | None) -> Refusal | None:
    """The same of what a header states, where there are no pixels yet.

    Args:
        facts: of the film.
        part: Body Part Examined or the anatomic region, upper case, or None.
        age_years: the patient's age, or None.
    """
    if part and not is_knee(part) and not any(word in part.upper() for word in _LEG_PARTS):
        named = next((word.lower() for word in _OTHER_PARTS if word in part.upper()), "another part of the body")
        return Refusal.because(ReasonCode.NOT_A_KNEE, f"The object's Body Part Examined is {named}, not knee.")
    view = facts.view.upper()
    if view != "UNKNOWN" and (_NOT_FRONTAL.search(view) or not _FRONTAL.search(view)):
        return Refusal.because(ReasonCode.NOT_FRONTAL, f"The object names the view {facts.view[:32]!r}, not AP or PA.")
    if age_years is not None and age_years < ADULT_YEARS:
        return Refusal.because(ReasonCode.CHILD, "The patient's age in the header is below 18 years.")
    return None


def refuse_film(radiograph: Radiograph, knees: int) -> Refusal | None:
    """Refuses a film for what was found on it as a whole.

    Args:
        radiograph: the film.
        knees: how many frontal knees were found.
    """
    if knees > MOST_KNEES:
        return Refusal.because(
            ReasonCode.TOO_MANY_KNEES, f"{knees} knees were found: the film is composed of several, and sides are lost."
        )
    if knees:
        return None
    pixels = radiograph.pixels
    if _burnt_share(pixels) > _BURNT:
        return Refusal.because(
            ReasonCode.UNREADABLE_EXPOSURE, "Most of the film has one extreme grey value, and no knee was found on it."
        )
    if _drawn_share(pixels) > _DRAWN:
        return Refusal.because(
            ReasonCode.NOT_A_RADIOGRAPH, "The picture has the few grey values of a drawing, a text or a test image."
        )
    if is_knee(radiograph.body_part):
        return Refusal.because(
            ReasonCode.NOT_FRONTAL,
            "The object says knee, but no frontal knee was found: a lateral or skyline view, or an unusual film.",
        )
    return Refusal.because(ReasonCode.NOT_A_KNEE, "No frontal knee was found on the film.")


def _burnt_share(pixels: FloatImage) -> float:
    """Share of the film's middle, four fifths each way, that is quite black or quite white; the larger of both."""
    rows, columns = pixels.shape
    middle = pixels[rows // 10 : rows - rows // 10, columns // 10 : columns - columns // 10]
    return float(max((middle <= 0.002).mean(), (middle >= 0.998).mean()))


def _drawn_share(pixels: FloatImage) -> float:
    """Of pixels that have not the commonest grey value, the share that eight of 256 values hold."""
    counts = np.sort(np.bincount((pixels * 255).round().astype(np.uint8).ravel(), minlength=256))[::-1]
    others = counts[1:].sum()
    return float(counts[1:9].sum() / others) if others else 1.0


def refuse_region(region: KneeRegion, shape: tuple[int, int], limits: FinderThresholds) -> Refusal | None:
    """Refuses one knee for what the finder says of it.

    Args:
        region: as found.
        shape: rows and columns of the film.
        limits: of the release.
    """
    if region.implant >= limits.implant or (limits.metal is not None and region.metal >= limits.metal):
        return Refusal.because(ReasonCode.IMPLANT, "The knee bears an implant or other metal.")
    if region.seen_share(shape) < limits.seen_share:
        return Refusal.because(ReasonCode.INCOMPLETE_KNEE, "The knee is cut by the film's edge.")
    return None


def is_knee(part: str | None) -> bool:
    """Whether a Body Part Examined says knee, in any of several languages."""
    return part is not None and any(word in part.upper() for word in _KNEE_WORDS)
