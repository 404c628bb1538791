"""The network that looks for metal: what it learns from, how it is trained, exported and begun again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch

from kneeoa.datasets.film_composer import compose_film
from kneeoa.datasets.film_implants import Implant
from kneeoa.datasets.film_layout import draw_layout
from kneeoa.datasets.film_limb import metal_on
from kneeoa.datasets.film_patch import KneePatch
from kneeoa.datasets.film_truth import FilmKind, FilmTurn, turned
from kneeoa.datasets.grade_folders import KneeImage
from kneeoa.datasets.known_metal import knees_with_metal, without_metal
from kneeoa.datasets.phantom import PhantomSpec, make_phantom
from kneeoa.model.crop import Square, cut_square
from kneeoa.model.errors import ReleaseError
from kneeoa.model.localize import KneeRegion
from kneeoa.model.metal import MetalSession, metal_input, moved_along, share_on_film, squares_at, with_metal
from kneeoa.model.radiograph import Side
from kneeoa.model.release import FINDER, METAL, load_release
from kneeoa.training import metal_samples, train_metal
from kneeoa.training.export_metal import export_metal, load_metal
from kneeoa.training.finder_network import FinderNetwork
from kneeoa.training.metal_network import MetalNetwork
from kneeoa.training.metal_samples import CELLS, MetalSample, on_crop, on_film
from kneeoa.training.released_weights import begin_with


@pytest.fixture(scope="module")
def patches() -> list[KneePatch]:
    sides = (Side.RIGHT, Side.LEFT)
    return [KneePatch.of_phantom(make_phantom(PhantomSpec(s, 1, 4, (260, 260), marker=False))) for s in sides]


@pytest.mark.parametrize("implant", [Implant.TOTAL, Implant.SCREWS, Implant.STAPLES, Implant.SKIN_STAPLES])
def test_metal_is_told_where_it_was_drawn(patches: list[KneePatch], implant: Implant) -> None:
    for patch in patches:
        drawn = metal_on(patch, implant, np.random.default_rng(8))
        shown, cover = drawn.patch, drawn.cover
        assert cover.shape == shown.pixels.shape
        assert 0.001 < float((cover > 0.5).mean()) < 0.7
        # Metal is the brightest thing on the crop.
        assert float(shown.pixels[cover > 0.9].mean()) > float(np.quantile(shown.pixels[cover < 0.01], 0.9))
        # Hardly anything else differs from the knee without it: cement, and bone that was cut away.
        assert float(np.abs(shown.pixels - drawn.bare)[cover > 0.9].min()) > 0.1
        assert float(np.abs(shown.pixels - drawn.bare)[cover == 0].mean()) < 0.04


def test_samples_show_both_answers_and_ask_only_where_the_truth_is_known(patches: list[KneePatch]) -> None:
    rng = np.random.default_rng(0)
    samples: list[MetalSample] = [on_crop(patches[i % 2], rng) for i in range(24)]
    samples += [sample for _ in range(6) for sample in on_film(patches, rng)]
    assert {sample.metal for sample in samples} == {True, False}
    for sample in samples:
        assert sample.view.shape == (288, 288)
        assert sample.cells.shape == (CELLS, CELLS)
        assert set(np.unique(sample.cells)) <= {-1.0, 0.0, 1.0}
        assert sample.metal or not (sample.cells == 1).any()


def test_where_metal_lies_is_known_on_films_that_were_turned(patches: list[KneePatch]) -> None:
    rng = np.random.default_rng(5)
    layout = draw_layout(FilmKind.SINGLE, (500, 400), rng, 0.0)
    side, pose = layout.knees[0]
    bare = compose_film(replace(layout, collimation=None), patches[:1], np.random.default_rng(6))
    assert bare.metal is None
    knees = ((side, replace(pose, implant=Implant.TOTAL)),)
    film = compose_film(replace(layout, knees=knees, collimation=None), patches[:1], np.random.default_rng(6))
    after = turned(film, FilmTurn(tilt_degrees=12, mirrored=True, quarter_turns=1, stretch=1.1))
    for one in (film, after, after.inverted()):
        assert one.metal is not None
        assert one.metal.shape == one.pixels.shape
        assert 0.01 < float((one.metal > 0.5).mean()) < 0.4
        grey = np.float32(1) - one.pixels if one.is_inverted else one.pixels
        assert float(grey[one.metal > 0.9].mean()) > float(grey[one.metal < 0.01].mean()) + 0.3
        (knee,) = one.knees
        rows, columns = np.nonzero(one.metal > 0.5)
        apart = np.hypot(rows.mean() - knee.centre[0], columns.mean() - knee.centre[1])
        assert apart < 0.35 * knee.plateau_width_px


def test_squares_lie_along_the_leg_as_far_as_the_film_reaches() -> None:
    film = np.random.default_rng(0).random((900, 500), dtype=np.float32)
    assert len(squares_at(film, Square(450, 250, 200))) == 3
    assert len(squares_at(film, Square(100, 250, 200))) == 2
    assert len(squares_at(film, Square(450, 250, 200), along=False)) == 1
    lying = moved_along(Square(450, 250, 200, 90.0), -0.5)
    # Of a leg turned counter-clockwise by a quarter, up is to the left.
    assert (lying.centre_row, lying.centre_column) == pytest.approx((450, 150))
    assert share_on_film(Square(0, 100, 100), (400, 400)) == pytest.approx(0.505)
    assert share_on_film(Square(-80, 100, 100), (400, 400)) == 0


def test_metal_beside_the_leg_counts_at_the_joint_alone() -> None:
    network = MetalNetwork().eval()
    heat = torch.full((1, 36, 36), -5.0)
    heat[0, :3, :4] = 5.0
    with torch.inference_mode():
        network.stem, network.stages, network.head = (torch.nn.Sequential() for _ in range(3))  # the cells are given
        outputs = network(heat[:, None])
    assert float(outputs.score) == 5.0
    assert float(outputs.middle) == -5.0


def test_a_knee_bears_metal_when_one_of_its_squares_shows_it(patches: list[KneePatch]) -> None:
    session = MetalSession(export_metal(MetalNetwork()), "cpu", 1)
    assert session.looks_along
    knee = cut_square(patches[0].pixels, Square(130, 130, 260))
    other = cut_square(patches[1].pixels, Square(100, 130, 200))
    # An untrained network's scores are anything; the knee's is the highest of what counts.
    alone, both = session.at_knees([[knee], [knee, other]])
    assert alone == pytest.approx(session.run([knee])[0], abs=1e-6)
    assert both >= alone
    assert session.at_knees([[knee, other], [knee]]) == pytest.approx([both, alone], abs=1e-6)


def test_nobody_is_asked_about_metal_that_white_bone_hides(
    patches: list[KneePatch], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metal_samples, "_METAL", 1.0)
    assert any(on_crop(patches[0], np.random.default_rng(seed)).metal for seed in range(4))
    monkeypatch.setattr(metal_samples, "_disturbed", lambda square, _rng: np.zeros_like(square))
    for seed in range(4):
        sample = on_crop(patches[0], np.random.default_rng(seed))
        assert not sample.metal
        assert not (sample.cells == 1).any()
        assert (sample.cells == -1).any()


def test_a_stopped_run_goes_on_and_what_it_trained_is_exported(
    patches: list[KneePatch], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(train_metal, "BATCH", 2)
    train_metal.train_metal(patches, tmp_path, train_metal.Course(1, workers=0))
    done = train_metal.train_metal(patches, tmp_path, train_metal.Course(2, workers=0))
    assert torch.load(tmp_path / "last.pt", weights_only=True)["step"] == 2
    content = export_metal(load_metal(done))
    assert len(content) < 1_000_000
    session = MetalSession(content, "cpu", 1)
    square = patches[0].pixels
    region = KneeRegion((130.0, 130.0), 210.0, 0.0, 0.9, 0.1, 0.9, 0.02)
    (read,) = with_metal(square, [region], session)
    assert 0 < read.metal < 1
    assert with_metal(square, [], session) == []
    with pytest.raises(ValueError, match="288"):
        session.run([square])


def test_a_constant_square_has_no_contrast_to_look_at() -> None:
    assert not metal_input(np.full((288, 288), 0.5, dtype=np.float32)).any()


def test_a_released_finder_can_be_trained_further(tmp_path: Path) -> None:
    content = load_release().contents[FINDER]
    path = tmp_path / FINDER
    path.write_bytes(content)
    network = FinderNetwork()
    assert begin_with(network, path)
    views = np.random.default_rng(0).standard_normal((1, 1, 96, 128)).astype(np.float32)
    with torch.inference_mode():
        ours = network.eval()(torch.from_numpy(views))
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    for mine, theirs in zip(ours, session.run(["maps", "kind", "side", "features"], {"views": views}), strict=True):
        assert np.abs(mine.numpy() - theirs).max() < 1e-3


def test_a_released_metal_network_can_be_trained_further(
    patches: list[KneePatch], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = load_release().contents[METAL]
    begin = tmp_path / METAL
    begin.write_bytes(content)
    network = MetalNetwork()
    assert begin_with(network, begin)
    views = np.random.default_rng(0).standard_normal((2, 1, 288, 288)).astype(np.float32)
    with torch.inference_mode():
        ours = network.eval()(torch.from_numpy(views)).score.numpy()
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    assert np.abs(ours - np.asarray(session.run(["score"], {"views": views})[0])).max() < 1e-3
    monkeypatch.setattr(train_metal, "BATCH", 2)
    further = load_metal(train_metal.train_metal(patches, tmp_path / "run", train_metal.Course(1, 0, 0, begin)))
    # It was trained, and statistics of two squares have not got into it.
    with torch.inference_mode():
        moved = np.abs(further(torch.from_numpy(views)).score.numpy() - ours).max()
    assert moved > 0
    kept = dict(network.named_buffers())
    assert all(torch.equal(statistic, kept[name]) for name, statistic in further.named_buffers())


def test_another_network_is_not_taken_for_a_finder(tmp_path: Path) -> None:
    path = tmp_path / "metal.onnx"
    path.write_bytes(export_metal(MetalNetwork()))
    with pytest.raises(ReleaseError, match="not the network"):
        begin_with(FinderNetwork(), path)


def test_knees_that_are_known_to_bear_metal_are_left_out() -> None:
    known = sorted(knees_with_metal())
    assert all(len(name) > 2 and name[-1] in "LR" for name in known)
    knees = [KneeImage(Path(f"{name}.jpg"), name[:-1], Side.RIGHT, 0, "train") for name in (*known, "nobodyR")]
    assert [knee.path.stem for knee in without_metal(knees)] == ["nobodyR"]
