"""The report object as JSON, and the heat map over the crop."""

from __future__ import annotations

import json

import numpy as np
import pytest

from kneeoa.model.crop import BAND_TOP, SQUARE
from kneeoa.model.errors import READ_ERRORS, FilmError, ReasonCode, Refusal
from kneeoa.model.grades import FilmGrades, KneeGrades, ReleaseFacts
from kneeoa.model.radiograph import FilmFacts, Side, SideSource
from kneeoa.model.saliency import heat_map

RELEASE = ReleaseFacts("r", "0" * 64, "0.1.0")


def test_a_number_that_could_not_be_had_is_null() -> None:
    knee = KneeGrades(Side.RIGHT, SideSource.TAG, centre=(float("nan"), 2.0))
    report = FilmGrades(FilmFacts("film.dcm"), RELEASE, knees=(knee,))
    text = json.dumps(report.to_json(), allow_nan=False)
    assert '"centre": [null, 2.0]' in text
    assert '"joint_space": null' in text
    assert "heat_map" not in text


def test_a_refusal_carries_code_message_and_remedy() -> None:
    refusal = Refusal.because(ReasonCode.NOT_FRONTAL, "A lateral.")
    report = FilmGrades(FilmFacts("film.dcm"), RELEASE, refusal=refusal).to_json()
    assert report["refusal"] == {"code": "not_frontal", "message": "A lateral.", "remedy": refusal.remedy}
    assert report["knees"] == []


@pytest.mark.parametrize("code", list(ReasonCode))
def test_every_reason_has_a_remedy_and_is_either_read_error_or_refusal(code: ReasonCode) -> None:
    error = FilmError(code, "Something.")
    assert error.refusal.remedy.endswith(".")
    assert error.refusal.is_read_error == (code in READ_ERRORS)


def maps() -> np.ndarray:
    """Five maps of which the fourth sees something at the upper left."""
    found = np.zeros((5, 7, 9), np.float32)
    found[3, 1, 1] = 4.0
    return found


def test_the_heat_map_lies_where_the_grade_was_seen_and_is_mirrored_back_for_left_knees() -> None:
    right, left = heat_map(maps(), 3, Side.RIGHT), heat_map(maps(), 3, Side.LEFT)
    row, column = (float(place) for place in np.unravel_index(right.argmax(), right.shape))
    assert row == pytest.approx(BAND_TOP + 208 * 1.5 / 7, abs=4)
    assert column == pytest.approx(288 * 1.5 / 9, abs=4)
    assert np.array_equal(left, right[:, ::-1])
    assert not right[:BAND_TOP].any()
    assert right.shape == (SQUARE, SQUARE)


def test_without_evidence_there_is_no_heat() -> None:
    assert not heat_map(np.zeros((5, 7, 9), np.float32), 2, Side.RIGHT).any()
