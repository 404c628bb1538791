"""The optional columns of a table of knees, checked one by one: readings, width, box, and parts of the set."""

from __future__ import annotations

import math

from kneeoa.datasets.readings import Feature, Group, KneeFacts, PictureBox, Reading, WidthReading
from kneeoa.datasets.table_rows import Row
from kneeoa.model.errors import DatasetError

READING_COLUMNS = tuple(feature.value for feature in Feature if feature is not Feature.KL)
BOX_COLUMNS = ("box_row", "box_column", "box_height", "box_width")
WIDTH_COLUMN = "mjsw_mm"
GROUP_COLUMNS = ("sex", "age", "site", "manufacturer", "view", "cohort")
OPTIONAL_COLUMNS = ("split", "visit", "reader", *READING_COLUMNS, WIDTH_COLUMN, *BOX_COLUMNS, *GROUP_COLUMNS)
WIDEST_MM = 20.0
"""No knee's joint space is wider; pixels taken for millimetres are."""
OLDEST = 120


def facts_of(row: Row, kl: int, place: str) -> KneeFacts:
    """What a row tells beside picture, subject, side, KL and split.

    Args:
        row: the row.
        kl: its KL grade; a reading of its own where the row names a reader.
        place: for messages.

    Raises:
        DatasetError: a cell is no grade of its scale, no width, no box, or no age.
    """
    reader = row.get("reader", "")
    readings = [Reading(Feature.KL, float(kl), reader)] if reader else []
    given = [(Feature(column), row[column]) for column in READING_COLUMNS if row.get(column)]
    readings += [Reading(feature, _grade(text, feature, place), reader) for feature, text in given]
    width = row.get(WIDTH_COLUMN, "")
    widths = (WidthReading("minimum", _width(width, place)),) if width else ()
    return KneeFacts(row.get("visit", ""), tuple(readings), widths, _box(row, place), _groups(row, place))


def _grade(text: str, feature: Feature, place: str) -> float:
    value = _number(text)
    # NaN compares false with everything.
    if not 0 <= value < feature.highest + 1:
        raise DatasetError(
            f"{place}: {feature} {text!r} is no grade of its scale. Write 0 to {feature.highest}, or leave the cell "
            "empty where there is no reading: an empty cell is not a zero."
        )
    return value


def _width(text: str, place: str) -> float:
    value = _number(text)
    if not 0 <= value <= WIDEST_MM:
        raise DatasetError(f"{place}: {WIDTH_COLUMN} {text!r} is no joint space in millimetres, 0 to {WIDEST_MM:.0f}.")
    return value


def _box(row: Row, place: str) -> PictureBox | None:
    cells = [row.get(column, "") for column in BOX_COLUMNS]
    if not any(cells):
        return None
    numbers = [_number(cell) for cell in cells]
    if not all(math.isfinite(n) for n in numbers) or min(numbers[:2]) < 0 or min(numbers[2:]) < 2:
        raise DatasetError(
            f"{place}: {', '.join(BOX_COLUMNS)} are {', '.join(map(repr, cells))}. Give all four in pixels of the "
            "picture, the first two at least 0, the last two at least 2, or none."
        )
    return PictureBox(*(round(n) for n in numbers))


def _groups(row: Row, place: str) -> tuple[Group, ...]:
    groups = []
    for column in GROUP_COLUMNS:
        text = row.get(column, "")
        if text:
            groups.append(Group(column, _decade(text, place) if column == "age" else text))
    return tuple(groups)


def _decade(text: str, place: str) -> str:
    years = _number(text)
    if not 0 <= years <= OLDEST:
        raise DatasetError(f"{place}: age {text!r} is no age in years, 0 to {OLDEST}. Write a number, or nothing.")
    decade = 10 * (int(years) // 10)
    return f"{decade}-{decade + 9}"


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
