"""Grading by the workers, as pipeline and API ask for it."""

from __future__ import annotations

from pathlib import Path

from kneeoa.model.grades import JSON, ReleaseFacts
from kneeoa.model.radiograph import Side
from kneeoa.serving.grading import facts_of
from kneeoa.serving.results.objects import Form, Request, unpack
from kneeoa.serving.results.study_parts import StudyRequest
from kneeoa.serving.workers.jobs import Answer, Job, Report, Wanted
from kneeoa.serving.workers.pool import Urgency, WorkerPool


class PooledGrading:
    """`serving.grading.FilmGrading` by a pool of workers; safe to share between threads.

    Args:
        pool: started workers.
        release: name or folder of the release that they grade with.
        urgency: of the films that come this way.

    Raises:
        ReleaseError: there is no such release.
    """

    def __init__(self, pool: WorkerPool, release: str, urgency: Urgency = Urgency.STORED) -> None:
        self.pool, self._urgency = pool, urgency
        self._release = facts_of(release)

    @property
    def release(self) -> ReleaseFacts:
        """Which networks grade, and with which software."""
        return self._release

    def grade(self, path: Path, side: Side | None = None, spacing_mm: float | None = None) -> dict[str, JSON]:
        """The report of one film; its `source` is the file's name without its folder.

        Raises:
            DecoderCrashedError: the film killed its worker, or was given up.
            PoolClosedError: the service is stopping.
        """
        stated = None if side in {None, Side.UNKNOWN} else str(side)
        return self._run(path, Job(str(path), Wanted.REPORT, stated, spacing_mm)).report

    def draw(self, path: Path, wanted: Wanted) -> bytes | None:
        """A PNG of the film, or None where it cannot be read.

        Raises:
            DecoderCrashedError: as `grade`.
            PoolClosedError: the service is stopping.
        """
        return self.pool.run(Job(str(path), wanted), self._urgency).picture

    def print(
        self,
        path: Path,
        request: Request,
        report: Report | None = None,
        side: Side | None = None,
        spacing_mm: float | None = None,
    ) -> tuple[Report, dict[Form, bytes]]:
        """The report of one film and the forms of it that were asked for, made in one go.

        Args:
            path: of the film.
            request: which forms.
            report: one that was made before; the film is then not graded again.
            side: as in `grade`.
            spacing_mm: as in `grade`.

        Returns:
            The report, and its forms: none of a file that is no DICOM object with its UIDs, and no Secondary Capture of
            a film that cannot be read.

        Raises:
            DecoderCrashedError: as `grade`.
            PoolClosedError: the service is stopping.
        """
        stated = None if side in {None, Side.UNKNOWN} else str(side)
        answer = self._run(path, Job(str(path), Wanted.RESULTS, stated, spacing_mm, request, report))
        return answer.report, {} if answer.picture is None else unpack(answer.picture, request.forms)

    def print_study(self, request: StudyRequest) -> bytes:
        """A study's own Structured Report, a DICOM file; empty where none of its films states its UIDs.

        Raises:
            DecoderCrashedError: as `grade`.
            PoolClosedError: the service is stopping.
        """
        return self.pool.run(Job("", Wanted.STUDY, study=request), self._urgency).picture or b""

    def close(self) -> None:
        """Ends the workers; those that are busy end after their film."""
        self.pool.close()

    def _run(self, path: Path, job: Job) -> Answer:
        answer = self.pool.run(job, self._urgency)
        film = answer.report["film"]
        if isinstance(film, dict):
            film["source"] = path.name
        return answer
