"""What is asked of a worker and what it answers, as JSON.

JSON and not pickle: a film that takes its worker over must not be able to run code in the service.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from enum import StrEnum

from kneeoa.model.grades import JSON
from kneeoa.model.radiograph import Side
from kneeoa.serving.results.objects import Form, Request
from kneeoa.serving.results.study_parts import StudyRequest

Report = dict[str, JSON]
"""One film's object of the report contract (docs/report.md)."""


class Wanted(StrEnum):
    """What a worker makes of a film."""

    REPORT = "report"
    FILM = "film"
    """As a monitor shows it, in grey."""
    FULL = "full"
    """The same in all its pixels."""
    HEAT = "heat"
    """Where its grades rest, on a transparent ground."""
    OVERLAY = "overlay"
    RESULTS = "results"
    STUDY = "study"
    """A study's own Structured Report, of films that were graded before."""


@dataclass(frozen=True, slots=True)
class Job:
    """One film to work on.

    Attributes:
        path: of the file.
        wanted: its report, a PNG of it, or the forms that `request` names.
        side: the patient's side "R" or "L", where the file does not say it.
        spacing_mm: pixel spacing, where the file does not say it.
        request: which forms of the result.
        report: a report that was made before; the film is then not graded again.
        study: the study's document, which `path` has nothing to do with.
    """

    path: str
    wanted: Wanted = Wanted.REPORT
    side: str | None = None
    spacing_mm: float | None = None
    request: Request | None = None
    report: Report | None = None
    study: StudyRequest | None = None

    def to_bytes(self) -> bytes:
        """The job as JSON."""
        return json.dumps(asdict(self)).encode()

    @classmethod
    def from_bytes(cls, raw: bytes) -> Job:
        """The job that `to_bytes` wrote."""
        fields = json.loads(raw)
        request = fields["request"]
        if request is not None:
            forms = tuple(Form(form) for form in request["forms"])
            request = Request(forms, request["codes"], request["uid"], request["made"])
        wanted = Wanted(fields["wanted"])
        study = None if fields["study"] is None else StudyRequest.from_fields(**fields["study"])
        return cls(fields["path"], wanted, fields["side"], fields["spacing_mm"], request, fields["report"], study)

    @property
    def stated_side(self) -> Side | None:
        """The side as the reader takes it."""
        return None if self.side is None else Side(self.side)


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of a job.

    Attributes:
        report: the film's report; of a picture, that of the film it shows.
        picture: a PNG, or the forms of the result as `results.objects.pack` packs them, where one was asked for and the
            film could be read.
    """

    report: Report
    picture: bytes | None = None
