"""Joins the films of a study into one report: for each side one headline knee, the others listed, never averaged."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass

from kneeoa.model.grades import JSON, SCHEMA_VERSION
from kneeoa.serving.store.deliveries import DeliveryRow

FILMS_DISAGREE = "films_disagree"
_SIDES = ("R", "L")
DISAGREEING_GRADES = 2
"""Two films of one side that lie so many grades apart are flagged."""


@dataclass(frozen=True, slots=True)
class StudyFilm:
    """One film of a study, with its newest report.

    Attributes:
        film_id: see `pipeline.identity`.
        state: "waiting", "done", "dead" or "dropped".
        acquired: date and time of acquisition, digits, or "".
        received: seconds since 1970.
        uid_reused: whether its SOP Instance UID also stands for other pixels.
        result_uid: of the report, or None.
        report: the film's report, or None while it waits.
    """

    film_id: str
    state: str
    acquired: str
    received: float
    uid_reused: bool
    result_uid: str | None
    report: dict[str, JSON] | None


@dataclass(frozen=True, slots=True)
class _Candidate:
    film: StudyFilm
    knee: dict[str, JSON]

    def rank(self) -> tuple[float, str, float, str]:
        """Smallest first: the surest place, then the earliest film. A film that states no time comes after others."""
        return (-_number(self.knee.get("confidence")), self.film.acquired or "9", self.film.received, self.film.film_id)

    def grade(self) -> int:
        kl = self.knee["kl"]
        return int(_number(kl["grade"])) if isinstance(kl, dict) else 0


def study_report(study_uid: str, films: Sequence[StudyFilm]) -> dict[str, JSON]:
    """The StudyReport of `docs/report.md`.

    Args:
        study_uid: Study Instance UID.
        films: of the study, in any order.

    Returns:
        `films`: every film's report, with its id and state; `knees`: one a side, R before L, each the headline film's
        knee as that film reports it, with `film_id`, `sop_instance_uid` and `other_films`. A side whose films lie two
        grades apart or more has the flag "films_disagree". A side without any gradable knee is not there; knees
        of unknown side follow, each for itself.
    """
    ordered = sorted(films, key=lambda film: (film.acquired or "9", film.received, film.film_id))
    sides: dict[str, list[_Candidate]] = {}
    nameless: list[JSON] = []
    for candidate in _gradable(ordered):
        if (side := str(candidate.knee["side"])) in _SIDES:
            sides.setdefault(side, []).append(candidate)
        else:  # two knees without a side may be two knees
            nameless.append(_headline([candidate]))
    knees = [_headline(sides[side]) for side in _SIDES if side in sides] + nameless
    return {
        "schema_version": SCHEMA_VERSION,
        "study_instance_uid": study_uid,
        "films": [_film(film) for film in ordered],
        "knees": knees,
    }


def with_deliveries(
    report: dict[str, JSON], results: Mapping[str, str], deliveries: Mapping[str, Sequence[DeliveryRow]]
) -> dict[str, JSON]:
    """A StudyReport with how far each result has come.

    Args:
        report: as `study_report` makes it.
        results: the newest result of each film, by film.
        deliveries: by what they are of: ids of results, and of the study's own documents.

    Returns:
        The report, each film with `deliveries` of its newest result, and the study with those of its own documents.
    """
    told: dict[str, list[JSON]] = {of: [asdict(row) for row in rows] for of, rows in deliveries.items()}
    films = report["films"]
    listed: list[JSON] = [
        {**film, "deliveries": told.get(results.get(str(film["film_id"]), ""), [])}
        for film in (films if isinstance(films, list) else [])
        if isinstance(film, dict)
    ]
    documents: list[JSON] = [
        row for rows in told.values() for row in rows if isinstance(row, dict) and row["kind"] == "study_sr"
    ]
    return {**report, "films": listed, "deliveries": documents}


def worst_grade(report: dict[str, JSON]) -> int | None:
    """The highest headline grade of a StudyReport, or None where no knee was graded."""
    knees = report["knees"]
    kls = [knee["kl"] for knee in knees if isinstance(knee, dict)] if isinstance(knees, list) else []
    return max((int(_number(kl["grade"])) for kl in kls if isinstance(kl, dict)), default=None)


def disagree(report: dict[str, JSON]) -> bool:
    """Whether films of one side of a StudyReport disagree."""
    knees = report["knees"]
    flags = [knee["flags"] for knee in knees if isinstance(knee, dict)] if isinstance(knees, list) else []
    return any(isinstance(told, list) and FILMS_DISAGREE in told for told in flags)


def _gradable(films: Iterable[StudyFilm]) -> Iterable[_Candidate]:
    for film in films:
        knees = (film.report or {}).get("knees")
        for knee in knees if isinstance(knees, list) else ():
            if isinstance(knee, dict) and knee.get("refusal") is None and isinstance(knee.get("kl"), dict):
                yield _Candidate(film, knee)


def _headline(candidates: list[_Candidate]) -> JSON:
    best, *others = sorted(candidates, key=_Candidate.rank)
    grades = [candidate.grade() for candidate in candidates]
    flags = best.knee.get("flags")
    told: list[JSON] = [*flags] if isinstance(flags, list) else []
    if max(grades) - min(grades) >= DISAGREEING_GRADES:
        told.append(FILMS_DISAGREE)
    listed: list[JSON] = [
        {"film_id": other.film.film_id, "sop_instance_uid": _sop_uid(other.film), "kl_grade": other.grade()}
        for other in others
    ]
    place: dict[str, JSON] = {"film_id": best.film.film_id, "sop_instance_uid": _sop_uid(best.film)}
    return {**best.knee, "flags": told, **place, "other_films": listed}


def _film(film: StudyFilm) -> JSON:
    about: dict[str, JSON] = {
        "film_id": film.film_id,
        "state": film.state,
        "uid_reused": film.uid_reused,
        "result_uid": film.result_uid,
    }
    return {**about, **(film.report or {})}


def _sop_uid(film: StudyFilm) -> JSON:
    facts = (film.report or {}).get("film")
    return facts.get("sop_instance_uid") if isinstance(facts, dict) else None


def _number(value: JSON) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
