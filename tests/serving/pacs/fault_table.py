"""The table of faults: what came in, what came out, what was lost, what was doubled; kept as a file."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from tests.serving.server import ROOT

FOLDER = ROOT / "bench"


@dataclass(frozen=True, slots=True)
class FaultRow:
    """One fault.

    Attributes:
        fault: in words.
        films_in: films that were answered for.
        results_out: results of theirs that the archive has, pictures and reports.
        lost: results that should be there and are not.
        doubled: objects beyond one a film and kind.
        sent_again: objects that came again although the archive had answered for them, and had not lost them.
        shown_as: states that the service shows, with how many objects stand there.
        truly: whether no object is shown as more than the archive has said.
    """

    fault: str
    films_in: int
    results_out: int
    lost: int
    doubled: int
    sent_again: int
    shown_as: dict[str, int]
    truly: bool


def write_table(name: str, rows: Sequence[FaultRow], seconds: float) -> Path:
    """Writes a table, for reading and for counting.

    Args:
        name: of the files, without a suffix.
        rows: of the table.
        seconds: that the run took.
    """
    FOLDER.mkdir(exist_ok=True)
    lines = [
        "| fault | films in | results out | lost | doubled | sent again | shown as |",
        "|---|---|---|---|---|---|---|",
    ]
    for row in rows:
        shown = ", ".join(f"{count} {state}" for state, count in sorted(row.shown_as.items()))
        cells = (row.fault, row.films_in, row.results_out, row.lost, row.doubled, row.sent_again, shown)
        lines.append(f"| {' | '.join(map(str, cells))} |")
    (FOLDER / f"{name}.json").write_text(
        json.dumps({"seconds": round(seconds, 1), "rows": [asdict(row) for row in rows]}, indent=2)
    )
    path = FOLDER / f"{name}.md"
    path.write_text("\n".join(lines) + "\n")
    return path
