"""Reports as a table for a terminal: one row a knee, or one for a film without any; reasons below it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.table import Table
from rich.text import Text

from kneeoa.model.errors import Refusal
from kneeoa.model.grades import FilmGrades, KLGrade, KneeGrades
from kneeoa.serving.results.words import film_remarks, percent

_BLOCKS = " ▁▂▃▄▅▆▇█"
_CENTRED = ("side", "KL")


def results_table(reports: Sequence[FilmGrades]) -> Table:
    """One row a knee, or one row with the reason for a film that has none.

    Args:
        reports: in the order to print.
    """
    first = reports[0].release if reports else None
    title = f"KneeOA, release {first.name} ({first.sha256[:12]})" if first else "KneeOA"
    table = Table(title=title, caption="Decision support for trained readers. Not for sole diagnosis.")
    for heading in ("film", "side", "told by", "KL", "P(KL 0-4)", "P(OA)", "JSW", "remarks"):
        table.add_column(heading, overflow="fold", justify="center" if heading in _CENTRED else "left")
    for report in reports:
        rows = list(_rows(report))
        for i, row in enumerate(rows):
            table.add_row(_name(report) if i == 0 else "", *row, end_section=i == len(rows) - 1)
    return table


def refusal_notes(reports: Sequence[FilmGrades]) -> list[Text]:
    """What the codes in the table mean, each sentence once: why something was refused, and what to do."""
    notes: dict[Refusal, None] = {}
    for report in reports:
        for refusal in (report.refusal, *(knee.refusal for knee in report.knees)):
            if refusal is not None:
                notes.setdefault(refusal)
    return [Text.assemble((note.code.value, "bold yellow"), f": {note.message} {note.remedy}") for note in notes]


def _name(report: FilmGrades) -> Text:
    """The film's name; control characters in a file's name must not command the terminal."""
    return Text("".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in report.film.source))


def _rows(report: FilmGrades) -> Iterator[tuple[str | Text, ...]]:
    """All cells but the film's name; flags of the film stand in its first row."""
    remarks = film_remarks(report)
    for knee in report.knees:
        source = "" if knee.side_source == "none" else knee.side_source.value
        yield knee.side.value, source, *_grade(knee.kl), _joint_space(knee), _remarks(knee, remarks)
        remarks = ()
    if not report.knees:
        code = report.refusal.code.value if report.refusal is not None else "no knee"
        yield "", "", *_grade(None), "", Text(", ".join((code, *remarks)))


def _grade(kl: KLGrade | None) -> tuple[Text, str, str]:
    if kl is None:
        return Text("-", style="bold yellow"), "", ""
    bars = "".join(_BLOCKS[round(p * 8)] for p in kl.probabilities)
    share = percent(kl.probabilities[kl.grade])
    return Text(str(kl.grade), style="bold cyan"), f"{bars}  {share}", percent(kl.oa_probability)


def _joint_space(knee: KneeGrades) -> str:
    """Minimum widths, medial and lateral (image left and right where the side is unknown): "3.2/4.1 mm"."""
    parts = list((knee.joint_space or {}).values())
    if not parts:
        return ""
    scaled = all(part.minimum_mm is not None for part in parts)
    widths = [part.minimum_mm if scaled else part.minimum_percent_of_plateau for part in parts]
    return f"{'/'.join('-' if w is None else f'{w:.1f}' for w in widths)} {'mm' if scaled else '%'}"


def _remarks(knee: KneeGrades, of_film: tuple[str, ...]) -> Text:
    refused = () if knee.refusal is None else (knee.refusal.code.value,)
    return Text(", ".join((*refused, *knee.flags, *of_film)))
