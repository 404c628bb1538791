"""What the report of an archive tells, counted: what `report_queries` finds and `report_html` prints."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Count:
    """How many there are of something that has a name."""

    name: str
    number: int


@dataclass(frozen=True, slots=True)
class Grades:
    """Graded knees of a group.

    Attributes:
        name: of the group, such as "2019" or "60-69"; empty where the films do not say.
        results: its rows: knees, and films on which no knee was found.
        ungraded: of them, those without a grade.
        knees: graded knees by KL grade, 0 first.
    """

    name: str
    results: int
    ungraded: int
    knees: tuple[int, int, int, int, int]

    @property
    def graded(self) -> int:
        """Graded knees."""
        return sum(self.knees)

    @property
    def with_oa(self) -> int:
        """Knees with radiographic osteoarthritis, KL >= 2."""
        return sum(self.knees[2:])


@dataclass(frozen=True, slots=True)
class Grouping:
    """The same knees, split by one thing.

    Attributes:
        name: "year", "site", "device", "sex", "age", "side".
        groups: the largest first, or in the order of years and ages.
        left_out: smaller groups that are not listed, together; None where all are.
    """

    name: str
    groups: tuple[Grades, ...]
    left_out: Grades | None = None


@dataclass(frozen=True, slots=True)
class NotedFilm:
    """A film that somebody should look at.

    Attributes:
        source: path or address; its keyed hash where the run is pseudonymised.
        member: name within the tar or zip file that `source` is.
        seconds: how long it took.
        why: what is remarkable about it, in words.
    """

    source: str
    member: str | None
    seconds: float
    why: str


@dataclass(frozen=True, slots=True)
class SyntaxCost:
    """Seconds a film, and bytes of a file, by transfer syntax; the mean size is None where no source told it."""

    syntax: str
    films: int
    median: float
    p95: float
    mean_bytes: float | None


@dataclass(frozen=True, slots=True)
class Bin:
    """So many films in an interval that begins at `low`."""

    low: float
    films: int


@dataclass(frozen=True, slots=True)
class Pace:
    """Films finished over time.

    Attributes:
        bins: `low` is in seconds since the first part; of equal length.
        bin_seconds: their length.
        films_a_second: while the run was at work; None where fewer than two parts tell nothing.
    """

    bins: tuple[Bin, ...]
    bin_seconds: float
    films_a_second: float | None


@dataclass(frozen=True, slots=True)
class Findings:
    """Everything on the page.

    Attributes:
        release: name of the release.
        digest: sha256 of its `release.json`.
        files: everything that the first pass met.
        shards: of the manifest.
        shards_done: those that have their part.
        films: with a result.
        refused: of them, those refused as a whole, with a reason.
        failed: of them, those that could not be read.
        fates: of all files, with their reasons.
        refusals: by reason code, in knees and films without a knee.
        whole: all results together.
        groupings: by year, site, device, sex, age band and side.
        slowest: films, the slowest first.
        strangest: films, the strangest first.
        costs: by transfer syntax, the commonest first.
        seconds: histogram of seconds a film; bins grow by equal factors.
        pace: of the run.
    """

    release: str
    digest: str
    files: int
    shards: int
    shards_done: int
    films: int
    refused: int
    failed: int
    fates: tuple[Count, ...]
    refusals: tuple[Count, ...]
    whole: Grades
    groupings: tuple[Grouping, ...]
    slowest: tuple[NotedFilm, ...]
    strangest: tuple[NotedFilm, ...]
    costs: tuple[SyntaxCost, ...]
    seconds: tuple[Bin, ...]
    pace: Pace
