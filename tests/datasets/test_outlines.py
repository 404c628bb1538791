"""The outlines that ship: curves alone, of knees that may teach, and what teaching makes of them."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import numpy as np
import pytest

from kneeoa.datasets.splits import is_held
from kneeoa.model.errors import DatasetError
from kneeoa.model.joint_band import JointPlace, column_x
from kneeoa.model.radiograph import Side
from kneeoa.model.release import load_release
from kneeoa.training.fit_phantom import read_subjects
from kneeoa.training.joint_atlas import list_sha256
from kneeoa.training.joint_corrections import SHIPPED, corrected, correction, corrections
from kneeoa.training.joint_labels import JointLabels
from kneeoa.training.joint_outlines import JointOutline, read_outline, read_outlines
from kneeoa.training.joint_tracer import COLUMNS

FILES = sorted(SHIPPED.glob("*.json"))
MOST_BYTES = 6000
"""A picture of 299 x 299 would not fit in."""


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_outline_parses_and_lies_within_its_crop(path: Path) -> None:
    outline = read_outline(path)
    assert outline.image == f"{path.stem}.jpg"
    assert (outline.subject, str(outline.side)) == (path.stem[:-1], path.stem[-1])
    for curve in (outline.femur, outline.tibia, outline.plateau_ends):
        points = np.array(curve)
        assert (points >= 0).all()
        assert (points <= np.array([outline.rows - 1, outline.columns - 1])).all()
    for curve in (outline.femur, outline.tibia):
        assert (np.diff(np.array(curve)[:, 1]) > 0).all()
    femur, tibia = outline.edges(outline.columns)
    assert (tibia - femur)[np.isfinite(femur)].min() >= 0


def test_outlines_are_of_fifty_knees_or_more_of_every_grade_and_side() -> None:
    with (SHIPPED / "outlines.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["image"] for row in rows] == [f"{path.stem}.jpg" for path in FILES]
    assert len(rows) >= 50
    assert {(row["kl"], row["image"][7]) for row in rows} == {(grade, side) for grade in "01234" for side in "LR"}
    said = {row[name] for row in rows for name in ("medial", "lateral")}
    assert said == {"corrected", "confirmed", "undrawn"}
    assert all({row["medial"], row["lateral"]} != {"undrawn"} for row in rows)


def test_no_outline_is_of_a_subject_that_judges() -> None:
    excluded = read_subjects(SHIPPED / "excluded_subjects.txt")
    settings = load_release().manifest.joint_space
    assert settings is not None
    assert list_sha256(excluded) == settings.excluded_subjects_sha256
    subjects = [path.stem[:-1] for path in FILES]
    assert not excluded & set(subjects)
    assert not [subject for subject in subjects if is_held(subject)]
    assert len(set(subjects)) == len(subjects)


def test_outlines_carry_no_pixels() -> None:
    assert {path.suffix for path in SHIPPED.iterdir()} == {".json", ".csv", ".txt", ".md"}
    known = {"image", "subject", "side", "rows", "columns", "author", "femur", "tibia", "plateau_ends"}
    for path in FILES:
        assert path.stat().st_size < MOST_BYTES
        assert set(json.loads(path.read_bytes())) <= known


def labels_of(names: list[str]) -> JointLabels:
    knees = len(names)
    place = [150.0, 149.0, 245.0, 0.0]
    return JointLabels(
        names=np.array(names),
        kl=np.zeros(knees, np.int64),
        held=np.zeros(knees, np.bool_),
        places=np.array([place] * knees),
        femur=np.full((knees, COLUMNS), 50.0),
        tibia=np.full((knees, COLUMNS), 80.0),
        strength=np.ones((knees, 2)),
        excluded_sha256="",
    )


@pytest.mark.parametrize("side", [Side.RIGHT, Side.LEFT])
def test_what_was_drawn_stands_in_the_place_of_what_was_traced(side: Side) -> None:
    # Medial at image right of a right knee: columns 180 to 260; half a pixel is a row, and row 80 lies at 150.
    columns = (180.0, 260.0) if side is Side.RIGHT else (38.0, 118.0)
    femur, tibia = tuple((140.0, c) for c in columns), tuple((155.0, c) for c in columns)
    outline = JointOutline(subject="1", side=side, rows=299, columns=299, femur=femur, tibia=tibia)
    labels = labels_of(["1L.jpg" if side is Side.LEFT else "1R.jpg", "2R.jpg"])
    found = corrections(labels, {Path(str(labels.names[0])).stem: outline})
    assert list(found) == [0]
    x = column_x(COLUMNS)
    assert x[found[0].drawn].max() < 0.5
    assert found[0].drawn.sum() == pytest.approx(80 / 245 / 1.12 * COLUMNS, abs=1.5)
    new = corrected(labels, found)
    assert new.tibia[0, found[0].drawn] == pytest.approx(80 + 5 * 490 / 245)
    assert new.femur[0, found[0].drawn] == pytest.approx(80 - 10 * 490 / 245)
    assert (new.tibia[0, ~found[0].drawn] == 80).all()
    assert (new.tibia[1] == 80).all()
    assert (labels.tibia == 80).all()


def test_outline_of_held_teaches_nothing() -> None:
    held = next(str(n) for n in range(1000) if is_held(str(n)))
    outline = JointOutline(image=f"{held}R.jpg", subject=held, femur=((1, 1), (1, 9)), tibia=((5, 1), (5, 9)))
    with pytest.raises(DatasetError, match="held"):
        corrections(labels_of([f"{held}R.jpg"]), {f"{held}R": outline})


def test_shipped_outlines_become_labels_of_the_drawn_columns_alone() -> None:
    place = JointPlace(185.0, 149.0, 245.0, 0.0)
    drawn = {name: correction(outline, place).drawn for name, outline in read_outlines(SHIPPED).items()}
    with (SHIPPED / "outlines.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    x = column_x(COLUMNS)
    for row in rows:
        for name, zone in (("medial", (0.20, 0.28)), ("lateral", (0.72, 0.85))):
            inside = drawn[row["image"][:8]][(x > zone[0]) & (x < zone[1])]
            assert inside.any() == (row[name] != "undrawn"), row["image"]
