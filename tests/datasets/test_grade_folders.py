"""The published layout: split, grade and name say all that is known of a knee."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kneeoa.datasets.grade_folders import KneeImage, read_grade_folders
from kneeoa.model.errors import DatasetError
from kneeoa.model.picture import read_grey
from kneeoa.model.radiograph import Side


def put(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (6, 6), 100).save(root / name)
    return root


def test_folders_and_names_tell_split_grade_subject_and_side(tmp_path: Path) -> None:
    put(tmp_path, "train/0/9000099L.png", "train/3/9000001R.jpg", "val/0/9000002L.png", "train/0/9000050_r.jpeg")
    assert read_grade_folders(tmp_path) == [
        KneeImage(tmp_path / "train/3/9000001R.jpg", "9000001", Side.RIGHT, 3, "train"),
        KneeImage(tmp_path / "train/0/9000050_r.jpeg", "9000050", Side.RIGHT, 0, "train"),
        KneeImage(tmp_path / "train/0/9000099L.png", "9000099", Side.LEFT, 0, "train"),
        KneeImage(tmp_path / "val/0/9000002L.png", "9000002", Side.LEFT, 0, "val"),
    ]


def test_only_the_wanted_splits_are_read(tmp_path: Path) -> None:
    put(tmp_path, "train/0/9000001L.png", "val/0/9000002L.png", "test/0/9000003L.png")
    assert [knee.split for knee in read_grade_folders(tmp_path, ("test", "val"))] == ["test", "val"]


def test_files_that_are_no_pictures_and_folders_that_are_no_grades_are_passed_over(tmp_path: Path) -> None:
    put(tmp_path, "train/0/9000001L.png", "train/5/9000002L.png", "notes/9000003L.png")
    (tmp_path / "train/0/Thumbs.db").write_bytes(b"")
    assert len(read_grade_folders(tmp_path)) == 1


@pytest.mark.parametrize(
    ("names", "splits", "message"),
    [
        (("train/0/9000001.png",), None, r"train/0/9000001\.png does not end in L or R"),
        (("train/0/L.png",), None, r"does not end in L or R"),
        (("train/0/9000001L.png",), ("train", "val"), r"no split val \(found: train\)"),
        (("0/9000001L.png",), None, r"no split at all .*Expected <split>/<grade>"),
    ],
)
def test_a_layout_that_is_another_is_refused_with_what_was_expected(
    tmp_path: Path, names: tuple[str, ...], splits: tuple[str, ...] | None, message: str
) -> None:
    with pytest.raises(DatasetError, match=message):
        read_grade_folders(put(tmp_path, *names), splits)


def test_a_missing_or_empty_set_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="There is no folder"):
        read_grade_folders(tmp_path / "none")
    (tmp_path / "train" / "0").mkdir(parents=True)
    with pytest.raises(DatasetError, match="holds no pictures"):
        read_grade_folders(tmp_path)


def test_a_knee_of_any_depth_or_colour_has_the_same_grey_values(tmp_path: Path) -> None:
    folder = put(tmp_path, "train/0/9000001L.png") / "train/0"
    grey = np.linspace(0, 255, 36).astype(np.uint8).reshape(6, 6)
    Image.fromarray(grey).save(folder / "9000002L.png")
    Image.fromarray(grey.astype(np.uint16) * 257).save(folder / "9000003L.png")
    Image.fromarray(np.stack([grey] * 3, axis=2)).save(folder / "9000004L.png")
    Image.fromarray(np.dstack([grey, grey, grey, np.full_like(grey, 255)])).save(folder / "9000005L.png")
    pictures = [read_grey(knee.path) for knee in read_grade_folders(tmp_path)[1:]]
    assert len(pictures) == 4
    for picture in pictures:
        assert picture.dtype == np.float32
        assert np.abs(picture - grey / 255).max() < 1e-6


def test_a_deep_picture_keeps_steps_that_eight_bits_do_not_have(tmp_path: Path) -> None:
    path = put(tmp_path, "train/0/9000001R.png") / "train/0/9000001R.png"
    Image.fromarray(np.arange(36, dtype=np.uint16).reshape(6, 6) + 30_000).save(path)
    assert len(np.unique(read_grey(path))) == 36
