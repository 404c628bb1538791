"""What the report tells, asked of manifest and parts by DuckDB, which streams: memory does not grow with the rows."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import duckdb

from kneeoa.datasets.transfer_syntax import NAMES
from kneeoa.model.errors import READ_ERRORS, KneeOAError
from kneeoa.serving.archive.layout import ArchiveLayout
from kneeoa.serving.archive.report_findings import (
    Bin,
    Count,
    Findings,
    Grades,
    Grouping,
    NotedFilm,
    SyntaxCost,
)
from kneeoa.serving.archive.report_pace import pace_of

MEMORY = "768MB"
"""Beyond it DuckDB spills to a temporary folder."""
MOST_GROUPS = 15
MOST_FILMS = 20
MOST_COUNTS = 30
_FIRST = "coalesce(knee, 0) = 0"
"""Of the one or two rows of a film, one."""
_AGES = "'under 40', '40-49', '50-59', '60-69', '70-79', '80 and over'"
_CUBE = """
CREATE TEMP TABLE cube AS
SELECT year(m.study_date)::VARCHAR AS year, m.institution AS site, m.sex AS sex, p.side AS side,
  nullif(concat_ws(' ', m.manufacturer, m.model), '') AS device,
  CASE WHEN m.age_years < 40 THEN 'under 40' WHEN m.age_years >= 80 THEN '80 and over'
    WHEN m.age_years IS NOT NULL THEN format('{0}0-{0}9', m.age_years // 10) END AS age,
  count(*) AS results, count(*) FILTER (p.kl_grade IS NULL) AS ungraded,
  count(*) FILTER (p.kl_grade = 0) AS kl_0, count(*) FILTER (p.kl_grade = 1) AS kl_1,
  count(*) FILTER (p.kl_grade = 2) AS kl_2, count(*) FILTER (p.kl_grade = 3) AS kl_3,
  count(*) FILTER (p.kl_grade = 4) AS kl_4
FROM parts p JOIN manifest m ON m.row = p.row
GROUP BY ALL
"""
_SUMS = "sum(results), sum(ungraded), sum(kl_0), sum(kl_1), sum(kl_2), sum(kl_3), sum(kl_4)"
_STRANGE = """
SELECT source, member, seconds_total, concat_ws('; ',
  CASE WHEN unusual THEN 'unlike the knees of training' END,
  CASE WHEN open THEN format('KL {}, and no joint space is narrowed', kl_grade) END,
  CASE WHEN closed THEN format('KL {}, and a joint space is narrowed by {:.0f} %', kl_grade, narrowed) END,
  CASE WHEN conflict THEN 'what tells the side disagrees' END,
  format('KL {} with a probability of {:.2f}', kl_grade, likely))
FROM (
  SELECT *, list_contains(list_concat(flags, knee_flags), 'unusual_film') AS unusual,
    list_contains(list_concat(flags, knee_flags), 'side_conflict') AS conflict,
    greatest(medial_narrowing_percent, lateral_narrowing_percent) AS narrowed,
    kl_grade >= 3 AND narrowed < 15 AS open, kl_grade = 0 AND narrowed >= 66 AS closed,
    [kl_probability_0, kl_probability_1, kl_probability_2, kl_probability_3, kl_probability_4][kl_grade + 1] AS likely
  FROM parts WHERE kl_grade IS NOT NULL)
ORDER BY 2 * coalesce(unusual, false)::INT + 2 * coalesce(open OR closed, false)::INT
  + coalesce(conflict, false)::INT + (1 - likely) DESC, row, knee
LIMIT ?
"""


class NothingScoredError(KneeOAError):
    """The folder holds no results."""


def find(layout: ArchiveLayout, partition: Path) -> Findings:
    """Everything that the page tells of one release's parts, finished or not.

    Args:
        layout: of the run.
        partition: one of its `release=...` folders.

    Raises:
        NothingScoredError: there is no part yet.
    """
    parts = sorted(partition.glob("part-*.parquet"))
    if not parts:
        raise NothingScoredError(f"{partition.name} has no part yet: run `kneeoa score` first.")
    with _opened(layout.manifest, parts) as base:
        return _findings(base, parts)


@contextmanager
def _opened(manifest: Path, parts: Sequence[Path]) -> Iterator[duckdb.DuckDBPyConnection]:
    with tempfile.TemporaryDirectory(prefix="kneeoa-report-") as spill:
        settings: dict[str, str | bool | int | float | list[str]] = {"memory_limit": MEMORY, "temp_directory": spill}
        with duckdb.connect(config=settings) as base:
            # The answers are ordered where order matters; keeping that of the files would cost memory.
            base.execute("SET preserve_insertion_order = false")
            base.read_parquet(str(manifest)).create_view("manifest")
            names = [str(path) for path in parts]
            base.read_parquet(names, filename=True, hive_partitioning=False).create_view("parts")
            yield base


def _findings(base: duckdb.DuckDBPyConnection, parts: Sequence[Path]) -> Findings:
    name, digest = _one(base, "SELECT release_name, release_sha256 FROM parts LIMIT 1")
    files, shards = _one(base, "SELECT count(*), coalesce(max(shard) + 1, 0) FROM manifest")
    unread = ", ".join(f"'{code.value}'" for code in READ_ERRORS)
    films, refused, failed = _one(
        base,
        f"SELECT count(*), count(*) FILTER (refusal_code NOT IN ({unread})), "  # noqa: S608 - our own codes
        f"count(*) FILTER (refusal_code IN ({unread})) FROM parts WHERE {_FIRST}",
    )
    base.execute(_CUBE)
    counted = base.execute(f"SELECT filename, count(*) FROM parts WHERE {_FIRST} GROUP BY 1").fetchall()  # noqa: S608
    return Findings(
        release=str(name),
        digest=str(digest),
        files=int(files),
        shards=int(shards),
        shards_done=len(parts),
        films=int(films),
        refused=int(refused),
        failed=int(failed),
        fates=_counts(
            base,
            "SELECT concat_ws(': ', fate, reason), count(*) FROM manifest GROUP BY 1",
        ),
        refusals=_counts(
            base,
            "SELECT coalesce(knee_refusal_code, refusal_code) AS code, count(*) FROM parts WHERE code IS NOT NULL "
            "GROUP BY 1",
        ),
        whole=_grades(base.execute(f"SELECT 'all', {_SUMS} FROM cube").fetchall())[0],  # noqa: S608
        groupings=tuple(_groupings(base)),
        slowest=_slowest(base),
        strangest=_strangest(base),
        costs=_costs(base),
        seconds=_histogram(base),
        pace=pace_of([(Path(str(file)).stat().st_mtime, int(number)) for file, number in counted]),
    )


def _one(base: duckdb.DuckDBPyConnection, question: str) -> tuple[str | int, ...]:
    (row,) = base.execute(question).fetchall()
    return tuple(row)


def _counts(base: duckdb.DuckDBPyConnection, question: str) -> tuple[Count, ...]:
    rows = base.execute(f"{question} ORDER BY 2 DESC, 1").fetchall()
    listed = [Count(str(name), int(number)) for name, number in rows[:MOST_COUNTS]]
    rest = sum(int(number) for _, number in rows[MOST_COUNTS:])
    return (*listed, *([Count(f"{len(rows) - MOST_COUNTS} others", rest)] if rest else []))


def _grades(rows: Sequence[tuple[str | int | None, ...]]) -> list[Grades]:
    made = []
    for name, *numbers in rows:
        results, ungraded, *knees = (int(number or 0) for number in numbers)
        zero, one, two, three, four = knees
        made.append(Grades("" if name is None else str(name), results, ungraded, (zero, one, two, three, four)))
    return made


def _groupings(base: duckdb.DuckDBPyConnection) -> Iterator[Grouping]:
    by_age = f"list_position([{_AGES}], age)"
    orders = {"year": "1", "site": "2 DESC, 1", "device": "2 DESC, 1", "sex": "1", "age": by_age, "side": "1 DESC"}
    for name, order in orders.items():
        question = f"SELECT {name}, {_SUMS} FROM cube GROUP BY {name} ORDER BY {name} IS NULL, {order}"  # noqa: S608
        groups = _grades(base.execute(question).fetchall())
        most = len(groups) if name == "year" else MOST_GROUPS
        if len(groups) > most + 1:
            rest = groups[most:]
            knees = tuple(sum(column) for column in zip(*(one.knees for one in rest), strict=True))
            zero, one, two, three, four = knees
            left = Grades(
                f"{len(rest)} others",
                sum(group.results for group in rest),
                sum(group.ungraded for group in rest),
                (zero, one, two, three, four),
            )
            yield Grouping(name, tuple(groups[:most]), left)
        else:
            yield Grouping(name, tuple(groups))


def _slowest(base: duckdb.DuckDBPyConnection) -> tuple[NotedFilm, ...]:
    rows = base.execute(
        "WITH slow AS (SELECT row, source, member, seconds_total, seconds_read FROM parts "  # noqa: S608
        f"WHERE {_FIRST} ORDER BY seconds_total DESC, row LIMIT ?) "
        "SELECT s.source, s.member, s.seconds_total, m.transfer_syntax, m.rows, m.columns, s.seconds_read "
        "FROM slow s JOIN manifest m ON m.row = s.row ORDER BY s.seconds_total DESC, s.row",
        [MOST_FILMS],
    ).fetchall()
    named = []
    for source, member, seconds, syntax, high, wide, read in rows:
        size = f"{high} x {wide}, " if high and wide else ""
        named.append((source, member, seconds, f"{size}{syntax_name(syntax)}, {read:.2f} s of it reading"))
    return _noted(named)


def _strangest(base: duckdb.DuckDBPyConnection) -> tuple[NotedFilm, ...]:
    """A film is named once, by the stranger of its knees."""
    kept: dict[tuple[str, str | None], NotedFilm] = {}
    for film in _noted(base.execute(_STRANGE, [2 * MOST_FILMS]).fetchall()):
        kept.setdefault((film.source, film.member), film)
    return tuple(kept.values())[:MOST_FILMS]


def _noted(rows: Sequence[tuple[str, str | None, float, str]]) -> tuple[NotedFilm, ...]:
    return tuple(NotedFilm(source, member, float(seconds), str(why)) for source, member, seconds, why in rows)


def _costs(base: duckdb.DuckDBPyConnection) -> tuple[SyntaxCost, ...]:
    rows = base.execute(
        "SELECT m.transfer_syntax, count(*), approx_quantile(p.seconds_total, 0.5), "  # noqa: S608
        "approx_quantile(p.seconds_total, 0.95), avg(m.bytes) FROM parts p JOIN manifest m ON m.row = p.row "
        f"WHERE {_FIRST} GROUP BY 1 ORDER BY 2 DESC, 1 LIMIT ?",
        [MOST_GROUPS],
    ).fetchall()
    return tuple(
        SyntaxCost(syntax_name(syntax), int(films), float(median), float(p95), None if size is None else float(size))
        for syntax, films, median, p95, size in rows
    )


def _histogram(base: duckdb.DuckDBPyConnection) -> tuple[Bin, ...]:
    """Ten bins a decade, empty ones in between included."""
    rows = base.execute(
        f"SELECT floor(10 * log10(greatest(seconds_total, 1e-3)))::INT, count(*) FROM parts WHERE {_FIRST} "  # noqa: S608
        "GROUP BY 1 ORDER BY 1"
    ).fetchall()
    films = {int(place): int(number) for place, number in rows}
    places = range(min(films, default=0), max(films, default=-1) + 1)
    return tuple(Bin(10 ** (place / 10), films.get(place, 0)) for place in places)


def syntax_name(uid: str | None) -> str:
    """The short name of a transfer syntax, its UID where it has none, or "picture" for what is no DICOM object."""
    return "picture" if uid is None else next((name for name, known in NAMES.items() if known == uid), uid)
