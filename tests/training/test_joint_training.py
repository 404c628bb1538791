"""Labels, samples, networks and judging of the joint space, on phantoms whose edges are known."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from kneeoa.datasets.grade_folders import read_grade_folders
from kneeoa.datasets.phantom import PhantomSpec, make_phantom
from kneeoa.datasets.splits import is_held
from kneeoa.model.errors import DatasetError, ReleaseError
from kneeoa.model.joint_band import BAND_COLUMNS, BAND_ROWS, PLACE_PX, cut_band
from kneeoa.model.radiograph import Side
from kneeoa.training.checkpoint import LAST
from kneeoa.training.evaluate_joint_space import edges_of_mask, icc_2_1
from kneeoa.training.export_joint import export_joint
from kneeoa.training.joint_atlas import PER_GRADE, SIZE, joint_knees, list_sha256, taught_subjects
from kneeoa.training.joint_labels import STRONG
from kneeoa.training.joint_networks import PlaceNetwork, TraceNetwork, expected_places
from kneeoa.training.joint_outlines import read_outline
from kneeoa.training.joint_phantoms import (
    TeachingPhantoms,
    edge_rows,
    phantom_place,
    read_phantoms,
    write_phantoms,
)
from kneeoa.training.joint_samples import narrowed_band, place_sample, relevelled, touching, trace_sample, with_rim
from kneeoa.training.joint_tracer import COLUMNS, trace
from kneeoa.training.release_joint_space import Judged, fit_quality, kl0_reference, reference_knees
from kneeoa.training.train_joint import Teachers, teaching_phantoms, train_joint


@pytest.fixture(scope="module")
def phantoms(tmp_path_factory: pytest.TempPathFactory) -> TeachingPhantoms:
    path = tmp_path_factory.mktemp("phantoms") / "phantoms.npz"
    write_phantoms(4, path)
    return read_phantoms(path)


@pytest.mark.parametrize("seed", [3, 4])
def test_tracer_finds_the_edges_of_a_phantom_from_a_prior_that_is_off(seed: int) -> None:
    spec = PhantomSpec(Side.RIGHT, 1, seed, (SIZE, SIZE), None, False, 4.0, 5.0)
    phantom = make_phantom(spec)
    place = phantom_place(phantom)
    prior = (phantom.femur_edge + np.array([-4.0, 0.0]), phantom.tibia_edge + np.array([3.0, 0.0]))
    found = trace(phantom.pixels, replace(place, row=place.row + 3), prior)
    for edge, truth in ((found.femur, phantom.femur_edge), (found.tibia, phantom.tibia_edge)):
        rows = edge_rows(found.place, truth)
        x = np.linspace(1.06, -0.06, COLUMNS)
        zones = ((x > 0.15) & (x < 0.30)) | ((x > 0.70) & (x < 0.90))
        # Half a pixel of the crop is a row.
        assert np.abs(edge - rows)[zones].mean() < 3.0
    assert (found.strength > 0.5).all()


def test_narrowing_lets_the_femur_down_and_leaves_the_tibia(phantoms: TeachingPhantoms) -> None:
    knee = teaching_phantoms(phantoms)[0]
    rng = np.random.default_rng(0)
    band = cut_band(knee.pixels.astype(np.float32) / np.float32(255), knee.place)
    for _ in range(12):
        changed, femur, known = narrowed_band(band, knee.femur, knee.tibia, rng)
        assert changed.shape == band.shape
        assert (femur >= knee.femur - 1e-9).all()
        assert (femur <= knee.tibia + 1e-9).all()
        assert set(np.unique(known)) <= {0.0, 1.0}
        below = np.arange(BAND_ROWS)[:, None] > np.repeat(knee.tibia, BAND_COLUMNS // COLUMNS) + 2
        assert np.abs(changed - band)[below].max() < 1e-3


def test_rim_lies_between_the_edges_only(phantoms: TeachingPhantoms) -> None:
    knee = teaching_phantoms(phantoms)[1]
    band = cut_band(knee.pixels.astype(np.float32) / np.float32(255), knee.place)
    drawn = [with_rim(band, knee.femur, knee.tibia, np.random.default_rng(seed)) for seed in range(6)]
    rows = np.arange(BAND_ROWS)[:, None]
    tibia = np.repeat(knee.tibia, BAND_COLUMNS // COLUMNS)
    flat = np.abs(np.gradient(tibia)) < 0.5
    for changed in drawn:
        assert np.abs(changed - band)[(rows > tibia + 6) & flat].max() < 0.05
        assert np.abs(changed - band)[(rows < np.repeat(knee.femur, BAND_COLUMNS // COLUMNS) - 6) & flat].max() < 0.05
    assert any(np.abs(changed - band).max() > 0.2 for changed in drawn)


def test_samples_have_the_shape_that_the_networks_take(phantoms: TeachingPhantoms) -> None:
    rng = np.random.default_rng(1)
    for knee in teaching_phantoms(phantoms):
        crop, marks = place_sample(knee, rng)
        assert crop.shape == (PLACE_PX, PLACE_PX)
        assert np.isfinite(crop).all()
        assert marks.shape == (4, 2)
        # Image left before image right.
        assert marks[0, 1] < marks[1, 1]
        sample = trace_sample(knee, rng)
        assert sample.band.shape == (BAND_ROWS, BAND_COLUMNS)
        assert (sample.femur <= sample.tibia + 1e-6).all()
        assert touching(sample).shape == (COLUMNS,)


def test_levelling_puts_the_floor_on_the_bands_level(phantoms: TeachingPhantoms) -> None:
    knee = teaching_phantoms(phantoms)[2]
    off = replace(knee, place=replace(knee.place, row=knee.place.row + 4, angle_degrees=knee.place.angle_degrees + 3))
    tilted = replace(off, tibia=knee.tibia, femur=knee.femur)
    level = relevelled(tilted)
    x = np.linspace(1.06, -0.06, COLUMNS)
    for at in (0.80, 0.225):
        assert np.median(level.tibia[np.abs(x - at) < 0.05]) == pytest.approx(80.0, abs=1.0)


def test_expected_places_are_those_of_the_peaks() -> None:
    heat = torch.full((1, 2, 48, 48), -20.0)
    heat[0, 0, 10, 30], heat[0, 1, 40, 5] = 20.0, 20.0
    assert expected_places(heat)[0].numpy() == pytest.approx(np.array([[10, 30], [40, 5]]), abs=1e-3)


@pytest.mark.parametrize("kind", ["place", "trace"])
def test_killed_run_goes_on_where_it_stopped(kind: str, phantoms: TeachingPhantoms, tmp_path: Path) -> None:
    knees = teaching_phantoms(phantoms)
    teachers = Teachers(knees, knees, knees[:1])
    train_joint(kind, teachers, tmp_path, 2)
    assert torch.load(tmp_path / LAST, weights_only=True)["step"] == 2
    done = train_joint(kind, teachers, tmp_path, 3)
    assert torch.load(tmp_path / LAST, weights_only=True)["step"] == 3
    assert done.name == f"{kind}.pt"


@pytest.mark.parametrize("network", [PlaceNetwork(), TraceNetwork()])
def test_exported_networks_fit_their_budget(network: torch.nn.Module) -> None:
    assert len(export_joint(network)) < 1_500_000


def test_excluded_subjects_and_val_teach_nothing(tmp_path: Path) -> None:
    picture = Image.fromarray(np.full((8, 8), 100, np.uint8))
    for split in ("train", "val"):
        for i in range(30):
            folder = tmp_path / split / str(i % 5)
            folder.mkdir(parents=True, exist_ok=True)
            picture.save(folder / f"{split[0]}{i:06d}R.png")
    excluded = frozenset({"t000003", "t000004"})
    subjects = {knee.subject for knee in joint_knees(tmp_path, excluded)}
    assert subjects == {knee.subject for knee in read_grade_folders(tmp_path, ("train",))} - excluded
    assert list_sha256(excluded) == list_sha256(frozenset(sorted(excluded, reverse=True)))


def test_healthy_knees_that_taught_a_network_are_no_reference(tmp_path: Path) -> None:
    folder = tmp_path / "train" / "0"
    folder.mkdir(parents=True)
    Image.fromarray(np.full((8, 8), 100, np.uint8)).save(folder / "0000000R.png")
    for subject in range(1000):
        for side in "RL":
            (folder / f"{subject:07d}{side}.png").write_bytes((folder / "0000000R.png").read_bytes())
    excluded = frozenset({"0000003", "0000004"})
    taught = taught_subjects(tmp_path, excluded)
    reference = {knee.subject for knee in reference_knees(tmp_path, excluded)}
    # As many knees of KL 0 teach as were asked for; both knees of their subjects are left out.
    assert len({knee.path.name for knee in joint_knees(tmp_path, excluded) if knee.subject in taught}) == PER_GRADE[0]
    assert reference == {knee.subject for knee in read_grade_folders(tmp_path, ("train",))} - taught - excluded
    assert {is_held(subject) for subject in reference} == {True, False}


def test_cuts_are_thirds_of_what_lies_above_healthy_knees() -> None:
    widths = np.random.default_rng(0).normal(6.0, 1.0, 4000)
    reference = kl0_reference(widths, 0.3)
    assert reference.median == pytest.approx(6.0, abs=0.1)
    # The fifth percentile lies 1.645 deviations below.
    assert reference.cuts[0] == pytest.approx(100 * 1.645 / 6, abs=2)
    assert reference.cuts[1] - reference.cuts[0] == pytest.approx(reference.cuts[2] - reference.cuts[1], abs=0.01)
    assert reference.cuts[2] + (reference.cuts[1] - reference.cuts[0]) == pytest.approx(100, abs=0.01)


def test_quality_falls_with_doubt_and_needs_both_outcomes() -> None:
    rng = np.random.default_rng(0)
    doubts = rng.normal(size=(400, 2))
    scale = fit_quality(Judged(doubts, np.where(doubts[:, 0] + rng.normal(0, 0.5, 400) > 0.8, 3.0, 0.1)))
    assert scale.spread < -1
    with pytest.raises(ReleaseError, match="none does"):
        fit_quality(Judged(doubts, np.zeros(400)))


def test_edges_of_a_mask_are_its_borders(tmp_path: Path) -> None:
    mask = np.zeros((40, 10), np.float32)
    mask[12:20, 3:7] = 1
    top, bottom = edges_of_mask(mask)
    assert top[3:7] == pytest.approx(11.5)
    assert bottom[3:7] == pytest.approx(19.5)
    assert np.isnan(top[[0, 9]]).all()
    path = tmp_path / "curves.json"
    path.write_text(json.dumps({"femur": [[11.5, 3], [11.5, 6]], "tibia": [[19.5, 3], [19.5, 6]]}))
    upper, lower = read_outline(path).edges(10)
    assert upper[3:7] == pytest.approx(11.5)
    assert lower[3:7] == pytest.approx(19.5)
    path.write_text('{"femur": 3}')
    with pytest.raises(DatasetError, match="curves"):
        read_outline(path).edges(10)


def test_icc_of_shrout_and_fleiss() -> None:
    # Judges 1 and 2 of their table 2, worked out by the paper's formula.
    one, other = np.array([9.0, 6, 8, 7, 10, 6]), np.array([2.0, 1, 4, 1, 5, 2])
    assert icc_2_1(one, one) == pytest.approx(1.0)
    assert icc_2_1(one, other) == pytest.approx(0.1256, abs=1e-3)
    assert STRONG > 0
