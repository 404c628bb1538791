"""Tracings that follow a rim give way to a network's floor, and a run goes on with a release's weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kneeoa.datasets.phantom import PhantomSpec, make_phantom
from kneeoa.datasets.splits import is_held
from kneeoa.model.radiograph import Side
from kneeoa.model.release import DEFAULT_RELEASE, load_release
from kneeoa.training.evaluate_joint_space import load_meter
from kneeoa.training.joint_atlas import SIZE
from kneeoa.training.joint_labels import JointLabels, read_labels, save_labels
from kneeoa.training.joint_phantoms import edge_rows, phantom_place, read_phantoms, write_phantoms
from kneeoa.training.joint_relabels import RIM_ROWS, lower_floor, relabelled
from kneeoa.training.joint_tracer import COLUMNS
from kneeoa.training.train_joint import FURTHER_RATE, JointRun, Teachers, teaching_phantoms, train_joint

PHANTOM = make_phantom(PhantomSpec(Side.RIGHT, 1, 71, (SIZE, SIZE), None, False, 4.0, 5.0))


def test_floor_is_moved_down_only_and_only_by_more_than_a_trifle() -> None:
    traced = np.full(5, 80.0)
    seen = np.array([60.0, 79.0, 80.0 + RIM_ROWS, 80.1 + RIM_ROWS, 95.0])
    assert lower_floor(traced, seen).tolist() == [80.0, 80.0, 80.0, 80.1 + RIM_ROWS, 95.0]


def test_a_rim_in_the_labels_gives_way_and_held_stays(tmp_path: Path) -> None:
    fit = next(f"{n:07d}" for n in range(1000) if not is_held(f"{n:07d}"))
    held = next(f"{n:07d}" for n in range(1000) if is_held(f"{n:07d}"))
    folder = tmp_path / "data" / "train" / "1"
    folder.mkdir(parents=True)
    for subject in (fit, held):
        Image.fromarray(np.round(PHANTOM.pixels * 255).astype(np.uint8)).save(folder / f"{subject}R.png")
    place = phantom_place(PHANTOM)
    truth = edge_rows(place, PHANTOM.tibia_edge)
    # Traced twelve rows, 1.8 mm, too high in the medial half.
    medial = np.linspace(1.06, -0.06, COLUMNS) < 0.4
    traced = truth - 12.0 * medial
    labels = JointLabels(
        names=np.array([f"{fit}R.png", f"{held}R.png"]),
        kl=np.array([1, 1]),
        held=np.array([False, True]),
        places=np.array([[place.row, place.column, place.width, place.angle_degrees]] * 2),
        femur=np.stack([edge_rows(place, PHANTOM.femur_edge)] * 2),
        tibia=np.stack([traced] * 2),
        strength=np.ones((2, 2)),
        excluded_sha256="of the list",
    )
    new = relabelled(tmp_path / "data", labels, load_meter(DEFAULT_RELEASE)[0])
    zone = np.abs(np.linspace(1.06, -0.06, COLUMNS) - 0.22) < 0.06
    assert np.abs(new.tibia[0] - truth)[zone].max() < 4.0
    assert (new.tibia[1] == traced).all()
    assert (labels.tibia[0] == traced).all()
    save_labels(new, tmp_path / "labels.npz")
    again = read_labels(tmp_path / "labels.npz")
    assert (again.tibia == new.tibia).all()
    assert again.excluded_sha256 == "of the list"


def test_a_run_goes_on_with_the_weights_of_a_release_and_of_itself(tmp_path: Path) -> None:
    network = tmp_path / "joint_trace.onnx"
    network.write_bytes(load_release().contents["joint_trace.onnx"])
    run = JointRun("trace", 10, begin=network)
    assert run.still
    assert run.optimiser.param_groups[0]["initial_lr"] == FURTHER_RATE
    write_phantoms(2, tmp_path / "phantoms.npz")
    knees = teaching_phantoms(read_phantoms(tmp_path / "phantoms.npz"))
    done = train_joint("trace", Teachers(knees, knees, knees), tmp_path / "run", 2, network)
    assert JointRun("trace", 10, begin=done).still


def test_normalisations_with_statistics_of_their_own_go_on_learning(tmp_path: Path) -> None:
    write_phantoms(2, tmp_path / "phantoms.npz")
    knees = teaching_phantoms(read_phantoms(tmp_path / "phantoms.npz"))
    done = train_joint("trace", Teachers(knees, knees), tmp_path / "run", 2)
    assert not JointRun("trace", 10, begin=done).still
    with pytest.raises(FileNotFoundError):
        JointRun("trace", 10, begin=tmp_path / "none.pt")
