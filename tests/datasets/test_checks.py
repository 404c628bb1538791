"""A set's mistakes are found: leaks, copies in disguise, broken and empty pictures; ordinary sets are left alone."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from kneeoa.datasets.checks import SHOWN, DatasetReport, Finding, FindingKind, Severity, check_dataset
from kneeoa.datasets.fingerprints import NEAR, THUMBNAIL, fingerprint, near_pairs
from kneeoa.datasets.grade_folders import KneeImage
from kneeoa.datasets.phantom import PhantomSpec, make_phantom
from kneeoa.model.errors import DatasetError
from kneeoa.model.radiograph import FloatImage, Side

KNEE = make_phantom(PhantomSpec(grade=2, seed=1, size=(200, 200))).pixels


def scene(seed: int, size: int = 96) -> FloatImage:
    """A picture of its own: blots of several sizes."""
    rng = np.random.default_rng(seed)
    layers = [
        np.asarray(
            Image.fromarray(rng.random((cells, cells), dtype=np.float32)).resize((size, size), Image.Resampling.BICUBIC)
        )
        for cells in (5, 12, 30)
    ]
    return np.clip(sum(layers) / 3, 0, 1).astype(np.float32)


def put(root: Path, name: str, pixels: FloatImage, *, deep: bool = False) -> Path:
    """Writes `<split>/<grade>/<subject><side>.<ending>`."""
    path = root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    # Every split has a folder 0, by which it is known.
    (path.parent.parent / "0").mkdir(exist_ok=True)
    levels = np.round(pixels * 255).astype(np.uint8)
    Image.fromarray(levels.astype(np.uint16) * 257 if deep else levels).save(path)
    return path


def kinds(report: DatasetReport) -> list[tuple[FindingKind, Severity]]:
    return [(finding.kind, finding.severity) for finding in report.findings]


def only(report: DatasetReport, kind: FindingKind) -> Finding:
    found = [finding for finding in report.findings if finding.kind is kind]
    assert len(found) == 1, report.lines()
    return found[0]


@pytest.fixture
def clean(tmp_path: Path) -> Path:
    """Both knees of two subjects to learn from, and of one who judges."""
    for i, name in enumerate(("train/1/aL", "train/2/aR", "train/0/bL", "train/0/bR", "val/3/cL", "val/4/cR")):
        put(tmp_path, f"{name}.png", scene(i))
    return tmp_path


def test_a_clean_set_is_counted_and_nothing_is_said_against_it(clean: Path) -> None:
    report = check_dataset(clean)
    assert report.findings == ()
    assert report.ok
    assert report.knees == {"train": (2, 1, 1, 0, 0), "val": (0, 0, 0, 1, 1)}
    assert report.subjects == {"train": 2, "val": 1}


def test_a_subject_in_two_splits_is_a_leak(clean: Path) -> None:
    put(clean, "val/0/bR.png", scene(20))
    report = check_dataset(clean)
    assert not report.ok
    leak = only(report, FindingKind.LEAK)
    assert leak.severity is Severity.ERROR
    assert "Subject b stands in train and val" in leak.message
    assert leak.images == ("train/0/bL.png", "train/0/bR.png", "val/0/bR.png")


def test_knees_without_subjects_are_not_called_one_subject(clean: Path) -> None:
    knees = [
        KneeImage(put(clean, f"{split}/0/x{i}L.png", scene(30 + i)), "", Side.LEFT, 0, split)
        for i, split in enumerate(("train", "val"))
    ]
    assert check_dataset(knees).findings == ()


def test_the_same_picture_in_two_splits_is_an_error_and_in_one_a_warning(clean: Path) -> None:
    put(clean, "train/0/dL.png", scene(2))
    report = check_dataset(clean)
    assert kinds(report) == [(FindingKind.EXACT_DUPLICATE, Severity.WARNING)]
    assert report.ok
    put(clean, "val/0/eL.png", scene(2))
    report = check_dataset(clean)
    assert kinds(report) == [(FindingKind.EXACT_DUPLICATE, Severity.ERROR)]
    assert report.findings[0].images == ("train/0/bL.png", "train/0/dL.png", "val/0/eL.png")


def test_the_same_grey_values_in_16_bits_are_the_same_picture(clean: Path) -> None:
    put(clean, "val/0/eL.png", scene(2), deep=True)
    assert kinds(check_dataset(clean)) == [(FindingKind.EXACT_DUPLICATE, Severity.ERROR)]


def test_copies_with_different_grades_are_told(clean: Path) -> None:
    put(clean, "train/3/dL.png", scene(2))
    report = check_dataset(clean)
    conflict = only(report, FindingKind.CONFLICTING_GRADES)
    assert "train/0/bL.png has KL 0, train/3/dL.png has KL 3" in conflict.message


def disguised(pixels: FloatImage, disguise: str) -> FloatImage:
    picture = Image.fromarray(np.round(pixels * 255).astype(np.uint8))
    changed = {
        "smaller": np.asarray(picture.resize((150, 150), Image.Resampling.BICUBIC)) / 255,
        "mirrored": pixels[:, ::-1],
        "inverted": 1 - pixels,
        "mirrored and inverted": 1 - pixels[:, ::-1],
        "gamma": pixels**1.5,
        "dimmed": pixels * 0.6 + 0.1,
        "noisy": np.clip(pixels + np.random.default_rng(0).normal(0, 0.01, pixels.shape), 0, 1),
    }[disguise]
    return np.ascontiguousarray(changed, dtype=np.float32)


@pytest.mark.parametrize(
    ("disguise", "words"),
    [
        ("smaller", "picture across"),
        ("mirrored", "picture mirrored across"),
        ("inverted", "picture with inverted grey values across"),
        ("mirrored and inverted", "picture mirrored with inverted grey values across"),
        ("gamma", "picture across"),
        ("dimmed", "picture across"),
        ("noisy", "picture across"),
    ],
)
def test_a_copy_in_disguise_is_found(clean: Path, disguise: str, words: str) -> None:
    put(clean, "train/2/kR.png", KNEE)
    put(clean, "val/2/mL.png", disguised(KNEE, disguise))
    report = check_dataset(clean)
    near = only(report, FindingKind.NEAR_DUPLICATE)
    assert near.severity is Severity.ERROR
    assert words in near.message
    assert near.images == ("train/2/kR.png", "val/2/mL.png")


def test_a_copy_in_jpeg_is_found_with_its_other_grade(clean: Path) -> None:
    original = put(clean, "train/2/kR.png", KNEE)
    (clean / "train/4").mkdir()
    Image.open(original).save(clean / "train/4/mR.jpg", quality=40)
    assert kinds(check_dataset(clean)) == [
        (FindingKind.NEAR_DUPLICATE, Severity.WARNING),
        (FindingKind.CONFLICTING_GRADES, Severity.WARNING),
    ]


def test_many_copies_of_one_picture_are_one_finding(clean: Path) -> None:
    for i in range(30):
        put(clean, f"train/0/copy{i}L.png", scene(50))
    report = check_dataset(clean)
    assert len(only(report, FindingKind.EXACT_DUPLICATE).images) == 30
    assert len(report.findings) == 1


def test_broken_and_empty_pictures_are_errors_and_take_no_part_in_the_comparison(clean: Path) -> None:
    (clean / "train/0/dL.png").write_bytes((clean / "train/0/bL.png").read_bytes()[:200])
    (clean / "train/0/dR.png").write_text("no picture")
    put(clean, "train/0/eL.png", np.full((50, 50), 0.4, dtype=np.float32))
    put(clean, "val/0/fL.png", np.full((50, 50), 0.4, dtype=np.float32))
    report = check_dataset(clean)
    assert kinds(report) == [
        (FindingKind.UNREADABLE, Severity.ERROR),
        (FindingKind.UNREADABLE, Severity.ERROR),
        (FindingKind.CONSTANT, Severity.ERROR),
        (FindingKind.CONSTANT, Severity.ERROR),
    ]
    assert "train/0/dL.png cannot be read" in report.findings[0].message
    assert not report.ok


def test_a_table_and_a_folder_give_the_same_report(clean: Path) -> None:
    put(clean, "val/0/bR.png", scene(20))
    lines = ["image,subject,side,kl,split"] + [
        f"{path.relative_to(clean)},{path.stem[:-1]},{path.stem[-1]},{path.parent.name},{path.parent.parent.name}"
        for path in sorted(clean.rglob("*.png"), key=lambda path: (path.parent.parent.name, path.name))
    ]
    (clean / "knees.csv").write_text("\n".join(lines))
    assert check_dataset(clean / "knees.csv") == check_dataset(clean)


def test_a_set_without_knees_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="no knees to check"):
        check_dataset([])
    with pytest.raises(DatasetError, match="no split"):
        check_dataset(tmp_path)


def test_a_report_names_every_finding_in_json_and_the_first_in_its_lines(clean: Path) -> None:
    report = check_dataset(clean)
    finding = Finding(FindingKind.LEAK, Severity.ERROR, "Subject x stands in train and val.", ("a.png",))
    many = replace(report, findings=(finding,) * (SHOWN + 5))
    told = json.loads(json.dumps(many.to_json()))
    assert told["ok"] is False
    assert len(told["findings"]) == SHOWN + 5
    assert told["findings"][0] == {
        "kind": "leak",
        "severity": "error",
        "message": "Subject x stands in train and val.",
        "images": ["a.png"],
    }
    assert told["splits"]["val"] == {"knees": 2, "subjects": 1, "knees_by_kl": [0, 0, 0, 1, 1]}
    lines = many.lines()
    assert lines.count("error: Subject x stands in train and val.") == SHOWN
    assert "error: leak ... and 5 more" in lines
    assert lines[-1] == f"{SHOWN + 5} errors, 0 warnings"
    assert report.lines()[-1] == "0 errors, 0 warnings"


def test_a_report_names_no_folder_above_the_set(clean: Path) -> None:
    put(clean, "val/0/bR.png", scene(2))
    text = json.dumps(check_dataset(clean).to_json()) + "\n".join(check_dataset(clean).lines())
    assert str(clean.parent) not in text


def details(pictures: list[FloatImage]) -> np.ndarray[tuple[int, ...], np.dtype[np.float32]]:
    return np.stack([fingerprint(picture).detail for picture in pictures])


def test_the_blocks_of_the_comparison_lose_no_pair_and_count_none_twice() -> None:
    # More than two blocks of 512, with copies inside one, across neighbours and from first to last.
    rng = np.random.default_rng(0)
    many = rng.standard_normal((1100, THUMBNAIL**2)).astype(np.float32)
    for first, second in ((3, 4), (10, 600), (511, 512), (0, 1099)):
        many[second] = many[first]
    mirrored = many.reshape(-1, THUMBNAIL, THUMBNAIL)[:, :, ::-1].reshape(many.shape)
    many[700] = mirrored[20]
    many /= np.linalg.norm(many, axis=1, keepdims=True)
    found = [(pair.first, pair.second, pair.mirrored) for pair in near_pairs(many)]
    assert sorted(found) == [
        (0, 1099, False),
        (3, 4, False),
        (10, 600, False),
        (20, 700, True),
        (511, 512, False),
    ]


@given(seed=st.integers(0, 10_000), other=st.integers(0, 10_000))
@settings(max_examples=50, deadline=None)
def test_different_scenes_do_not_match_however_they_are_turned(seed: int, other: int) -> None:
    if seed != other:
        assert list(near_pairs(details([scene(seed), scene(other)]))) == []


@given(
    seed=st.integers(0, 1000),
    gain=st.floats(0.3, 1.0),
    lift=st.floats(0.0, 0.3),
    size=st.integers(64, 200),
)
@settings(max_examples=40, deadline=None)
def test_a_scene_matches_itself_at_any_window_and_size(seed: int, gain: float, lift: float, size: int) -> None:
    picture = scene(seed, 160)
    window = np.clip(picture * np.float32(gain * (1 - lift)) + np.float32(lift), 0, 1)
    resized = np.asarray(Image.fromarray(window).resize((size, size), Image.Resampling.LANCZOS))
    pairs = list(near_pairs(details([picture, np.clip(resized, 0, 1).astype(np.float32)])))
    assert [pair.correlation > NEAR for pair in pairs] == [True]
