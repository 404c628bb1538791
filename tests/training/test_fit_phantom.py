"""The statistics behind phantoms are learnt from knees that may be seen, and registration brings knees together."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from kneeoa.datasets.knee_statistics import STATISTICS_FILE, knee_statistics
from kneeoa.datasets.phantom import PhantomSpec, make_phantom
from kneeoa.datasets.splits import is_held
from kneeoa.model.errors import DatasetError
from kneeoa.model.radiograph import Side
from kneeoa.training import fit_phantom
from kneeoa.training.phantom_privacy import nearest, signatures
from kneeoa.training.register import Warps, places, register_to

TEMPLATE = torch.from_numpy(np.load(STATISTICS_FILE)["template"].astype(np.float32))[None, None]


def crops(count: int, size: int = 96) -> torch.Tensor:
    found = torch.empty(count, 1, size, size)
    for i in range(count):
        spec = PhantomSpec(grade=i % 5, seed=i, size=(size, size), marker=False)
        found[i, 0] = torch.from_numpy(make_phantom(spec).pixels)
    return found


def written(root: Path, knees: int, drawn: bool = True) -> Path:
    """A small set in the published layout, made of phantoms; subjects 9000000 and up."""
    for i in range(knees):
        side = Side.RIGHT if i % 2 else Side.LEFT
        spec = PhantomSpec(side=side, grade=i % 5, seed=i, size=(96, 96), marker=False)
        folder = root / "train" / str(i % 5)
        folder.mkdir(parents=True, exist_ok=True)
        grey = (make_phantom(spec).pixels * 255).astype(np.uint8) if drawn else np.zeros((96, 96), dtype=np.uint8)
        Image.fromarray(grey).save(folder / f"{9000000 + i}{side.value}.png")
    return root


def test_held_and_excluded_subjects_are_left_out(tmp_path: Path) -> None:
    root = written(tmp_path, 24, drawn=False)
    everyone = {str(9000000 + i) for i in range(24)}
    excluded = frozenset({"9000003", "9000004"})
    seen = {knee.subject for knee in fit_phantom.fitting_knees(root, excluded)}
    assert seen == {subject for subject in everyone - excluded if not is_held(subject)}
    assert seen < everyone - excluded


def test_a_list_of_subjects_is_read_without_its_comments(tmp_path: Path) -> None:
    path = tmp_path / "subjects.txt"
    path.write_text("# two of them\n9000001\n\n9000002 # the second\n", encoding="utf-8")
    assert fit_phantom.read_subjects(path) == {"9000001", "9000002"}
    path.write_text("# nobody\n", encoding="utf-8")
    with pytest.raises(DatasetError, match=r"subjects\.txt names no subject"):
        fit_phantom.read_subjects(path)


def test_a_left_knee_is_loaded_as_a_right_one(tmp_path: Path) -> None:
    knees = sorted(fit_phantom.fitting_knees(written(tmp_path, 2), frozenset()), key=lambda knee: knee.subject)
    loaded = fit_phantom.load_crops(knees, 96)
    drawn = [make_phantom(PhantomSpec(side=Side.LEFT, grade=0, seed=0, size=(96, 96), marker=False)).pixels[:, ::-1]]
    assert np.abs(loaded[0, 0].numpy() - drawn[0]).max() < 1 / 200


def test_components_are_orthonormal_and_ordered() -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(40, 3)) @ np.array([[5.0, 0, 0, 0, 0], [0, 2.0, 0, 0, 0], [0, 0, 1.0, 0, 0]])
    found = fit_phantom.components(rows - rows.mean(0), 3)
    assert np.allclose(found @ found.T, np.eye(3), atol=1e-9)
    spread = ((rows - rows.mean(0)) @ found.T).std(0)
    assert list(spread) == sorted(spread, reverse=True)
    assert abs(found[0, 0]) > 0.9


def test_registration_finds_a_shift() -> None:
    knees = crops(4)
    shifted = torch.roll(knees, shifts=(4, -6), dims=(2, 3))
    moved = register_to(shifted, TEMPLATE).displacement(places(9, 0.6))
    still = register_to(knees, TEMPLATE).displacement(places(9, 0.6))
    change = (moved - still).mean((1, 2)) * 96 / 2
    assert change[:, 0].numpy() == pytest.approx(np.full(4, -6), abs=1.5)
    assert change[:, 1].numpy() == pytest.approx(np.full(4, 4), abs=1.5)


def test_a_warp_of_nothing_leaves_a_crop_alone() -> None:
    knees = crops(2)
    nothing = Warps(torch.zeros(2, 6), torch.zeros(2, 2, 7, 7))
    assert torch.allclose(nothing.pull(knees, places(96)), knees, atol=1e-5)


def test_a_copy_is_recognised_among_training_knees_and_strangers_are_not() -> None:
    knees = crops(12, 128)
    rows = signatures(knees, TEMPLATE)
    # The copy is shifted and exposed differently, as a copy that hides would be.
    copy = signatures(torch.roll(knees[5:6], shifts=(3, 2), dims=(2, 3)) * 0.8 + 0.1, TEMPLATE)
    others = torch.cat([rows[:5], rows[6:]])
    assert nearest(copy, rows)[0] > 0.9
    assert nearest(copy, others)[0] < 0.85


def test_fitting_a_small_set_gives_what_the_runtime_reads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fit_phantom, "WARP_MODES", 3)
    monkeypatch.setattr(fit_phantom, "LOOK_MODES", 4)
    out = tmp_path / "knee_statistics.npz"
    fit_phantom.fit(written(tmp_path / "data", 24), frozenset({"9000003"}), out)
    found = knee_statistics(out)
    assert found.header["components"] == {"warp": 3, "look": 4}
    shipped = knee_statistics()
    assert found.mean_look.shape == shipped.mean_look.shape
    drawn = found.draw(2, np.random.default_rng(0))
    assert np.isfinite(drawn.look).all()
    # Phantoms come from the shipped statistics, so what is learnt from phantoms looks like them.
    inner = slice(40, 136)
    alike = np.corrcoef(found.mean_look[inner, inner].ravel(), shipped.mean_look[inner, inner].ravel())[0, 1]
    assert alike > 0.7
