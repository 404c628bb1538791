"""The whole road in one object: a radiograph in, its grades or its refusal out."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from importlib import metadata
from pathlib import Path

import numpy as np
import numpy.typing as npt

from kneeoa.model.calibrate import decide, kl_grade, probabilities
from kneeoa.model.crop import Square, canonical, cut_square, network_input, whole_film_square
from kneeoa.model.dicom import read_radiograph
from kneeoa.model.errors import FilmError, ReasonCode, Refusal
from kneeoa.model.gate import Gate, refuse_by_header
from kneeoa.model.grades import FilmGrades, KneeGrades, ReleaseFacts, Seconds
from kneeoa.model.radiograph import FilmFacts, Radiograph, Side
from kneeoa.model.release import DEFAULT_RELEASE, GATE, KL_NETWORK, Release, load_release
from kneeoa.model.saliency import heat_map
from kneeoa.model.session import KneeScores, NetworkSession

SIDE_UNKNOWN = "side_unknown"
SIDE_CONFLICT = "side_conflict"


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
        self.gate = Gate.from_bytes(release.contents[GATE])

    @classmethod
    def load(cls, release: str | Path = DEFAULT_RELEASE, device: str = "auto", threads: int = 0) -> KneeGrader:
        """A grader from a shipped release's name or a release's folder.

        Args:
            release: see `release.load_release`.
            device: "auto" takes CUDA where ONNX Runtime has it; "cuda" where it has not warns and takes the processor.
            threads: processor threads for one film; 0 is all cores.

        Raises:
            ReleaseError: the release is incomplete, changed, or of another frame.
            RuntimeSetupError: ONNX Runtime is missing or installed twice.
        """
        return cls(load_release(release), device, threads)

    def grade(self, radiograph: Radiograph) -> FilmGrades:
        """Grades one film, or says why not.

        Args:
            radiograph: as `read_radiograph` gives it: (rows, columns) float32 in [0, 1], bone bright.

        Returns:
            The report contract's object. Refused films have `refusal` set and no knees; nothing is raised for what a
            film shows.
        """
        started = time.perf_counter()
        refusal = refuse_by_header(radiograph)
        if refusal is not None:
            return self._refused(radiograph.facts, refusal, radiograph.flags, Seconds(total=_since(started)))
        square = whole_film_square(*radiograph.pixels.shape)
        cut = cut_square(radiograph.pixels, square)
        sides = (Side.RIGHT, Side.LEFT) if radiograph.side is Side.UNKNOWN else (radiograph.side,)
        found = _since(started)
        scores = self.score(np.stack([network_input(canonical(cut, side)) for side in sides]))
        mirrored = self.gate.mirrored_logit(scores.embedding)
        # With the side unknown, the orientation that looks canonical is graded; the side itself stays unknown.
        best = int(mirrored.argmin())
        refusal = self._refuse_by_picture(scores.embedding[best : best + 1])
        seconds = Seconds(find=found, grade=_since(started) - found, total=_since(started))
        if refusal is not None:
            return self._refused(radiograph.facts, refusal, radiograph.flags, seconds)
        knee = self._knee(radiograph, square, scores, best, sides[best])
        if float(mirrored[best]) > self.release.manifest.gate.mirrored:
            knee = replace(knee, flags=(*knee.flags, SIDE_CONFLICT))
        return FilmGrades(radiograph.facts, self.facts, None, radiograph.flags, (knee,), seconds)

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
        started = time.perf_counter()
        try:
            radiograph = read_radiograph(source, side=side, spacing_mm=spacing_mm)
        except FilmError as error:
            facts = error.facts or FilmFacts(str(source))
            read = _since(started)
            return self._refused(facts, error.refusal, (), Seconds(read=read, total=read))
        read = _since(started)
        grades = self.grade(radiograph)
        spent = grades.seconds
        grades = replace(grades, seconds=replace(spent, read=read, total=read + spent.total))
        if seen is not None:
            seen(radiograph, grades)
        return grades

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

    def accepts(self, embedding: npt.NDArray[np.float32]) -> npt.NDArray[np.bool_]:
        """(knees, features) -> (knees,) whether the picture is one framed, upright frontal knee."""
        limits = self.release.manifest.gate
        near = self.gate.distance(embedding) <= limits.distance
        return np.asarray(near & (self.gate.framing_logit(embedding) <= limits.framing))

    def _refuse_by_picture(self, embedding: npt.NDArray[np.float32]) -> Refusal | None:
        if bool(self.accepts(embedding)[0]):
            return None
        return Refusal.because(
            ReasonCode.NEEDS_LOCALISATION,
            "The picture is not one upright frontal knee that fills it, and finding knees is not built yet.",
        )

    def _knee(
        self, radiograph: Radiograph, square: Square, scores: KneeScores, best: int, framed_as: Side
    ) -> KneeGrades:
        decision = self.release.manifest.decision
        row = probabilities(scores.logits[best : best + 1], decision.temperature)[0]
        kl = kl_grade(row, decision.rule)
        unknown = radiograph.side is Side.UNKNOWN
        return KneeGrades(
            side=radiograph.side,
            side_source=radiograph.side_source,
            box=square.enlarged(_reduction(radiograph)).box(),
            flags=(SIDE_UNKNOWN,) if unknown else (),
            kl=kl,
            heat_map=heat_map(scores.activation_maps[best], kl.grade, framed_as),
        )

    def _refused(self, facts: FilmFacts, refusal: Refusal, flags: tuple[str, ...], seconds: Seconds) -> FilmGrades:
        return FilmGrades(facts, self.facts, refusal, flags, (), seconds)


def _reduction(radiograph: Radiograph) -> int:
    """By what whole factor the reader reduced a very large film; boxes are told in the film's own pixels."""
    columns = int(radiograph.pixels.shape[1])
    return max(1, (radiograph.facts.columns or 0) // columns)


def _since(started: float) -> float:
    return time.perf_counter() - started
