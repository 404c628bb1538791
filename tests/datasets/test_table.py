"""A table of knees is read as it stands, and every mistake in it is named with its place and its remedy."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from kneeoa.datasets.grade_folders import KneeImage
from kneeoa.datasets.knee_pixels import read_knee
from kneeoa.datasets.readings import Feature, Group, KneeFacts, Reading, WidthReading
from kneeoa.datasets.table import read_table
from kneeoa.model.errors import DatasetError, FilmError
from kneeoa.model.radiograph import Side

HEADER = "image,subject,side,kl,split"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "crops").mkdir()
    for name in ("a.png", "b.png", "c, left.png"):
        Image.new("L", (8, 8), 90).save(tmp_path / "crops" / name)
    return tmp_path


def written(folder: Path, *lines: str) -> Path:
    path = folder / "knees.csv"
    path.write_text("\n".join(lines), encoding="utf-8")
    return path


def test_a_table_gives_one_knee_a_row_in_its_order(folder: Path) -> None:
    table = written(
        folder,
        HEADER,
        "crops/b.png,9000001,R,3,val",
        "crops/a.png,9000001,left,0,",
        '"crops/c, left.png",s2,l,4.0,TEST',
    )
    assert read_table(table) == [
        KneeImage(folder / "crops/b.png", "9000001", Side.RIGHT, 3, "val"),
        KneeImage(folder / "crops/a.png", "9000001", Side.LEFT, 0, "train"),
        KneeImage(folder / "crops/c, left.png", "s2", Side.LEFT, 4, "test"),
    ]


def test_headings_may_be_in_any_case_and_order_and_others_are_ignored(folder: Path) -> None:
    table = written(folder, "Note , KL,Side,IMAGE,Subject", "B,2,R,crops/a.png,007", "")
    assert read_table(table) == [KneeImage(folder / "crops/a.png", "007", Side.RIGHT, 2, "train")]


def test_a_byte_order_mark_as_excel_writes_it_is_no_part_of_the_first_heading(folder: Path) -> None:
    table = folder / "knees.csv"
    table.write_bytes(b"\xef\xbb\xbfimage,subject,side,kl\r\ncrops/a.png,s1,R,1\r\n")
    assert read_table(table)[0].kl == 1


def test_an_absolute_path_is_taken_as_it_is(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    table = written(elsewhere, HEADER, f"{folder / 'crops/a.png'},s1,R,1,")
    assert read_table(table)[0].path == folder / "crops/a.png"


@pytest.mark.parametrize("subjects", [[9000001, 9000002], ["9000001", "9000002"], [9000001.0, 9000002.0]])
def test_parquet_gives_the_same_knees_as_csv(folder: Path, subjects: list[object]) -> None:
    frame = pd.DataFrame(
        {"image": ["crops/a.png", "crops/b.png"], "Subject": subjects, "side": ["R", "L"], "KL": [2.0, 3.0]}
    )
    frame["split"] = [None, "val"]
    frame.to_parquet(folder / "knees.parquet")
    table = written(folder, HEADER, "crops/a.png,9000001,R,2,", "crops/b.png,9000002,L,3,val")
    assert read_table(folder / "knees.parquet") == read_table(table)


def test_a_missing_grade_in_parquet_is_no_grade_zero(folder: Path) -> None:
    frame = pd.DataFrame({"image": ["crops/a.png", "crops/b.png"], "subject": [1, 2], "side": "R", "kl": [1.0, None]})
    frame.to_parquet(folder / "knees.parquet")
    with pytest.raises(DatasetError, match=r"row 2: KL '' is no Kellgren-Lawrence grade"):
        read_table(folder / "knees.parquet")


def test_a_folder_above_a_parquet_file_is_not_a_column(tmp_path: Path) -> None:
    folder = tmp_path / "kl=4"
    folder.mkdir()
    Image.new("L", (8, 8)).save(folder / "a.png")
    frame = pd.DataFrame({"image": ["a.png"], "subject": ["s"], "side": ["R"], "kl": [1]})
    frame.to_parquet(folder / "knees.parquet")
    assert read_table(folder / "knees.parquet")[0].kl == 1


def test_a_set_that_only_judges_may_tell_no_subjects(folder: Path) -> None:
    bare = written(folder, "image,side,kl", "crops/a.png,R,1")
    assert [knee.subject for knee in read_table(bare, subject_required=False)] == [""]
    with pytest.raises(DatasetError, match="no column subject"):
        read_table(bare)
    partly = written(folder, "image,subject,side,kl", "crops/a.png,,R,1", "crops/b.png,s2,L,2")
    assert [knee.subject for knee in read_table(partly, subject_required=False)] == ["", "s2"]
    frame = pd.DataFrame({"image": ["crops/a.png"], "side": ["R"], "kl": [1]})
    frame.to_parquet(folder / "bare.parquet")
    assert read_table(folder / "bare.parquet", subject_required=False)[0].subject == ""


def test_optional_columns_become_facts_and_an_empty_cell_is_no_reading(folder: Path) -> None:
    table = written(
        folder,
        "image,subject,side,kl,visit,jsn_medial,jsn_lateral,sclerosis_tibia_medial,mjsw_mm,sex,age,site",
        "crops/a.png,s1,R,3,24,1.5,,0,3.25,F,67,B",
    )
    assert read_table(table)[0].facts == KneeFacts(
        visit="24",
        readings=(Reading(Feature.JSN_MEDIAL, 1.5), Reading(Feature.SCLEROSIS_TIBIA_MEDIAL, 0.0)),
        widths=(WidthReading("minimum", 3.25),),
        groups=(Group("sex", "F"), Group("age", "60-69"), Group("site", "B")),
    )


def test_several_readers_of_a_picture_are_one_knee_with_all_of_their_readings(folder: Path) -> None:
    rows = [f"crops/a.png,s1,R,{kl},{reader}" for reader, kl in (("ab", 1), ("cd", 3), ("ef", 2), ("gh", 3))]
    (knee,) = read_table(written(folder, "image,subject,side,kl,reader", *rows))
    assert knee.kl == 2
    assert list(knee.kl_shares) == [0, 0.25, 0.25, 0.5, 0]
    assert {reading.reader for reading in knee.facts.readings} == {"ab", "cd", "ef", "gh"}


def test_the_two_knees_of_one_picture_are_told_apart_by_their_boxes(folder: Path) -> None:
    pixels = np.tile(np.arange(8, dtype=np.uint8) * 30, (8, 1))
    Image.fromarray(pixels).save(folder / "both.png")
    header = "image,subject,side,kl,box_row,box_column,box_height,box_width"
    knees = read_table(written(folder, header, "both.png,s1,R,0,0,0,8,4", "both.png,s1,L,4,2,4,6,4"))
    assert [(knee.side, knee.kl) for knee in knees] == [(Side.RIGHT, 0), (Side.LEFT, 4)]
    np.testing.assert_allclose(read_knee(knees[1]) * 255, pixels[2:, 4:], atol=1e-3)
    wide = read_table(written(folder, header, "both.png,s1,R,0,0,0,8,9"))
    with pytest.raises(FilmError, match="leaves the picture"):
        read_knee(wide[0])


@pytest.mark.parametrize(
    ("header", "rows", "message"),
    [
        ("reader", ("ab", "ab"), "stands in line 2 already"),
        ("reader", ("ab", ""), "stands in line 2 already.*different reader"),
        ("reader,visit", ("ab,0", "cd,12"), "differ in their readings alone"),
        ("jsn_medial", ("4",), "jsn_medial '4' is no grade of its scale"),
        ("osteophytes_femur_medial", ("-1",), "an empty cell is not a zero"),
        ("mjsw_mm", ("36",), "no joint space in millimetres"),
        ("age", ("old",), "no age in years"),
        ("box_row,box_column,box_height,box_width", ("1,,3,4",), "Give all four"),
    ],
)
def test_a_mistake_in_an_optional_column_is_named(
    folder: Path, header: str, rows: tuple[str, ...], message: str
) -> None:
    table = written(folder, f"image,subject,side,kl,{header}", *(f"crops/a.png,s1,R,2,{row}" for row in rows))
    with pytest.raises(DatasetError, match=message):
        read_table(table)


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("crops/a.png,s1,X,2,", r"line 3: side 'X' is unknown\. Write R or L"),
        ("crops/a.png,s1,R,5,", r"line 3: KL '5' is no .* Write 0, 1, 2, 3 or 4"),
        ("crops/a.png,s1,R,-1,", r"line 3: KL '-1'"),
        ("crops/a.png,s1,R,1.5,", r"line 3: KL '1\.5'"),
        ("crops/a.png,s1,R,nan,", r"line 3: KL 'nan'"),
        ("crops/a.png,s1,R,two,", r"line 3: KL 'two'"),
        ("crops/z.png,s1,R,2,", r"line 3: there is no file crops/z\.png .* relative to the table"),
        (",s1,R,2,", r"line 3: the row names no image"),
        ("crops/a.png,,R,2,", r"line 3: the row has no subject"),
        ("crops/a.png,s1,R,2,tarin", r"line 3: split 'tarin' is unknown\. Write one of train, val, test"),
        ("crops/../crops/b.png,s1,L,2,", r"line 3: crops/\.\./crops/b\.png stands in line 2 already"),
        ("crops/c, left.png,s1,R,2,", r"line 3 has 6 cells under 5 headings.*quotes"),
        ("crops/a.png,s1", r"line 3 has 2 cells under 5 headings"),
    ],
)
def test_a_mistake_in_a_row_is_named_with_its_line_and_its_remedy(folder: Path, row: str, message: str) -> None:
    table = written(folder, HEADER, "crops/b.png,s0,L,0,val", row)
    with pytest.raises(DatasetError, match=message):
        read_table(table)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"image,subject,kl\n", r"has no column side \(found: image, subject, kl\)"),
        (b"image;subject;side;kl\n", r"has no column image, subject, side, kl .*commas"),
        (b"", r"has no column .*found: none"),
        (b"image,subject,side,kl,KL\n", r"two columns named kl"),
        (b"image,subject,side,kl\n\n", r"has no rows"),
        ("image,subject,side,kl\nä".encode("latin-1"), r"is not UTF-8"),
        (b'image,subject,side,kl\n"a"b,c,R,1\n', r"is not valid CSV"),
    ],
)
def test_a_table_that_cannot_be_one_is_refused(folder: Path, content: bytes, message: str) -> None:
    table = folder / "knees.csv"
    table.write_bytes(content)
    with pytest.raises(DatasetError, match=message):
        read_table(table)


def test_a_missing_table_and_a_broken_parquet_file_are_named(folder: Path) -> None:
    with pytest.raises(DatasetError, match="There is no table"):
        read_table(folder / "none.csv")
    (folder / "broken.parquet").write_bytes(b"PAR1 and nothing else")
    with pytest.raises(DatasetError, match="is not a Parquet file"):
        read_table(folder / "broken.parquet")


def test_without_pyarrow_the_remedy_is_the_train_extra(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (folder / "knees.parquet").write_bytes(b"PAR1")
    # None is what Python itself stores for a module that must not be imported.
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(DatasetError, match=r"kneeoa\[train\]"):
        read_table(folder / "knees.parquet")


@settings(max_examples=60, deadline=None)
@given(text=st.text(alphabet=st.characters(exclude_characters=',"\r\n', codec="utf-8"), max_size=6))
def test_no_text_but_a_whole_number_from_0_to_4_is_a_grade(text: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.getbasetemp()
    (folder / "a.png").touch()
    table = written(folder, "image,subject,side,kl", f"a.png,s1,R,{text}")
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if value in {0.0, 1.0, 2.0, 3.0, 4.0}:
        assert read_table(table)[0].kl == value
    else:
        with pytest.raises(DatasetError):
            read_table(table)
