"""Fits the gate of a release: a density over embeddings and a linear rule, with thresholds on `held`."""

from __future__ import annotations

import io
from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.linear_model import LogisticRegression

from kneeoa.datasets.grade_folders import KneeImage
from kneeoa.model.errors import ReleaseError
from kneeoa.model.gate import Gate
from kneeoa.model.release import FinderThresholds, GateThresholds
from kneeoa.training.gate_films import FRAMINGS, OTHER_VIEW, REFUSED
from kneeoa.training.gate_places import Networks, Places
from kneeoa.training.gate_sampling import ACCEPTED, COMPOSED, FRAMED, GIVEN, TILTED, Request, sample

Embeddings = npt.NDArray[np.float32]
Rows = npt.NDArray[np.float32]
"""(places, features) of either network."""
COMPONENTS = 160
"""Of the density: what tells metal and other views apart lies in small directions. They take 0.8 MB."""
RULE_COMPONENTS = 384
"""Of the linear rule: with all of the embedding's features there are more weights than examples of any one family."""
ACCEPTED_SHARE = 0.988
"""Of knees of `held` that the finder lets through, of crops as of composed films, the share that the gate lets through,
too, at least."""
ON_FRAMING, ON_LOOKS = 0.4, 0.5
"""Of the knees given up, the shares that the two linear rules may cost; the rest is the density's. On `held`, more
families were refused the more of them the rules were given, families that they had never seen among them."""
UNUSUAL_PERCENTILE = 97.0
"""Of the same knees, the percentile of the distance from which on a graded knee is flagged as unusual."""
GATE_MAX_BYTES = 1_000_000


@dataclass(frozen=True, slots=True)
class SampleSizes:
    """How much is drawn to fit a gate.

    Attributes:
        framed: crops of knees that were learnt from.
        tilted: of these, crops a little off.
        given: of these, crops that the finder cuts anew.
        films: composed films of knees, learnt from and held each.
        per_family: exhibits of each family to refuse, to learn from.
        per_view: likewise of those that show a knee in another view, which is hardest to tell.
        per_framing: likewise of those that are squares, which cost little: nothing is found on them.
        per_held_family: likewise from `held`, to judge.
    """

    framed: int = 1800
    tilted: int = 700
    given: int = 700
    films: int = 800
    per_family: int = 45
    per_view: int = 150
    per_framing: int = 200
    per_held_family: int = 20


@dataclass(frozen=True, slots=True, eq=False)
class FittedGate:
    """A gate and what it does on `held`.

    Attributes:
        gate: the fitted gate.
        thresholds: for `release.json`.
        report: shares of `held`: accepted crops and composed knees, refused ones of each family.
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
            looks=gate.looks,
        )
        return buffer.getvalue()


def draw_fit(fit: list[KneeImage], networks: Networks, sizes: SampleSizes, workers: int = 2, seed: int = 1) -> Places:
    """What a gate is fitted on.

    Args:
        fit: knees that the KL network was trained on.
        networks: of the release.
        sizes: how much.
        workers: processes.
        seed: of everything.
    """
    order = np.random.default_rng(seed).permutation(len(fit))
    some = [fit[int(i)] for i in order[: sizes.framed]]
    asked = [
        Request(FRAMED, sizes.framed, seed),
        Request(TILTED, sizes.tilted, seed),
        Request(GIVEN, sizes.given, seed),
        Request(COMPOSED, sizes.films, seed),
        *(Request(family, _count(family, sizes), seed) for family in REFUSED),
    ]
    return sample(asked, some, networks, workers)


def _count(family: str, sizes: SampleSizes) -> int:
    if family in FRAMINGS:
        return sizes.per_framing
    return sizes.per_view if REFUSED[family].group == OTHER_VIEW else sizes.per_family


def draw_held(held: list[KneeImage], networks: Networks, sizes: SampleSizes, workers: int = 2, seed: int = 2) -> Places:
    """What sets thresholds and judges: every held knee as its crop, and films composed from them.

    Args:
        held: knees that neither network was trained on.
        networks: of the release.
        sizes: how much.
        workers: processes.
        seed: of everything.
    """
    asked = [
        Request(GIVEN, len(held), seed),
        Request(COMPOSED, sizes.films, seed),
        *(Request(family, sizes.per_held_family, seed) for family in REFUSED),
    ]
    return sample(asked, held, networks, workers)


@dataclass(frozen=True, slots=True, eq=False)
class Density:
    """Where embeddings of knees lie; attributes as in `model.gate.Gate`."""

    mean: Embeddings
    components: Embeddings
    residual_spread: float


def fit_density(embedding: Embeddings) -> Density:
    """Principal directions of embeddings, and what they leave over.

    Args:
        embedding: (knees, features).

    References:
        Moghaddam B., Pentland A., Probabilistic visual learning for object representation, PAMI 1997;19:696.
    """
    mean = embedding.mean(axis=0)
    centred = (embedding - mean).astype(np.float64)
    _, singular, directions = np.linalg.svd(centred, full_matrices=False)
    spread = singular[:COMPONENTS] / np.sqrt(len(centred))
    inside = centred @ directions[:COMPONENTS].T
    residual = np.linalg.norm(centred - inside @ directions[:COMPONENTS], axis=1)
    components = directions[:COMPONENTS] / np.maximum(spread, 1e-6)[:, None]
    beyond = max(float(np.sqrt((residual**2).mean())), 1e-6)
    return Density(mean.astype(np.float32), components.astype(np.float32), beyond)


def fit_gate(
    fit: Places,
    held: Places,
    limits: FinderThresholds,
    without: Collection[str] = (),
    density: Density | None = None,
) -> FittedGate:
    """Fits on places of knees that were learnt from, sets thresholds on those of `held`, and reports on these.

    Args:
        fit: from `draw_fit`.
        held: from `draw_held`.
        limits: of the finder: its refusals are not the gate's to make.
        without: families that are left out of fitting and of setting thresholds.
        density: of the knees in `fit`, where it is known already.

    Raises:
        ReleaseError: the finder lets no knee of `held` through.
    """
    fit, held = (of.where(~np.isin(of.family, list(without))) for of in (fit, held))
    knees, others = fit.of(*ACCEPTED), fit.of(*REFUSED)
    density = density or fit_density(knees.embedding)
    gate = Gate(
        density.mean,
        density.components,
        density.residual_spread,
        framing=_linear_rule((others, others.embedding), (knees, knees.embedding)),
        looks=_looks_rule(others, knees),
    )
    passed = held.of(GIVEN, COMPOSED)
    passed = passed.where(~passed.refused_by_finder(limits))
    if not len(passed):
        msg = "The finder lets no knee of `held` through: there is nothing to set the gate's thresholds on. Look at it."
        raise ReleaseError(msg)
    thresholds = _thresholds(gate, passed)
    return FittedGate(gate, thresholds, report_on(gate, thresholds, limits, held))


def report_on(gate: Gate, thresholds: GateThresholds, limits: FinderThresholds, places: Places) -> dict[str, float]:
    """Shares of knees accepted, and of each family refused, by finder and gate together."""
    graded = accepted(gate, thresholds, places) & ~places.refused_by_finder(limits)
    report = {f"{family}_accepted": float(graded[places.family == family].mean()) for family in (GIVEN, COMPOSED)}
    for family in REFUSED:
        mine = places.family == family
        if mine.any():
            report[f"{family}_refused"] = float((~any_of_unit(places.where(mine), graded[mine])).mean())
    return report


def accepted(gate: Gate, limits: GateThresholds, places: Places) -> npt.NDArray[np.bool_]:
    """(places,) whether the gate lets each through; the finder's features are asked where it was."""
    # A comparison with NaN is false: what was given to the finder is not refused for its looks.
    odd = gate.looks_logit(places.features) > limits.looks
    return accepted_alone(gate, limits, places.embedding) & ~odd


