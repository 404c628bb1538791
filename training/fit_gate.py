"""Fits the gate of a release: a density over embeddings and two linear rules, thresholds on `held`."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from kneeoa.datasets.grade_folders import KneeImage
from kneeoa.model.crop import network_input
from kneeoa.model.gate import Gate
from kneeoa.model.picture import read_grey
from kneeoa.model.radiograph import FloatImage, Side
from kneeoa.model.release import GateThresholds
from kneeoa.training.counterexamples import KINDS
from kneeoa.training.loaders import load_square, square_of

Embeddings = npt.NDArray[np.float32]
Embed = Callable[[Sequence[FloatImage]], Embeddings]
"""Canonical squares (288, 288) -> (n, features), as serving computes them."""
COMPONENTS = 64
PERCENTILE = 99.0
"""Of `held`, within which an embedding must lie (the framing rule: 99.5, the mirror flag: 99.5)."""


@dataclass(frozen=True)
class FittedGate:
    """A gate and what it does on `held`.

    Attributes:
        gate: the fitted gate.
        thresholds: for `release.json`.
        report: share of `held` accepted, share of each kind of counterexample refused, share of mirrored knees noticed.
    """

    gate: Gate
    thresholds: GateThresholds
    report: dict[str, float]

    def to_bytes(self) -> bytes:
        """`gate.npz`."""
        buffer = io.BytesIO()
        gate = self.gate
        np.savez(
            buffer,
            mean=gate.mean,
            components=gate.components,
            residual_spread=np.float32(gate.residual_spread),
            framing=gate.framing,
            mirrored=gate.mirrored,
        )
        return buffer.getvalue()


def mirrored_squares(squares: Sequence[FloatImage]) -> list[FloatImage]:
    """The same knees as if their side were the other one."""
    return [np.ascontiguousarray(square[:, ::-1]) for square in squares]


def counterexamples(knees: Sequence[KneeImage], kind: str, count: int, seed: int) -> list[FloatImage]:
    """Composes `count` squares of one kind of `counterexamples.KINDS` from these knees."""
    rng = np.random.default_rng([seed, sorted(KINDS).index(kind)])
    squares = []
    for _ in range(count):
        first, second = (knees[int(i)] for i in rng.integers(0, len(knees), 2))
        film = KINDS[kind](read_grey(first.path), read_grey(second.path), rng)
        squares.append(square_of(film, Side.RIGHT if rng.random() < 0.5 else Side.LEFT))
    return squares


def _density(embedding: Embeddings) -> tuple[Embeddings, Embeddings, float]:
    mean = embedding.mean(axis=0)
    centred = (embedding - mean).astype(np.float64)
    _, singular, directions = np.linalg.svd(centred, full_matrices=False)
    spread = singular[:COMPONENTS] / np.sqrt(len(centred))
    inside = centred @ directions[:COMPONENTS].T
    residual = np.linalg.norm(centred - inside @ directions[:COMPONENTS], axis=1)
    components = directions[:COMPONENTS] / spread[:, None]
    return mean.astype(np.float32), components.astype(np.float32), float(np.sqrt((residual**2).mean()))


def _linear_rule(negative: Embeddings, positive: Embeddings) -> Embeddings:
    scaler = StandardScaler().fit(np.concatenate([negative, positive]))
    labels = np.repeat([0, 1], [len(negative), len(positive)])
    rule = LogisticRegression(C=1e-3, class_weight="balanced", max_iter=500)
    rule.fit(scaler.transform(np.concatenate([negative, positive])), labels)
    weights = rule.coef_[0] / scaler.scale_
    bias = rule.intercept_[0] - weights @ scaler.mean_
    return np.append(weights, bias).astype(np.float32)


def fit_gate(fit: Sequence[KneeImage], held: Sequence[KneeImage], embed: Embed, per_kind: int = 600) -> FittedGate:
    """Fits on knees that were learnt from, sets thresholds on `held`, and reports on `held`.

    Args:
        fit: knees the network was trained on.
        held: knees it was not.
        embed: canonical squares -> embeddings.
        per_kind: counterexamples of each kind to learn from; a fifth of it judges.
    """
    squares = [load_square(knee) for knee in fit]
    knees = embed(squares)
    tilted = embed([_tilted(square, i) for i, square in enumerate(squares[:: max(1, len(squares) // 1500)])])
    others = np.concatenate([embed(counterexamples(fit, kind, per_kind, seed=1)) for kind in KINDS])
    mirror = embed(mirrored_squares(squares))
    mean, components, residual = _density(knees)
    framing = _linear_rule(np.concatenate([knees, tilted]), others)
    gate = Gate(mean, components, residual, framing, _linear_rule(knees, mirror))
    held_squares = [load_square(knee) for knee in held]
    seen = embed(held_squares)
    thresholds = GateThresholds(
        distance=float(np.percentile(gate.distance(seen), PERCENTILE)),
        framing=float(np.percentile(gate.framing_logit(seen), 99.5)),
        mirrored=float(np.percentile(gate.mirrored_logit(seen), 99.5)),
    )
    report = {"held_accepted": float(_accepted(gate, thresholds, seen).mean())}
    for kind in KINDS:
        refused = ~_accepted(gate, thresholds, embed(counterexamples(held, kind, max(5, per_kind // 5), seed=2)))
        report[f"{kind}_refused"] = float(refused.mean())
    wrong_way = gate.mirrored_logit(embed(mirrored_squares(held_squares)))
    report["mirrored_noticed"] = float((wrong_way > thresholds.mirrored).mean())
    report["orientation_right"] = float((wrong_way > gate.mirrored_logit(seen)).mean())
    return FittedGate(gate, thresholds, report)


def _accepted(gate: Gate, limits: GateThresholds, embedding: Embeddings) -> npt.NDArray[np.bool_]:
    near = gate.distance(embedding) <= limits.distance
    return np.asarray(near & (gate.framing_logit(embedding) <= limits.framing))


def _tilted(square: FloatImage, seed: int) -> FloatImage:
    """A knee as a careful radiographer may still place it: these are to be graded, not refused."""
    from kneeoa.model.crop import SQUARE, Square, cut_square

    rng = np.random.default_rng([3, seed])
    centre = (SQUARE - 1) / 2 + rng.uniform(-0.05, 0.05, 2) * SQUARE
    size = SQUARE * rng.uniform(0.9, 1.1)
    return cut_square(square, Square(float(centre[0]), float(centre[1]), float(size), float(rng.uniform(-10, 10))))


def inputs_of(squares: Sequence[FloatImage]) -> npt.NDArray[np.float32]:
    """(n, 208, 288) network inputs of canonical squares."""
    return np.stack([network_input(square) for square in squares])
