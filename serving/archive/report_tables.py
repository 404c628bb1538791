"""The parts of an archive's report as HTML: tiles, tables with bars, legends."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import PurePosixPath, PureWindowsPath
from urllib.parse import quote

from kneeoa.model.grades import KL_GRADES
from kneeoa.serving.archive.report_charts import Piece, bar, short
from kneeoa.serving.archive.report_findings import Count, Grades, Grouping, NotedFilm, SyntaxCost

_FOLLOWED = ("http://", "https://", "file://")
UNSTATED, NOTHING = "not stated", "-"


def count(number: int) -> str:
    """A count with thin spaces between the thousands."""
    return f"{number:,}".replace(",", "\N{NARROW NO-BREAK SPACE}")


def percent(part: float, whole: float) -> str:
    """A share in per cent; of nothing, a dash."""
    if not whole:
        return NOTHING
    share = 100 * part / whole
    if part and share < 0.05:
        return "&lt; 0.1 %"
    return f"{share:.1f} %" if share < 99.95 or part == whole else "99.9 %"


def grade_pieces(grades: Grades) -> tuple[Piece, ...]:
    """The grades of a group as shares of its graded knees, KL 0 first; nothing where none was graded."""
    if not grades.graded:
        return ()
    return tuple(
        Piece(
            number / grades.graded,
            f"kl-{grade}",
            f"{grades.name or UNSTATED}, KL {grade}: {count(number)} knees, {100 * number / grades.graded:.1f} %",
        )
        for grade, number in zip(KL_GRADES, grades.knees, strict=True)
    )


def tile(value: str, said: str, *, warn: bool = False) -> str:
    """One figure in large letters; `value` is HTML."""
    return f'<div class="tile{" warn" if warn else ""}"><b>{value}</b><span>{escape(said)}</span></div>'


def key(entries: Sequence[tuple[str, str]]) -> str:
    """A legend of (CSS class, words)."""
    return '<ul class="key">' + "".join(f'<li><i class="{c}"></i>{escape(w)}</li>' for c, w in entries) + "</ul>"


GRADE_KEY = key([(f"kl-{grade}", f"KL {grade}") for grade in KL_GRADES])
"""Blue below radiographic osteoarthritis, warm colours from KL 2 on."""


def counts_table(heading: str, counts: Sequence[Count], whole: int, style: str = "one") -> str:
    """Names with their numbers, as bars on one scale.

    Args:
        heading: of the first column.
        counts: rows.
        whole: of which the shares are; the longest bar fills its place.
        style: CSS class of the bars.
    """
    longest = max((one.number for one in counts), default=0) or 1
    rows = "".join(
        f"<tr><th><code>{escape(one.name)}</code></th>"
        f'<td class="drawn">{bar([Piece(one.number, style, f"{one.name}: {count(one.number)}")], longest)}</td>'
        f'<td class="number">{count(one.number)}</td><td class="number">{percent(one.number, whole)}</td></tr>'
        for one in counts
    )
    head = f"<tr><th>{escape(heading)}</th><th></th><th class='number'>number</th><th class='number'>share</th></tr>"
    return f'<div class="wide"><table><thead>{head}</thead><tbody>{rows}</tbody></table></div>'


def grades_table(grouping: Grouping) -> str:
    """The grades of each group as a bar, beside its numbers."""
    groups = [*grouping.groups, *([grouping.left_out] if grouping.left_out else [])]
    rows = "".join(
        f"<tr><th>{escape(one.name or UNSTATED)}</th><td class='drawn'>{bar(grade_pieces(one), 1.0)}</td>"
        f'<td class="number">{percent(one.with_oa, one.graded)}</td><td class="number">{count(one.graded)}</td>'
        f'<td class="number">{percent(one.ungraded, one.results)}</td></tr>'
        for one in groups
    )
    head = (
        f"<tr><th>{escape(grouping.name)}</th><th></th><th class='number'>KL ≥ 2</th><th class='number'>knees</th>"
        "<th class='number'>no grade</th></tr>"
    )
    return f'<div class="wide"><table><thead>{head}</thead><tbody>{rows}</tbody></table></div>'


def films_table(films: Sequence[NotedFilm], heading: str) -> str:
    """Films with links."""
    rows = "".join(
        f'<tr><td class="source">{link(one)}</td><td>{escape(one.why)}</td>'
        f'<td class="number">{one.seconds:.2f} s</td></tr>'
        for one in films
    )
    head = f"<tr><th>film</th><th>{escape(heading)}</th><th class='number'>took</th></tr>"
    return f'<div class="wide"><table><thead>{head}</thead><tbody>{rows}</tbody></table></div>'


def costs_table(costs: Sequence[SyntaxCost]) -> str:
    """Seconds a film by transfer syntax; the bar is the median."""
    longest = max((one.median for one in costs), default=0.0) or 1.0
    rows = "".join(
        f"<tr><th><code>{escape(one.syntax or UNSTATED)}</code></th>"
        f'<td class="drawn">{bar([Piece(one.median, "one", f"median {one.median:.3f} s")], longest)}</td>'
        f'<td class="number">{one.median:.3f} s</td><td class="number">{one.p95:.3f} s</td>'
        f'<td class="number">{NOTHING if one.mean_bytes is None else short(one.mean_bytes) + "B"}</td>'
        f'<td class="number">{count(one.films)}</td></tr>'
        for one in costs
    )
    head = (
        "<tr><th>transfer syntax</th><th></th><th class='number'>median</th><th class='number'>95 %</th>"
        "<th class='number'>file</th><th class='number'>films</th></tr>"
    )
    return f'<div class="wide"><table><thead>{head}</thead><tbody>{rows}</tbody></table></div>'


def link(film: NotedFilm) -> str:
    """A film's place: a link where a browser can follow one, and never to anything but a file or a web address.

    A member of a tar or zip file leads to that file.
    """
    shown = escape(
        film.source
        if film.member is None
        else f"{film.source} \N{SINGLE RIGHT-POINTING ANGLE QUOTATION MARK} {film.member}"
    )
    address = ""
    if film.source.startswith(_FOLLOWED):
        address = film.source
    elif PurePosixPath(film.source).is_absolute():
        address = "file://" + quote(film.source)
    elif PureWindowsPath(film.source).is_absolute():
        address = PureWindowsPath(film.source).as_uri()
    return f'<a href="{escape(address)}">{shown}</a>' if address else f"<code>{shown}</code>"