def accepted_alone(gate: Gate, limits: GateThresholds, embedding: Embeddings) -> npt.NDArray[np.bool_]:
    """(places, features) -> (places,) whether the embedding alone lets each through."""
    near = gate.distance(embedding) <= limits.distance
    return np.asarray(near & (gate.framing_logit(embedding) <= limits.framing))


def any_of_unit(places: Places, graded: npt.NDArray[np.bool_]) -> npt.NDArray[np.bool_]:
    """(units,) whether any place of a unit is graded: a film is refused only where every place on it is.

    Args:
        places: of one family.
        graded: (places,).
    """
    _, unit = np.unique(places.unit, return_inverse=True)
    return np.bincount(unit, weights=graded) > 0


def _linear_rule(others: tuple[Places, Rows], knees: tuple[Places, Rows]) -> Rows:
    """Logistic regression on whitened principal components; every family weighs the same among those of its kind."""
    every = np.concatenate([others[1], knees[1]]).astype(np.float64)
    labels = np.repeat([1, 0], [len(others[1]), len(knees[1])])
    weights = np.concatenate([_weights(others[0]), _weights(knees[0])]) / 2
    mean = weights @ every
    centred = every - mean
    # The families weigh the same here, too: whitening must not depend on how many of each were drawn.
    _, directions = np.linalg.eigh((centred * weights[:, None]).T @ centred)
    directions = directions[:, ::-1][:, :RULE_COMPONENTS]
    inside = centred @ directions
    spread = np.sqrt(np.maximum(weights @ inside**2, 1e-12))
    rule = LogisticRegression(C=1e-2, max_iter=500)
    rule.fit(inside / spread, labels, sample_weight=weights * len(every))
    row = directions @ (rule.coef_[0] / spread)
    return np.append(row, rule.intercept_[0] - row @ mean).astype(np.float32)


def _looks_rule(others: Places, knees: Places) -> Rows:
    """The same on the finder's features, of the places that it named itself."""
    others, knees = (of.where(~np.isnan(of.features[:, 0])) for of in (others, knees))
    return _linear_rule((others, others.features), (knees, knees.features))


def _weights(places: Places) -> npt.NDArray[np.float64]:
    """(places,) that add up to 1, and to the same in each family."""
    families, which, counts = np.unique(places.family, return_inverse=True, return_counts=True)
    return np.asarray(1 / len(families) / counts[which])


def _thresholds(gate: Gate, knees: Places) -> GateThresholds:
    """All rules together let `ACCEPTED_SHARE` of crops through, and as much of the knees on composed films."""
    given_up = 1 - ACCEPTED_SHARE
    sets = [knees.of(family) for family in (GIVEN, COMPOSED) if (knees.family == family).any()]
    framing = max(float(np.quantile(gate.framing_logit(of.embedding), 1 - ON_FRAMING * given_up)) for of in sets)
    looks = max(float(np.quantile(gate.looks_logit(of.features), 1 - ON_LOOKS * given_up)) for of in sets)
    most = 0.0
    for of in sets:
        passed = (gate.framing_logit(of.embedding) <= framing) & (gate.looks_logit(of.features) <= looks)
        left = np.sort(gate.distance(of.embedding[passed]))
        wanted = int(np.ceil(ACCEPTED_SHARE * len(of)))
        most = max(most, float(left[min(wanted, len(left)) - 1]))
    unusual = float(np.percentile(gate.distance(knees.embedding), UNUSUAL_PERCENTILE))
    return GateThresholds(distance=most, unusual=min(unusual, most), framing=framing, looks=looks)
