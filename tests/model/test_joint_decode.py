"""Two curves at once: the best pair, exactly."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from kneeoa.model.joint_decode import Stiffness, refined, two_curves


def scores(seed: int, rows: int, columns: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    return (
        rng.normal(size=(rows, columns)).astype(np.float32),
        rng.normal(size=(rows, columns)).astype(np.float32),
    )


@pytest.mark.parametrize("seed", range(6))
def test_no_other_pair_of_curves_scores_higher(seed: int) -> None:
    femur, tibia = scores(seed, 4, 3)
    stiffness = (Stiffness(2, 0.3, 0.1), Stiffness(1, 0.2, 0.2))
    between = np.random.default_rng(seed + 100).normal(size=femur.shape).astype(np.float32)

    def worth(f: tuple[int, ...], t: tuple[int, ...]) -> float:
        total = 0.0
        for c in range(3):
            if f[c] > t[c]:
                return -np.inf
            total += femur[f[c], c] + tibia[t[c], c] + between[f[c] : t[c] + 1, c].sum()
            for curve, stiff in zip((f, t), stiffness, strict=True):
                if c:
                    step = curve[c] - curve[c - 1]
                    if abs(step) > stiff.reach:
                        return -np.inf
                    total -= stiff.cost * abs(step) + stiff.square_cost * step**2
        return total

    paths = list(itertools.product(range(4), repeat=3))
    best = max(worth(f, t) for f in paths for t in paths)
    found = two_curves(femur, tibia, stiffness, between)
    assert worth(tuple(found[0]), tuple(found[1])) == pytest.approx(best, abs=1e-4)


def test_tibia_never_lies_above_the_femur_even_where_the_scores_would_have_it() -> None:
    femur, tibia = np.zeros((20, 10), np.float32), np.zeros((20, 10), np.float32)
    femur[15], tibia[5] = 1.0, 1.1
    found = two_curves(femur, tibia)
    assert (found[0] <= found[1]).all()


def test_curve_is_told_to_a_fraction_of_a_row() -> None:
    rows = np.arange(30)[:, None]
    truth = np.array([10.3, 11.0, 12.7])
    logarithms = (-0.5 * ((rows - truth) / 0.9) ** 2).astype(np.float32)
    assert refined(logarithms, np.rint(truth).astype(np.intp), 3) == pytest.approx(truth, abs=0.02)
