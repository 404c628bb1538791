"""The queries of docs/archive.md, run in order as they stand, on an archive that was made up for it."""

from __future__ import annotations

import csv
import re
import runpy
from datetime import date
from pathlib import Path
from typing import TypeAlias

import duckdb
import pytest
from tests.serving.archive.made_archive import SHA256, MadeArchive

from kneeoa.serving.archive.pseudonyms import Pseudonyms

DOCUMENT = (Path(__file__).parents[3] / "docs" / "archive.md").read_text(encoding="utf-8")
Row: TypeAlias = "dict[str, str | int | float | date | bool | None]"


@pytest.fixture(scope="module")
def archive(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("archive")
    MadeArchive(9000, shard_films=1000).write(root)
    studies = [f"2.25.{row}2" for row in (0, 3, 6, 17)] + ["1.2.3"]
    with (root / "worklist.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([["accession", "study_instance_uid"], *zip("ABCDE", studies, strict=True)])
    return root


@pytest.fixture(scope="module")
def answers(archive: Path) -> dict[str, list[Row]]:
    """What each query answers, by the bold words above it."""
    found: dict[str, list[Row]] = {}
    with pytest.MonkeyPatch.context() as patch, duckdb.connect() as base:
        patch.chdir(archive)
        for name, block in _queries():
            said = base.execute(block)
            names = [column[0] for column in said.description or ()]
            found[name] = [dict(zip(names, row, strict=True)) for row in said.fetchall()]
    return found


def _queries() -> list[tuple[str, str]]:
    section = DOCUMENT.split("\n## Queries\n")[1].split("\n## ")[0]
    found, name = [], "views"
    for piece in re.finditer(r"^\*\*([^*]+?)[.:]?\*\*|^```sql\n(.*?)^```", section, re.MULTILINE | re.DOTALL):
        if piece[2] is None:
            name = piece[1]
        else:
            found += [(name, statement) for statement in piece[2].split(";") if statement.strip()]
    return found


def test_every_query_of_the_document_answers_something(answers: dict[str, list[Row]]) -> None:
    assert len(_queries()) >= 7
    assert all(rows for name, rows in answers.items() if name != "views")


def test_young_knees_with_severe_osteoarthritis_are_found(answers: dict[str, list[Row]]) -> None:
    rows = answers["KL >= 3 under 60"]
    with_grades = [(row["kl_grade"], row["age_years"]) for row in rows]
    assert all(grade in {3, 4} and isinstance(age, int) and age < 60 for grade, age in with_grades)
    assert len({row["source"] for row in rows}) > 10


def test_progression_compares_a_side_with_its_own_earlier_visit(answers: dict[str, list[Row]], archive: Path) -> None:
    rows = answers["Progression between visits"]
    assert all(row["grade"] > row["before"] and row["study_date"] > row["since"] for row in rows)  # type: ignore[operator]
    first = rows[0]
    with duckdb.connect() as base:
        visits = base.execute(
            "SELECT m.study_date, k.kl_grade FROM read_parquet(?) k JOIN read_parquet(?) m ON m.row = k.row "
            "WHERE m.patient = ? AND k.side = ? AND k.kl_grade IS NOT NULL ORDER BY 1",
            [
                str(archive / "release=*" / "part-*.parquet"),
                str(archive / "manifest.parquet"),
                first["patient"],
                first["side"],
            ],
        ).fetchall()
    assert (first["since"], first["before"]) in visits
    assert visits.index((first["study_date"], first["grade"])) == visits.index((first["since"], first["before"])) + 1


def test_drift_is_told_of_each_device_and_month_with_enough_knees(answers: dict[str, list[Row]]) -> None:
    rows = answers["Drift by device and month"]
    assert {"Acme DX-3000", "Rad CR 25", "KneeOA phantom"} <= {str(row["device"]) for row in rows}
    assert all(isinstance(row["graded"], int) and row["graded"] >= 20 for row in rows)
    drifts = [abs(row["drift"]) for row in rows if isinstance(row["drift"], float)]
    assert drifts == sorted(drifts, reverse=True)
    assert len(drifts) > 0.8 * len(rows)


def test_every_study_of_a_worklist_comes_back_also_one_that_was_never_seen(answers: dict[str, list[Row]]) -> None:
    rows = answers["Back to a worklist"]
    by_accession = {accession: [row for row in rows if row["accession"] == accession] for accession in "ABCDE"}
    assert [row["side"] for row in by_accession["A"]] == ["L", "R"]
    assert by_accession["D"][0]["refusals"]
    assert [(row["seen"], row["kl_grade"]) for row in by_accession["E"]] == [(False, None)]


def test_outcomes_add_up_to_all_files(answers: dict[str, list[Row]]) -> None:
    rows = answers["Every file once"]
    assert sum(int(str(row["files"])) for row in rows) == 9000
    assert "waits" not in {row["outcome"] for row in rows}


def test_worklist_is_hashed_as_the_archive_hashes(archive: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    section = DOCUMENT.split("\n## Queries\n")[1].split("\n## ")[0]
    (program,) = re.findall(r"^```python\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
    monkeypatch.chdir(archive)
    Path("archive.key").write_bytes(b"0123456789abcdef")
    Path("hash.py").write_text(program, encoding="utf-8")
    runpy.run_path("hash.py")
    with Path("hashed.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    names = Pseudonyms(b"0123456789abcdef")
    assert [row["accession"] for row in rows] == list("ABCDE")
    assert rows[0]["study_instance_uid"] == names.of("uid", "2.25.02")
    assert SHA256 not in Path("hashed.csv").read_text(encoding="utf-8")
