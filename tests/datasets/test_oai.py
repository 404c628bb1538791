"""OAI: readings of the published layout find their pictures, and every usual mistake is named with its remedy."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from tests.datasets.cohort_files import (
    OAI_HEADINGS,
    OAI_ROWS,
    WIDTH_HEADINGS,
    WIDTH_ROWS,
    films,
    oai_readings,
    written,
)

from kneeoa.datasets.cohort_errors import CohortError, CohortMistake
from kneeoa.datasets.cohort_films import plain_visit
from kneeoa.datasets.oai import read_oai
from kneeoa.datasets.readings import Feature, Reading, WidthReading
from kneeoa.model.errors import DatasetError
from kneeoa.model.radiograph import Side

RIGHT, LEFT = "right.png,9000001,00,R", "left.png,9000001,0,L"


def test_side_1_is_the_right_knee_and_side_2_the_left(tmp_path: Path) -> None:
    found = read_oai(films(tmp_path, RIGHT, LEFT), [oai_readings(tmp_path)])
    assert [(knee.path.name, knee.side, knee.kl) for knee in found.knees] == [
        ("right.png", Side.RIGHT, 2),
        ("left.png", Side.LEFT, 0),
    ]
    assert found.readings_without_film == 1
    assert "1 readings have no picture" in found.note()


def test_every_reader_is_kept_and_the_target_may_be_their_shares(tmp_path: Path) -> None:
    (knee,) = read_oai(films(tmp_path, RIGHT), [oai_readings(tmp_path)]).knees
    grades = {(r.reader, r.grade) for r in knee.facts.readings if r.feature is Feature.KL}
    assert grades == {("15", 3), ("37", 2)}
    assert list(knee.kl_shares) == [0, 0, 0.5, 0.5, 0]
    assert knee.kl == 2, "of two readers the lower median: a grade that one of them gave"


def test_a_partial_grade_keeps_its_value_and_counts_as_its_whole_part(tmp_path: Path) -> None:
    (knee,) = read_oai(films(tmp_path, RIGHT), [oai_readings(tmp_path)]).knees
    assert Reading(Feature.JSN_MEDIAL, 1.4, "15") in knee.facts.readings
    assert Reading(Feature.JSN_MEDIAL, 1.4, "15").grade == 1


def test_a_missing_reading_is_absent_and_no_zero(tmp_path: Path) -> None:
    found = read_oai(films(tmp_path, RIGHT, LEFT), [oai_readings(tmp_path)])
    right, left = found.knees
    assert {r.reader for r in right.facts.readings if r.feature is Feature.OSTEOPHYTES_TIBIA_MEDIAL} == {"15"}
    assert [r.feature for r in left.facts.readings] == [Feature.KL]


def test_widths_come_by_place_and_one_that_could_not_be_measured_is_left_out(tmp_path: Path) -> None:
    widths = written(tmp_path / "kxr_qjsw_duryea00.txt", WIDTH_HEADINGS, *WIDTH_ROWS)
    right, left = read_oai(films(tmp_path, RIGHT, LEFT), [oai_readings(tmp_path)], [widths]).knees
    assert right.facts.widths == (
        WidthReading("minimum_medial", 3.61),
        WidthReading("medial_0.150", 4.02),
        WidthReading("medial_0.250", 3.75),
    )
    assert left.facts.widths == (WidthReading("minimum_medial", 4.4), WidthReading("lateral_0.700", 6.2))


def test_one_reading_project_may_be_chosen(tmp_path: Path) -> None:
    (knee,) = read_oai(films(tmp_path, RIGHT), [oai_readings(tmp_path)], projects=["15"]).knees
    assert (knee.kl, {r.reader for r in knee.facts.readings}) == (3, {"15"})


def test_visits_do_not_mix(tmp_path: Path) -> None:
    later = oai_readings(
        tmp_path,
        "9000001|1|15|016600000009|4|.|.|.|.|.|.|.|0.8",
        name="kxr_sq_bu03.txt",
        headings=OAI_HEADINGS.replace("V00", "V03"),
    )
    table = films(tmp_path, RIGHT, "later.png,9000001,V03,R")
    assert [k.kl for k in read_oai(table, [oai_readings(tmp_path), later]).knees] == [2, 4]


def test_of_two_films_of_a_visit_the_barcode_finds_the_one_that_was_read(tmp_path: Path) -> None:
    table = films(
        tmp_path,
        "other.png,9000001,0,R,016600000007",
        "read.png,9000001,0,R,016600000001",
        headings="image,subject,visit,side,barcode",
    )
    found = read_oai(table, [oai_readings(tmp_path)])
    assert [knee.path.name for knee in found.knees] == ["read.png"]
    assert found.films_without_reading == 1


@pytest.mark.parametrize("text", ["V03", "03", "3", "3.0", " v03 "])
def test_a_visit_is_the_same_however_it_is_written(text: str) -> None:
    assert plain_visit(text) == "3"
    assert plain_visit("V00") == plain_visit("0") == "0"
    assert plain_visit("10") == "10"


def test_capitals_of_headings_do_not_matter(tmp_path: Path) -> None:
    readings = oai_readings(tmp_path, headings=OAI_HEADINGS.lower())
    assert read_oai(films(tmp_path, RIGHT), [readings]).knees[0].kl == 2


def no_file(folder: Path) -> None:
    read_oai(films(folder, RIGHT), [folder / "kxr_sq_bu00.txt"])


def none_named(folder: Path) -> None:
    read_oai(films(folder, RIGHT), [])


def sas(folder: Path) -> None:
    read_oai(films(folder, RIGHT), [oai_readings(folder, name="kxr_sq_bu00.sas7bdat")])


def clinical(folder: Path) -> None:
    read_oai(films(folder, RIGHT), [oai_readings(folder, "9000001|61", headings="ID|V00AGE")])


def repeated(folder: Path) -> None:
    read_oai(films(folder, RIGHT), [oai_readings(folder, name="kxr_sq_rel_bu00.txt")])


def widths_for_readings(folder: Path) -> None:
    read_oai(films(folder, RIGHT), [oai_readings(folder, *WIDTH_ROWS, headings=WIDTH_HEADINGS)])


def semicolons(folder: Path) -> None:
    rows = [row.replace("|", ";") for row in OAI_ROWS]
    read_oai(films(folder, RIGHT), [oai_readings(folder, *rows, headings=OAI_HEADINGS.replace("|", ";"))])


def cut_short(folder: Path) -> None:
    read_oai(films(folder, RIGHT), [oai_readings(folder, OAI_ROWS[0], OAI_ROWS[1][:30])])


def other_visit(folder: Path) -> None:
    read_oai(films(folder, RIGHT), [oai_readings(folder, name="kxr_sq_bu01.txt")])


def visit_without_films(folder: Path) -> None:
    headings = OAI_HEADINGS.replace("V00", "V07")
    read_oai(films(folder, RIGHT), [oai_readings(folder, name="kxr_sq_bu07.txt", headings=headings)])


def third_side(folder: Path) -> None:
    read_oai(films(folder, RIGHT), [oai_readings(folder, OAI_ROWS[3].replace("|2|", "|3|", 1))])


def grade_five(folder: Path) -> None:
    read_oai(films(folder, RIGHT), [oai_readings(folder, OAI_ROWS[0].replace("3: 3", "5: 5"))])


def no_number(folder: Path) -> None:
    read_oai(films(folder, RIGHT), [oai_readings(folder, OAI_ROWS[0].replace("3: 3", "n/a"))])


def twice(folder: Path) -> None:
    read_oai(films(folder, RIGHT), [oai_readings(folder, OAI_ROWS[0], OAI_ROWS[0].replace("3: 3", "2: 2"))])


def lost_zero(folder: Path) -> None:
    table = films(folder, f"{RIGHT},16600000001", headings="image,subject,visit,side,barcode")
    read_oai(table, [oai_readings(folder)])


def other_subjects(folder: Path) -> None:
    read_oai(films(folder, "right.png,OAI-9000001,0,R"), [oai_readings(folder)])


def months_for_visits(folder: Path) -> None:
    read_oai(films(folder, "right.png,9000001,24,R"), [oai_readings(folder)])


def no_such_project(folder: Path) -> None:
    read_oai(films(folder, RIGHT), [oai_readings(folder)], projects=["42"])


def two_films(folder: Path) -> None:
    read_oai(films(folder, RIGHT, "again.png,9000001,0,R"), [oai_readings(folder)])


@pytest.mark.parametrize(
    ("wrong", "mistake", "remedy"),
    [
        (no_file, CohortMistake.NO_FILE, "Give kxr_sq_bu00"),
        (none_named, CohortMistake.NO_FILE, "Give kxr_sq_bu00"),
        (sas, CohortMistake.BINARY_FILE, "ASCII download"),
        (clinical, CohortMistake.OTHER_FILE, "no column SIDE"),
        (repeated, CohortMistake.OTHER_FILE, "repeated readings"),
        (widths_for_readings, CohortMistake.OTHER_FILE, "no column V00XRKL"),
        (semicolons, CohortMistake.OTHER_SEPARATOR, "as it was downloaded"),
        (cut_short, CohortMistake.OTHER_SEPARATOR, "line 3 has 4 cells under 13 headings"),
        (other_visit, CohortMistake.MIXED_VISITS, "bears its number"),
        (visit_without_films, CohortMistake.UNKNOWN_VISIT, "films were read at visits 0, 1, 3"),
        (third_side, CohortMistake.UNKNOWN_SIDE, "1 for the right knee and 2 for the left"),
        (grade_five, CohortMistake.OFF_SCALE, "its scale ends at 4"),
        (no_number, CohortMistake.NOT_A_NUMBER, "neither a value nor one of the missing"),
        (twice, CohortMistake.CONTRADICTION, "each release of a file once"),
        (lost_zero, CohortMistake.SHORT_BARCODE, "as text"),
        (other_subjects, CohortMistake.OTHER_IDENTIFIERS, "as the cohort does"),
        (months_for_visits, CohortMistake.OTHER_IDENTIFIERS, "the table has visits 24, the readings 0"),
        (no_such_project, CohortMistake.UNKNOWN_PROJECT, r"found: 15, 37"),
        (two_films, CohortMistake.TWO_FILMS, "barcode"),
    ],
)
def test_a_usual_mistake_has_a_name_and_a_remedy(
    wrong: Callable[[Path], None], mistake: CohortMistake, remedy: str, tmp_path: Path
) -> None:
    with pytest.raises(CohortError, match=remedy) as caught:
        wrong(tmp_path)
    assert caught.value.mistake is mistake
    assert str(caught.value).startswith(f"{mistake}: ")


def test_no_error_about_identifiers_prints_one(tmp_path: Path) -> None:
    with pytest.raises(CohortError) as caught:
        read_oai(films(tmp_path, "right.png,9123456,0,R"), [oai_readings(tmp_path)])
    assert "9123456" not in str(caught.value)
    assert "9000001" not in str(caught.value)


def test_a_film_without_subject_or_with_an_unknown_split_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="subject or visit is empty"):
        read_oai(films(tmp_path, "right.png,,0,R"), [oai_readings(tmp_path)])
    table = films(tmp_path, f"{RIGHT},tarin", headings="image,subject,visit,side,split")
    with pytest.raises(DatasetError, match="split 'tarin' is unknown"):
        read_oai(table, [oai_readings(tmp_path)])
