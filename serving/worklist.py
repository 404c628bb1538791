"""What the reading-room's list shows of a study: one short row from its long report."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from kneeoa.model.grades import JSON
from kneeoa.serving.store.reading import StudyRow

_BILATERAL = "bilateral"


@dataclass(frozen=True, slots=True)
class WorklistKnee:
    """A headline knee of a study.

    Attributes:
        side: "R", "L" or "unknown".
        kl_grade: 0-4.
        jsn: the worse of the two compartments' narrowing grades, 0-3, or None.
        narrowing_percent: likewise, against knees of KL 0, or None.
        minimum_mm: the smaller of the two minima in millimetres, or None.
        minimum_percent_of_plateau: likewise, in % of the tibial plateau.
    """

    side: str
    kl_grade: int
    jsn: int | None
    narrowing_percent: float | None
    minimum_mm: float | None
    minimum_percent_of_plateau: float | None


@dataclass(frozen=True, slots=True)
class WorklistRow:
    """One line of the list.

    Attributes:
        study_uid: Study Instance UID.
        first_received, last_received: of its films, seconds since 1970.
        films: how many films by state.
        knees: one a side, R before L.
        flags: of its headline knees and films, each once.
        refusals: codes of films and knees without a grade, each once.
        refused_sides: sides of knees that were found and not graded, and have no headline; each once.
        corrections: how many readers' corrections it has.
    """

    study_uid: str
    first_received: float
    last_received: float
    films: dict[str, int]
    knees: tuple[WorklistKnee, ...]
    flags: tuple[str, ...]
    refusals: tuple[str, ...]
    refused_sides: tuple[str, ...]
    corrections: int


@dataclass(frozen=True, slots=True)
class Worklist:
    """A page of rows, and how many there are in all."""

    rows: tuple[WorklistRow, ...]
    total: int
    offset: int


def worklist_row(study: StudyRow, corrections: int) -> WorklistRow:
    """The row of a study.

    Args:
        study: with its report as last built.
        corrections: how many it has.
    """
    report = study.report or {}
    knees, films = list(_objects(report.get("knees"))), list(_objects(report.get("films")))
    flags = [flag for knee in knees for flag in _texts(knee.get("flags"))]
    flags += [flag for film in films for flag in _texts(film.get("flags")) if flag != _BILATERAL or not _both(film)]
    refused = [of["refusal"] for film in films for of in (film, *_objects(film.get("knees"))) if of.get("refusal")]
    found = [knee for film in films for knee in _objects(film.get("knees")) if knee.get("refusal")]
    graded = {knee.get("side") for knee in knees}
    sides = [str(knee["side"]) for knee in found if knee.get("side") not in {None, *graded}]
    codes = [str(refusal["code"]) for refusal in refused if isinstance(refusal, dict)]
    return WorklistRow(
        study_uid=study.study_uid,
        first_received=study.first_received,
        last_received=study.last_received,
        films=study.films,
        knees=tuple(_knee(knee) for knee in knees),
        flags=tuple(dict.fromkeys(flags)),
        refusals=tuple(dict.fromkeys(codes)),
        refused_sides=tuple(dict.fromkeys(sides)),
        corrections=corrections,
    )


def _knee(knee: Mapping[str, JSON]) -> WorklistKnee:
    kl, space = knee.get("kl"), knee.get("joint_space")
    parts = list(_objects(list(space.values()) if isinstance(space, dict) else None))
    grades = [jsn.get("grade") for part in parts if isinstance(jsn := part.get("jsn"), dict)]
    jsn = max((grade for grade in grades if isinstance(grade, int)), default=None)
    return WorklistKnee(
        side=str(knee["side"]),
        kl_grade=int(str(kl["grade"])) if isinstance(kl, dict) else 0,
        jsn=jsn,
        narrowing_percent=max(_numbers(parts, "narrowing_percent"), default=None),
        minimum_mm=min(_numbers(parts, "minimum_mm"), default=None),
        minimum_percent_of_plateau=min(_numbers(parts, "minimum_percent_of_plateau"), default=None),
    )


def _both(film: Mapping[str, JSON]) -> bool:
    """Whether both knees were found: that the object names both sides is then no remark."""
    return len(list(_objects(film.get("knees")))) == 2


def _objects(value: JSON) -> Iterator[dict[str, JSON]]:
    for item in value if isinstance(value, list) else ():
        if isinstance(item, dict):
            yield item


def _texts(value: JSON) -> Iterator[str]:
    for item in value if isinstance(value, list) else ():
        yield str(item)


def _numbers(parts: list[dict[str, JSON]], name: str) -> Iterator[float]:
    for part in parts:
        if isinstance(value := part.get(name), int | float):
            yield float(value)
