"""Reports as a table for a terminal."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from kneeoa.model.grades import FilmGrades, KLGrade, KneeGrades
from kneeoa.serving.results.words import percent

_BLOCKS = " ▁▂▃▄▅▆▇█"


def results_table(reports: Sequence[FilmGrades]) -> Table:
    """One row a knee, or one row with the reason for a film that has none.

    Args:
        reports: in the order to print.
    """
    first = reports[0].release if reports else None
    title = f"KneeOA, release {first.name} ({first.sha256[:12]})" if first else "KneeOA"
    table = Table(title=title, caption="Decision support for trained readers. Not for sole diagnosis.")
    for heading in ("film", "side", "KL", "P(KL 0-4)", "P(OA)", "remarks"):
        table.add_column(heading, overflow="fold", justify="center" if heading in ("side", "KL") else "left")
    for report in reports:
        if not report.knees:
            table.add_row(_name(report), "", Text("-", style="bold yellow"), "", "", _reason(report))
        for knee in report.knees:
            table.add_row(_name(report), knee.side.value, *_grade(knee.kl), _remarks(report, knee))
    return table


def _name(report: FilmGrades) -> Text:
    """The film's name; control characters in a file's name must not command the terminal."""
    return Text("".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in report.film.source))


def _grade(kl: KLGrade | None) -> tuple[Text, str, str]:
    if kl is None:
        return Text("-", style="bold yellow"), "", ""
    bars = "".join(_BLOCKS[round(p * 8)] for p in kl.probabilities)
    share = percent(max(kl.probabilities))
    return Text(str(kl.grade), style="bold cyan"), f"{bars}  {share}", percent(kl.oa_probability)


def _reason(report: FilmGrades) -> Text:
    refusal = report.refusal
    if refusal is None:
        return Text("no knee")
    return Text.assemble((refusal.code.value, "bold yellow"), f": {refusal.message} {refusal.remedy}")


def _remarks(report: FilmGrades, knee: KneeGrades) -> Text:
    if knee.refusal is not None:
        return Text(f"{knee.refusal.code.value}: {knee.refusal.message} {knee.refusal.remedy}")
    return Text(", ".join((*report.flags, *knee.flags)))
