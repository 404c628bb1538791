"""How the work has gone over time: films and results counted by hour, day or week."""

from __future__ import annotations

import math
from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.orm import Session

from kneeoa.model.grades import KL_GRADES
from kneeoa.serving.store.tables import Film, FilmState, Result

MOST_ROWS = 20_000
"""The newest so many films and results are counted: a page must not read a whole archive."""
_KNEES = 2
"""A film has no more graded knees: three are refused as a composition."""


@dataclass(frozen=True, slots=True)
class Trends:
    """Counts by bin of time; all lists are as long as `starts`.

    Attributes:
        starts: of the bins, seconds since 1970, oldest first.
        bin_seconds: length of a bin.
        received: films that came in.
        results: films that were graded or refused.
        dead_letters: films that failed for good and still wait for a person.
        grades: knees by KL grade, "0" to "4".
        refusals: refused films by reason code, the most frequent code first.
        complete: whether nothing was left out for want of room (`MOST_ROWS`).
    """

    starts: tuple[float, ...]
    bin_seconds: float
    received: tuple[int, ...]
    results: tuple[int, ...]
    dead_letters: tuple[int, ...]
    grades: dict[str, tuple[int, ...]]
    refusals: dict[str, tuple[int, ...]]
    complete: bool


def trends(session: Session, now: float, bins: int, bin_seconds: float) -> Trends:
    """What happened in the last `bins` bins, of which the newest is the one that `now` lies in.

    Args:
        session: that reads.
        now: seconds since 1970.
        bins: how many.
        bin_seconds: length of one; bins begin at its multiples since 1970.
    """
    first = (math.floor(now / bin_seconds) - bins + 1) * bin_seconds
    axis = _Axis(first, bins, bin_seconds)
    came = session.execute(
        select(Film.received, Film.state, Film.dead_since)
        .where(Film.received >= first)
        .order_by(Film.received.desc())
        .limit(MOST_ROWS)
    ).all()
    knees = [Result.report["knees"][place]["kl"]["grade"].as_integer() for place in range(_KNEES)]
    refusal = Result.report["refusal"]["code"].as_string()
    made = session.execute(
        select(Result.created, refusal, *knees)
        .where(Result.created >= first)
        .order_by(Result.created.desc())
        .limit(MOST_ROWS)
    ).all()
    grades: dict[str, list[float]] = {str(grade): [] for grade in KL_GRADES}
    refusals: dict[str, list[float]] = {}
    for created, code, *found in made:
        for grade in found:
            if grade is not None:
                grades[str(grade)].append(created)
        if code is not None:
            refusals.setdefault(code, []).append(created)
    return Trends(
        starts=axis.starts,
        bin_seconds=bin_seconds,
        received=axis.counts([row.received for row in came]),
        results=axis.counts([row.created for row in made]),
        dead_letters=axis.counts([row.dead_since or row.received for row in came if row.state == FilmState.DEAD]),
        grades={grade: axis.counts(times) for grade, times in grades.items()},
        refusals={code: axis.counts(refusals[code]) for code in sorted(refusals, key=lambda c: (-len(refusals[c]), c))},
        complete=len(came) < MOST_ROWS and len(made) < MOST_ROWS,
    )


@dataclass(frozen=True, slots=True)
class _Axis:
    first: float
    bins: int
    bin_seconds: float

    @property
    def starts(self) -> tuple[float, ...]:
        return tuple(self.first + place * self.bin_seconds for place in range(self.bins))

    def counts(self, times: list[float]) -> tuple[int, ...]:
        found = [0] * self.bins
        for time in times:
            found[min(self.bins - 1, max(0, int((time - self.first) / self.bin_seconds)))] += 1
        return tuple(found)
