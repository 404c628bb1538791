"""The tables of docs/archive.md are those of the schemas; `python tests/serving/archive/test_schema.py` writes them."""

from __future__ import annotations

import re
from dataclasses import fields
from pathlib import Path

from kneeoa.serving.archive.columns import markdown_table
from kneeoa.serving.archive.manifest_schema import MANIFEST_COLUMNS, ManifestRow, manifest_rows, manifest_table
from kneeoa.serving.archive.part_schema import PART_COLUMNS, PART_SCHEMA

PAGE = Path(__file__).parents[3] / "docs" / "archive.md"


def with_tables(page: str) -> str:
    for name, columns in (("manifest", MANIFEST_COLUMNS), ("part", PART_COLUMNS)):
        before, _, after = page.partition(f"<!-- {name} -->\n")
        after = re.sub(r"\A\n(\|.*\n)+", "", after)
        page = f"{before}<!-- {name} -->\n\n{markdown_table(columns)}{after}"
    return page


def test_documented_columns_are_those_of_the_schemas() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page == with_tables(page), "run: python tests/serving/archive/test_schema.py"
    assert "| `medial_minimum_mm` | double |" in page


def test_a_row_of_the_manifest_has_the_columns_of_the_schema() -> None:
    assert [field.name for field in fields(ManifestRow)] == [column.name for column in MANIFEST_COLUMNS]
    row = ManifestRow(7, "film.dcm", sex="F", age_years=61)
    assert manifest_rows(manifest_table([row])) == [row]


def test_no_two_columns_of_a_part_share_a_name() -> None:
    assert len(set(PART_SCHEMA.names)) == len(PART_COLUMNS)


if __name__ == "__main__":
    PAGE.write_text(with_tables(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
