"""What a study's own Structured Report is made from, as it is asked of a worker: plain values that JSON can carry."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from kneeoa.model.grades import JSON


@dataclass(frozen=True, slots=True)
class StudyPart:
    """One film of the study.

    Attributes:
        path: of its file.
        uid: of its result.
        made: when that was made, seconds since 1970.
        report: the film's report; a headline knee has the flags that the study gives it.
        headline: places of its knees that speak for their side.
    """

    path: str
    uid: str
    made: float
    report: dict[str, JSON]
    headline: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class StudyRequest:
    """A study's document.

    Attributes:
        uid: its SOP Instance UID.
        made: when, seconds since 1970.
        codes: a site's file of codes, or None.
        release: name, sha256 and software of what was running.
        predecessor: UID of the document before, and the sha256 of the release that its series is of; or None.
        parts: its films, in the order in which they came.
    """

    uid: str
    made: float
    codes: str | None
    release: tuple[str, str, str]
    predecessor: tuple[str, str] | None
    parts: tuple[StudyPart, ...]

    @classmethod
    def from_fields(
        cls,
        *,
        uid: str,
        made: float,
        codes: str | None,
        release: Sequence[str],
        predecessor: Sequence[str] | None,
        parts: Sequence[dict[str, JSON]],
    ) -> StudyRequest:
        """The request that JSON has carried, where tuples have become lists."""
        name, sha256, software = release
        before = None if predecessor is None else (predecessor[0], predecessor[1])
        read = tuple(_part(part) for part in parts)
        return cls(uid, made, codes, (name, sha256, software), before, read)


def part_of(path: Path, uid: str, made: float, report: dict[str, JSON], joined: dict[str, JSON]) -> StudyPart:
    """One film of a study.

    Args:
        path: of its file, named by its id.
        uid: of its result.
        made: when that was made.
        report: the film's report.
        joined: the StudyReport.
    """
    knees, headline = report["knees"], joined["knees"]
    leads = [knee for knee in headline if isinstance(knee, dict)] if isinstance(headline, list) else []
    told: list[JSON] = []
    places = []
    for place, knee in enumerate(knees if isinstance(knees, list) else []):
        lead = next((one for one in leads if one["film_id"] == path.stem and _same(one, knee)), None)
        if lead is not None and isinstance(knee, dict):
            places.append(place)
            told.append({**knee, "flags": lead["flags"]})
        else:
            told.append(knee)
    return StudyPart(str(path), uid, made, {**report, "knees": told}, tuple(places))


def _part(fields: dict[str, JSON]) -> StudyPart:
    report, places = fields["report"], fields["headline"]
    return StudyPart(
        path=str(fields["path"]),
        uid=str(fields["uid"]),
        made=float(str(fields["made"])),
        report=report if isinstance(report, dict) else {},
        headline=tuple(place for place in places if isinstance(place, int)) if isinstance(places, list) else (),
    )


def _same(headline: dict[str, JSON], knee: JSON) -> bool:
    return isinstance(knee, dict) and all(headline.get(key) == knee.get(key) for key in ("side", "centre", "kl"))
