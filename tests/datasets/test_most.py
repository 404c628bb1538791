"""MOST: the letter after X is the leg, codes are no grades, and every usual mistake is named."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.datasets.cohort_files import MOST_HEADINGS, MOST_ROWS, films, oai_readings, written

from kneeoa.datasets.cohort_errors import CohortError, CohortMistake
from kneeoa.datasets.most import read_most
from kneeoa.datasets.readings import Feature, Reading
from kneeoa.model.radiograph import Side

NAME = "MOSTV01235XRAY.txt"


def test_the_letter_after_x_is_the_leg(tmp_path: Path) -> None:
    table = films(tmp_path, "r.png,MB00001,0,R", "l.png,MB00001,0,L", "later.png,MB00001,1,R", "b.png,MB00002,V0,L")
    found = read_most(table, [written(tmp_path / NAME, MOST_HEADINGS, *MOST_ROWS)])
    assert [(k.path.name, k.side, k.kl) for k in found.knees] == [
        ("r.png", Side.RIGHT, 2),
        ("l.png", Side.LEFT, 0),
        ("later.png", Side.RIGHT, 3),
        ("b.png", Side.LEFT, 4),
    ]
    assert Reading(Feature.JSN_MEDIAL, 1.5, "MOST") in found.knees[0].facts.readings


def test_a_code_above_the_scale_is_no_grade(tmp_path: Path) -> None:
    table = films(tmp_path, "replaced.png,MB00001,1,L", "unreadable.png,MB00002,0,R", "fine.png,MB00001,0,L")
    found = read_most(table, [written(tmp_path / NAME, MOST_HEADINGS, *MOST_ROWS)])
    assert [knee.path.name for knee in found.knees] == ["fine.png"]
    assert found.films_without_reading == 2


@pytest.mark.parametrize(
    ("headings", "rows", "mistake", "remedy"),
    [
        ("ID\tSIDE\tV00XRKL", ("9000001\t1\t2",), CohortMistake.OTHER_FILE, "no column MOSTID"),
        ("MOSTID\tV00XRKL", ("MB1\t2",), CohortMistake.OTHER_FILE, "data.format=oai"),
        ("MOSTID\tV0AGE", ("MB1\t61",), CohortMistake.OTHER_FILE, "no column V0XRKL"),
        ("MOSTID\tV4XRKL", ("MB1\t2",), CohortMistake.UNKNOWN_VISIT, "films were read at visits 0, 1, 2, 3, 5"),
        ("MOSTID\tV0XRKL", (), CohortMistake.OTHER_FILE, "has no rows"),
        ("MOSTID\tV0XRKL", ("\t2",), CohortMistake.OTHER_FILE, "MOSTID is empty"),
        ("MOSTID\tV0XRKL", ("MB00001\tx",), CohortMistake.NOT_A_NUMBER, "V0XRKL is 'x'"),
        ("MOSTID\tV0XRKL", ("MB00001\t2", "MB00001\t3"), CohortMistake.CONTRADICTION, "other readings"),
        ("MOSTID;V0XRKL", ("MB00001;2",), CohortMistake.OTHER_SEPARATOR, "as it was downloaded"),
        ("MOSTID\tV0XLKL", ("MB00001\t2",), CohortMistake.OTHER_IDENTIFIERS, "Check the column side"),
    ],
)
def test_a_usual_mistake_has_a_name_and_a_remedy(
    headings: str, rows: tuple[str, ...], mistake: CohortMistake, remedy: str, tmp_path: Path
) -> None:
    with pytest.raises(CohortError, match=remedy) as caught:
        read_most(films(tmp_path, "r.png,MB00001,0,R"), [written(tmp_path / NAME, headings, *rows)])
    assert caught.value.mistake is mistake


def test_the_oais_file_is_not_taken_for_mosts(tmp_path: Path) -> None:
    with pytest.raises(CohortError, match="no column MOSTID"):
        read_most(films(tmp_path, "r.png,9000001,0,R"), [oai_readings(tmp_path)])
    with pytest.raises(CohortError, match="no readings were named"):
        read_most(films(tmp_path, "r.png,9000001,0,R"), [])
