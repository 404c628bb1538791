"""The finder's training: truth lies where the knee is, what is learnt can be exported, and a killed run goes on."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from kneeoa.datasets.film_drawing import draw_film
from kneeoa.datasets.film_patch import KneePatch
from kneeoa.datasets.film_truth import FilmKind, FilmTurn, turned
from kneeoa.datasets.phantom import PhantomSpec, make_phantom
from kneeoa.model.film_views import close_view, whole_view
from kneeoa.model.radiograph import Side
from kneeoa.training import train_finder
from kneeoa.training.export_finder import export_finder
from kneeoa.training.finder_losses import finder_losses
from kneeoa.training.finder_network import STRIDE, FinderNetwork
from kneeoa.training.finder_samples import close_views, stacked, truth_of


@pytest.fixture(scope="module")
def patches() -> list[KneePatch]:
    sides = (Side.RIGHT, Side.LEFT)
    return [KneePatch.of_phantom(make_phantom(PhantomSpec(s, 2, 1, (200, 200), marker=False))) for s in sides]


@pytest.mark.parametrize("quarter", [0, 1, 2])
def test_heat_peaks_where_the_knees_are(patches: list[KneePatch], quarter: int) -> None:
    film = draw_film(FilmKind.BILATERAL, patches, 400, np.random.default_rng(0), 0.0)
    film = turned(film, FilmTurn(quarter_turns=quarter))
    view = whole_view(film.pixels)
    truth = truth_of(view, film, None, asked=False)
    assert truth.heat[0].max() == 1
    assert truth.heat[1].max() == 0
    for knee in film.knees:
        cell = (view.from_film(np.array([knee.centre]))[0] - (STRIDE - 1) / 2) / STRIDE
        row, column = np.rint(cell).astype(int)
        assert truth.heat[0, row, column] == 1
        assert truth.known[row, column]
        found = np.array([row + truth.values[3, row, column], column + truth.values[4, row, column]])
        assert np.allclose(found, cell, atol=1e-4)
        angle = np.degrees(np.arctan2(truth.values[2, row, column], truth.values[1, row, column]))
        assert abs((angle - knee.angle_degrees + 180) % 360 - 180) < 0.01


def test_close_views_stand_upright_and_tell_kind_and_side(patches: list[KneePatch]) -> None:
    film = turned(draw_film(FilmKind.BILATERAL, patches, 400, np.random.default_rng(1), 0.0), FilmTurn(mirrored=True))
    found = close_views(film, np.random.default_rng(0), elsewhere=2)
    near = [truth for _, truth in found if truth.kind == 1]
    assert sorted(truth.side for truth in near) == [0, 1]
    knee = film.knees[0]
    exact = close_view(film.pixels, knee.centre, knee.plateau_width_px, knee.angle_degrees)
    truth = truth_of(exact, film, knee, asked=True)
    # On a mirrored film a right knee looks like a left one.
    assert truth.side == (0 if knee.side is Side.RIGHT else 1)
    assert truth.values[1][truth.known].min() > 0.99


def test_losses_are_finite_and_have_gradients(patches: list[KneePatch]) -> None:
    rng = np.random.default_rng(0)
    film = draw_film(FilmKind.SINGLE, patches, 300, rng, 0.0)
    batch = stacked(close_views(film, rng), rng)
    network = FinderNetwork()
    losses = finder_losses(network(batch.views), batch)
    assert {"heat", "width", "turn", "offset", "kind", "side"} <= set(losses)
    torch.autograd.backward(torch.stack(list(losses.values())).sum())
    assert all(p.grad is not None and bool(torch.isfinite(p.grad).all()) for p in network.parameters())


# torch's exporter takes minutes over the symbols of three sides that may vary, and more on a busy machine.
@pytest.mark.timeout(1800)
def test_a_network_is_exported_small_and_says_the_same() -> None:
    # `export_finder` itself compares both on three shapes, and raises where they differ.
    assert 2_000_000 < len(export_finder(FinderNetwork())) < 5_000_000


def test_a_stopped_run_goes_on(patches: list[KneePatch], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(train_finder, "WHOLE_BATCH", 2)
    monkeypatch.setattr(train_finder, "CLOSE_BATCH", 2)
    train_finder.train_finder(patches, tmp_path, steps=1, workers=0)
    assert torch.load(tmp_path / "last.pt", weights_only=True)["step"] == 1
    done = train_finder.train_finder(patches, tmp_path, steps=2, workers=0)
    assert torch.load(tmp_path / "last.pt", weights_only=True)["step"] == 2
    FinderNetwork().load_state_dict(torch.load(done, weights_only=True))
