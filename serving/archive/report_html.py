"""`report.html` of an archive: one page that holds everything and needs nothing, neither script nor network."""

from __future__ import annotations

from html import escape
from pathlib import Path
from string import Template

from kneeoa.serving.archive.report_charts import Column, ColumnChart, Piece, column_chart
from kneeoa.serving.archive.report_findings import Findings, Grouping
from kneeoa.serving.archive.report_tables import (
    GRADE_KEY,
    NOTHING,
    costs_table,
    count,
    counts_table,
    films_table,
    grade_pieces,
    grades_table,
    percent,
    tile,
)

_PAGE = Path(__file__).parent / "report_page.html"
_YEAR = "year"
_STRANGE = (
    "Graded, but unlike the knees that the network has learnt from, with answers that contradict each other, or "
    "unsure. Look at these before relying on the table."
)
_FEWEST_COLUMNS = 3
"""Fewer years are told better by a table."""


def report_page(found: Findings) -> str:
    """The page as HTML."""
    return Template(_PAGE.read_text(encoding="utf-8")).substitute(
        title="An archive of knee films, scored",
        subtitle=f"Release {escape(found.release)}, <code>{escape(found.digest[:16])}</code>",
        tiles=_tiles(found),
        sections="\n".join(_sections(found)),
    )


def _tiles(found: Findings) -> str:
    whole, rate = found.whole, found.pace.films_a_second
    unfinished = found.shards_done < found.shards
    return "".join(
        [
            tile(count(found.files), "files met"),
            tile(count(found.films), "films opened"),
            tile(count(whole.graded), "knees graded"),
            tile(percent(whole.with_oa, whole.graded), f"of them KL ≥ 2: {count(whole.with_oa)}"),
            tile(percent(found.refused, found.films), f"of the films refused: {count(found.refused)}"),
            tile(count(found.failed), "films could not be read", warn=found.failed > 0),
            tile(NOTHING if rate is None else f"{rate:.3g}", "films a second, stops left out"),
            *([tile(percent(found.shards_done, found.shards), "of the shards done", warn=True)] if unfinished else []),
        ]
    )


def _sections(found: Findings) -> list[str]:
    parts = [_accounts(found)]
    parts += [
        _section("Grades by year", _grouping_text(one), _years(one)) for one in found.groupings if one.name == _YEAR
    ]
    parts.append(
        _pair(
            [
                _section(f"Grades by {one.name}", _grouping_text(one), GRADE_KEY + grades_table(one))
                for one in found.groupings
                if one.name != _YEAR
            ]
        )
    )
    parts.append(_section("Throughput", *_throughput(found)))
    slow = "Odd encodings and slow disks show here."
    parts.append(_section("Slowest films", slow, films_table(found.slowest, "what it is")))
    parts.append(_section("Strangest films", _STRANGE, films_table(found.strangest, "what is strange")))
    return parts


def _accounts(found: Findings) -> str:
    """Where every file and every result went."""
    fates = counts_table("fate", found.fates, found.files)
    codes = counts_table("code", found.refusals, found.whole.results, "warn")
    if not found.refusals:
        codes = "<p>Nothing was refused.</p>"
    return _pair(
        [
            _section("Every file and its fate", "Each file has one; films have a result below.", fates),
            _section("Refusals by code", "Of knees, and of films without a knee; shares are of all of these.", codes),
        ]
    )


def _section(title: str, text: str, body: str) -> str:
    return f'<section><h2>{escape(title)}</h2><p class="note">{escape(text)}</p>{body}</section>'


def _pair(sections: list[str]) -> str:
    return f'<div class="pair">{"".join(sections)}</div>'


def _grouping_text(grouping: Grouping) -> str:
    said = []
    if grouping.left_out is not None:
        said.append(f"The {len(grouping.groups)} with most results; the others stand last.")
    missing = sum(one.results for one in grouping.groups if not one.name)
    if missing:
        said.append(f"{count(missing)} results do not state it.")
    return " ".join(said) or "All films state it."


def _years(grouping: Grouping) -> str:
    named = [one for one in grouping.groups if one.name and one.graded]
    if len(named) < _FEWEST_COLUMNS:
        return GRADE_KEY + grades_table(grouping)
    shares = ColumnChart(
        tuple(Column(one.name, grade_pieces(one)) for one in named),
        "Share of each KL grade by year: "
        + ", ".join(f"{one.name} {100 * one.with_oa / one.graded:.0f} % with KL of at least 2" for one in named),
        percent=True,
    )
    knees = ColumnChart(
        tuple(Column(one.name, (Piece(one.graded, "two", f"{one.name}: {count(one.graded)} knees"),)) for one in named),
        "Graded knees by year: " + ", ".join(f"{one.name} {count(one.graded)}" for one in named),
        height=120,
    )
    drawn = [f'<div class="wide">{column_chart(chart)}</div>' for chart in (shares, knees)]
    return f"{GRADE_KEY}{drawn[0]}<h3>Graded knees</h3>{drawn[1]}"


def _throughput(found: Findings) -> tuple[str, str]:
    pace, whole = found.pace, found.pace.bins[-1].low if found.pace.bins else 0.0
    body = ""
    if len(pace.bins) >= _FEWEST_COLUMNS:
        columns = []
        for one in pace.bins:
            when = _time(one.low, whole)
            films = f"from {when}: {count(one.films)} films"
            columns.append(Column(when, (Piece(one.films / pace.bin_seconds, "one", films),)))
        chart = ColumnChart(tuple(columns), "Films a second over the time of the run.", between=True)
        body = f'<h3>Films a second, by time since the first part</h3><div class="wide">{column_chart(chart)}</div>'
    seconds = ColumnChart(
        tuple(
            Column(f"{one.low:.2g}", (Piece(one.films, "one", f"from {one.low:.2g} s: {count(one.films)} films"),))
            for one in found.seconds
        ),
        "Films by the seconds that they took.",
        between=True,
    )
    body += (
        f'<h3>Films, by the seconds that one took</h3><div class="wide">{column_chart(seconds)}</div>'
        f"<h3>Seconds a film, by transfer syntax</h3>{costs_table(found.costs)}"
    )
    return "Seconds are those of one worker, waiting for the disk included. Gaps over time are stops of the run.", body


def _time(seconds: float, whole: float) -> str:
    """A time within a run that lasts `whole` seconds."""
    if whole < 120:
        return f"{seconds:.0f} s"
    if whole < 7200:
        return f"{seconds / 60:.0f} min"
    return f"{seconds // 3600:.0f} h {seconds % 3600 // 60:02.0f}"
