"""The whole road in one object: a radiograph in, its grades or its refusal out."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import metadata
from pathlib import Path

import numpy as np
import numpy.typing as npt

from kneeoa.model.calibrate import decide, kl_grade, probabilities
from kneeoa.model.crop import canonical, network_input
from kneeoa.model.dicom import read_radiograph
from kneeoa.model.errors import FilmError, ReasonCode, Refusal
from kneeoa.model.finder import FinderSession
from kneeoa.model.gate import MOST_KNEES, UNKNOWN_SPACING, UNUSUAL, Gate, refuse_by_header, refuse_film, refuse_region
from kneeoa.model.grades import FilmGrades, KneeGrades, ReleaseFacts, Seconds
from kneeoa.model.joint_grades import CompartmentGrades, NarrowingGrade
from kneeoa.model.joint_release import head_of, meter_of
from kneeoa.model.joint_report import film_scale, joint_space_grades
from kneeoa.model.localize import KneeRegion, find_knees
from kneeoa.model.metal import MetalSession, with_metal
from kneeoa.model.radiograph import FilmFacts, FloatImage, Radiograph, Side
from kneeoa.model.release import DEFAULT_RELEASE, FINDER, GATE, KL_NETWORK, METAL, Release, load_release
from kneeoa.model.saliency import heat_map
from kneeoa.model.session import KneeScores, NetworkSession
from kneeoa.model.sides import SideReading, assign_sides


@dataclass(frozen=True, slots=True)
class ReadFilm:
    """A film that was read, or could not be.

    Attributes:
        source: what it was read from.
        film: the film, or why there is none.
        seconds: that reading took.
    """

    source: str
    film: Radiograph | FilmError
    seconds: float


def read_film(source: str | Path, *, side: Side | None = None, spacing_mm: float | None = None) -> ReadFilm:
    """Reads one file; never raises. See `KneeGrader.grade_file` for the arguments."""
    started = time.perf_counter()
    film: Radiograph | FilmError
    try:
        film = read_radiograph(source, side=side, spacing_mm=spacing_mm)
    except FilmError as error:
        film = error
    return ReadFilm(str(source), film, _since(started))


class KneeGrader:
    """Grades films. Stateless between calls and safe to share between threads.

    Args:
        release: a verified release.
        device: "auto", "cpu" or "cuda".
        threads: processor threads for one film; 0 is all cores. Worker processes pass 1.
    """

    def __init__(self, release: Release, device: str = "auto", threads: int = 0) -> None:
        self.release = release
        self.facts = ReleaseFacts(release.manifest.name, release.sha256, metadata.version("kneeoa"))
        self.session = NetworkSession(release.contents[KL_NETWORK], device, threads)
        self.finder = FinderSession(release.contents[FINDER], device, threads)
        metal = release.contents.get(METAL)
        self.metal = None if metal is None else MetalSession(metal, device, threads)
        self.gate = Gate.from_bytes(release.contents[GATE])
        joint = release.manifest.joint_space
        self.joint_space = None if joint is None else meter_of(release.contents, joint, device, threads)
        self.jsn = None if joint is None else head_of(release.contents, joint, device, threads)

    @classmethod
    def load(cls, release: str | Path = DEFAULT_RELEASE, device: str = "auto", threads: int = 0) -> KneeGrader:
        """Loads and verifies a release.

        Args:
            release: the name of a shipped release, or a release's folder.
            device: "auto", "cpu" or "cuda"; CUDA asked for and absent is a warning.
            threads: see `KneeGrader`.

        Raises:
            ReleaseError: the release is missing, altered or made for another frame.
            RuntimeSetupError: ONNX Runtime is missing or installed twice.
        """
        return cls(load_release(release), device, threads)

    def find(self, radiograph: Radiograph) -> list[KneeRegion]:
        """The frontal knees of a film that the release is sure enough of, the surest first."""
        least = self.release.manifest.finder.confidence
        regions = [region for region in find_knees(radiograph.pixels, self.finder) if region.confidence >= least]
        if self.metal is None or len(regions) > MOST_KNEES:
            return regions
        return with_metal(radiograph.pixels, regions, self.metal)

    def grade(self, radiograph: Radiograph) -> FilmGrades:
        """Grades one film, or says why not.

        Args:
            radiograph: as `read_radiograph` gives it: (rows, columns) float32 in [0, 1], bone bright.

        Returns:
            The report contract's object, knees from image left to right. A film without a gradable knee has `refusal`
            set, and no knees or only refused ones; nothing is raised for what a film shows.
        """
        started = time.perf_counter()
        refusal = refuse_by_header(radiograph)
        if refusal is not None:
            return self._refused(radiograph.facts, refusal, radiograph.flags, Seconds(total=_since(started)))
        regions = sorted(self.find(radiograph), key=lambda region: region.centre[1])
        found = _since(started)
        refusal = refuse_film(radiograph, len(regions))
        if refusal is not None:
            seconds = Seconds(find=found, total=_since(started))
            return self._refused(radiograph.facts, refusal, radiograph.flags, seconds)
        knees = self._knees(radiograph, regions)
        seconds = Seconds(find=found, grade=_since(started) - found, total=_since(started))
        refusal = knees[0].refusal if all(knee.refusal is not None for knee in knees) else None
        flags = radiograph.flags
        if radiograph.facts.pixel_spacing_mm is None:
            flags = (*flags, UNKNOWN_SPACING)
        return FilmGrades(radiograph.facts, self.facts, refusal, flags, knees, seconds)

    def grade_file(
        self,
        source: str | Path,
        *,
        side: Side | None = None,
        spacing_mm: float | None = None,
        seen: Callable[[Radiograph, FilmGrades], None] | None = None,
    ) -> FilmGrades:
        """Reads and grades one file; what cannot be read is a refusal with its reason, never an exception.

        Args:
            source: a DICOM, PNG or JPEG file.
            side: the patient's side, where the file does not say it.
            spacing_mm: pixel spacing in millimetres, where the file does not say it.
            seen: called with the film and its report where the film could be read, for example to draw it.
        """
        read = read_film(source, side=side, spacing_mm=spacing_mm)
        grades = self.grade_read(read)
        if seen is not None and isinstance(read.film, Radiograph):
            seen(read.film, grades)
        return grades

    def grade_read(self, read: ReadFilm) -> FilmGrades:
        """Grades what `read_film` gave: the second half of `grade_file`, for whoever reads ahead.

        Args:
            read: a film, or why there is none.
        """
        if isinstance(read.film, FilmError):
            facts = read.film.facts or FilmFacts(read.source)
            return self._refused(facts, read.film.refusal, (), Seconds(read=read.seconds, total=read.seconds))
        grades = self.grade(read.film)
        spent = grades.seconds
        return replace(grades, seconds=replace(spent, read=read.seconds, total=read.seconds + spent.total))

    def score(self, crops: npt.NDArray[np.float32]) -> KneeScores:
        """The network's raw scores.

        Args:
            crops: (knees, 208, 288) float32 from `crop.network_input`.
        """
        return self.session.run(np.ascontiguousarray(crops[:, None]))

    def judge(self, crops: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.int64]]:
        """Calibrated probabilities and grades of crops that are known to be knees, as evaluation needs them.

        Args:
            crops: (knees, 208, 288) float32 from `crop.network_input`.

        Returns:
            ((knees, 5) probabilities, (knees,) grades).
        """
        decision = self.release.manifest.decision
        rows = probabilities(self.score(crops).logits, decision.temperature)
        return rows, decide(rows, decision.rule)

    def accepts(
        self, embedding: npt.NDArray[np.float32], features: npt.NDArray[np.float32] | None = None
    ) -> npt.NDArray[np.bool_]:
        """Whether places look like native frontal knees, framed and upright.

        Args:
            embedding: (knees, features) of their crops.
            features: (knees, finder's features) of their regions; None for crops that were not found.

        Returns:
            (knees,) bool.
        """
        limits = self.release.manifest.gate
        near = self.gate.distance(embedding) <= limits.distance
        framed = self.gate.framing_logit(embedding) <= limits.framing
        if features is None:
            return np.asarray(near & framed)
        return np.asarray(near & framed & (self.gate.looks_logit(features) <= limits.looks))

    def _knees(self, radiograph: Radiograph, regions: Sequence[KneeRegion]) -> tuple[KneeGrades, ...]:
        limits = self.release.manifest.finder
        readings = assign_sides(radiograph, regions, limits.side)
        refusals = [refuse_region(region, radiograph.pixels.shape, limits) for region in regions]
        open_ones = [i for i, refusal in enumerate(refusals) if refusal is None]
        knees = [_described(radiograph, *of) for of in zip(regions, readings, refusals, strict=True)]
        if open_ones:
            sides = [self._shown_side(regions[i], readings[i]) for i in open_ones]
            crops = [self._crop(radiograph.pixels, regions[i], side) for i, side in zip(open_ones, sides, strict=True)]
            scores = self.score(np.stack(crops))
            for k, i in enumerate(open_ones):
                knees[i] = self._graded(knees[i], regions[i], scores, k, sides[k])
                if knees[i].refusal is None:
                    knees[i] = replace(
                        knees[i], joint_space=self._joint_space(radiograph, regions[i], readings[i], sides[k])
                    )
        return tuple(knees)

    def _shown_side(self, region: KneeRegion, reading: SideReading) -> Side:
        """Which way round the knee is shown: what the network's frame needs, whoever's knee it is.

        On a mirrored film a left knee looks like a right one, and is graded as one: what matters is where medial is.
        """
        sure = self.release.manifest.finder.side
        if region.right >= sure or (region.right > 0.5 and reading.side is Side.UNKNOWN):
            return Side.RIGHT
        if region.right <= 1 - sure or reading.side is Side.UNKNOWN:
            return Side.LEFT
        return reading.side

    @staticmethod
    def _crop(pixels: FloatImage, region: KneeRegion, side: Side) -> FloatImage:
        return network_input(canonical(region.cut_from(pixels), side))

    def _graded(self, knee: KneeGrades, region: KneeRegion, scores: KneeScores, k: int, shown: Side) -> KneeGrades:
        """A knee with its grade, or refused for what its crop, or its surroundings, look like."""
        embedding = scores.embedding[k : k + 1]
        if not bool(self.accepts(embedding, region.features[None])[0]):
            message = (
                "The place looks unlike the frontal knees that the network knows: turned or bent, or with metal, "
                "plaster or something else over the joint."
            )
            remedy = "Read this knee without KneeOA, or send a plain AP or PA view of it."
            return replace(knee, refusal=Refusal(ReasonCode.NOT_FRONTAL, message, remedy))
        decision = self.release.manifest.decision
        row = probabilities(scores.logits[k : k + 1], decision.temperature)[0]
        kl = kl_grade(row, decision.rule)
        unusual = float(self.gate.distance(embedding)[0]) > self.release.manifest.gate.unusual
        heat = heat_map(scores.activation_maps[k], kl.grade, shown)
        flags = (*knee.flags, UNUSUAL) if unusual else knee.flags
        return replace(knee, kl=kl, heat_map=heat, embedding=embedding[0], flags=flags)

    def _joint_space(
        self, radiograph: Radiograph, region: KneeRegion, reading: SideReading, shown: Side
    ) -> Mapping[str, CompartmentGrades] | None:
        """The knee's joint space, or None where the release has no part that measures it."""
        settings = self.release.manifest.joint_space
        if self.joint_space is None or settings is None:
            return None
        side = Side.UNKNOWN if reading.side is Side.UNKNOWN else shown
        found = self.joint_space.measure(region.cut_from(radiograph.pixels), side)
        read: Mapping[str, NarrowingGrade] = {}
        if self.jsn is not None and side is not Side.UNKNOWN:
            read = self.jsn.grades(self._crop(radiograph.pixels, region, side))
        square = region.square.enlarged(_reduction(radiograph))
        return joint_space_grades(found, film_scale(square, radiograph.facts), settings, read)

    def _refused(self, facts: FilmFacts, refusal: Refusal, flags: tuple[str, ...], seconds: Seconds) -> FilmGrades:
        return FilmGrades(facts, self.facts, refusal, flags, (), seconds)


def _described(radiograph: Radiograph, region: KneeRegion, reading: SideReading, refusal: Refusal | None) -> KneeGrades:
    """A knee's place and side on the film as it was stored, before any grade."""
    factor = _reduction(radiograph)
    shift = (factor - 1) / 2
    return KneeGrades(
        side=reading.side,
        side_source=reading.source,
        centre=(region.centre[0] * factor + shift, region.centre[1] * factor + shift),
        plateau_width_px=region.plateau_width_px * factor,
        angle_degrees=region.angle_degrees,
        confidence=region.confidence,
        box=region.square.enlarged(factor).box(),
        refusal=refusal,
        flags=reading.flags,
    )


def _reduction(radiograph: Radiograph) -> int:
    """By what whole factor the reader reduced a very large film; places are told in the film's own pixels."""
    columns = int(radiograph.pixels.shape[1])
    return max(1, (radiograph.facts.columns or 0) // columns)


def _since(started: float) -> float:
    return time.perf_counter() - started
