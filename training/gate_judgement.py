"""Judges a gate family by family: shares refused with their intervals, as released and with families left out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import numpy.typing as npt
from scipy.stats import binomtest

from kneeoa.model.release import FinderThresholds
from kneeoa.training.fit_gate import Density, FittedGate, accepted, accepted_alone, any_of_unit, fit_density, fit_gate
from kneeoa.training.gate_films import FILMS, REFUSED
from kneeoa.training.gate_places import Places
from kneeoa.training.gate_pydicom import PYDICOM
from kneeoa.training.gate_sampling import ACCEPTED, COMPOSED, GIVEN


@dataclass(frozen=True, slots=True)
class Share:
    """A share with its Wilson interval.

    Attributes:
        share: of `n`.
        low: of the 95 % interval.
        high: likewise.
        n: how many there were.
    """

    share: float
    low: float
    high: float
    n: int

    @classmethod
    def of(cls, which: npt.NDArray[np.bool_]) -> Share:
        """Of (n,) outcomes, at least one."""
        n, k = len(which), int(which.sum())
        interval = binomtest(k, n).proportion_ci(method="wilson")
        return cls(k / n, float(interval.low), float(interval.high), n)


@dataclass(frozen=True, slots=True)
class FamilyRow:
    """One family. A film is refused where no place on it is graded.

    Attributes:
        family: its name.
        group: families that resemble it.
        says: what it is.
        asked: "film" for the whole road, "crop" where the finder would not give such a square and the embedding alone
            is asked.
        refused: by the release.
        refused_without: by the finder, and a gate that was fitted without this family.
        refused_without_group: likewise without its whole group.
        embedding_alone: by the release's gate, at the finder's surest place, whatever the finder said of it.
        embedding_alone_without: likewise by the gate that was fitted without this family.
        embedding_alone_without_group: likewise without its whole group.
    """

    family: str
    group: str
    says: str
    asked: str
    refused: Share
    refused_without: Share
    refused_without_group: Share
    embedding_alone: Share
    embedding_alone_without: Share
    embedding_alone_without_group: Share


_BUNDLED = (PYDICOM, "real objects", "pydicom's test objects, bare pixels", "film")
MEASURES = tuple(column.name for column in fields(FamilyRow))[4:]
"""The shares of a row, in their order."""


@dataclass(frozen=True, slots=True, eq=False)
class Evidence:
    """What was drawn, and by what it is judged.

    Attributes:
        fit: places that the gate is fitted on.
        held: places that set its thresholds.
        judged: places that judge.
        limits: the release's finder's.
    """

    fit: Places
    held: Places
    judged: Places
    limits: FinderThresholds


def family_rows(release: FittedGate, evidence: Evidence) -> list[FamilyRow]:
    """One row a family that was drawn, in the order of `gate_films.REFUSED`, pydicom's last."""
    density = fit_density(evidence.fit.of(*ACCEPTED).embedding)
    groups = {family.group for family in REFUSED.values()}
    by_group = {group: _without(evidence, _members(group), density) for group in sorted(groups)}
    rows = []
    for name, family in REFUSED.items():
        mine = evidence.judged.of(name)
        if len(mine):
            alone = _without(evidence, (name,), density)
            gates = (release, alone, by_group[family.group])
            asked = "film" if name in FILMS else "crop"
            rows.append(_row((name, family.group, family.says, asked), mine, gates, evidence.limits))
    bundled = evidence.judged.of(PYDICOM)
    if len(bundled):
        # No gate is fitted on them: none has to be left out.
        rows.append(_row(_BUNDLED, bundled, (release, release, release), evidence.limits))
    return rows


def _members(group: str) -> tuple[str, ...]:
    return tuple(name for name, family in REFUSED.items() if family.group == group)


def _without(evidence: Evidence, families: Sequence[str], density: Density) -> FittedGate:
    return fit_gate(evidence.fit, evidence.held, evidence.limits, families, density)


def _row(
    names: tuple[str, str, str, str],
    places: Places,
    gates: tuple[FittedGate, FittedGate, FittedGate],
    limits: FinderThresholds,
) -> FamilyRow:
    road = [_refused(places, gate, limits) for gate in gates]
    alone = [_refused_alone(places, gate) for gate in gates]
    return FamilyRow(*names, *road, *alone)


def _refused(places: Places, gate: FittedGate, limits: FinderThresholds) -> Share:
    graded = accepted(gate.gate, gate.thresholds, places) & ~places.refused_by_finder(limits)
    return Share.of(~any_of_unit(places, graded))


def _refused_alone(places: Places, gate: FittedGate) -> Share:
    surest = places.where(places.surest)
    return Share.of(~accepted_alone(gate.gate, gate.thresholds, surest.embedding))


def accepted_knees(release: FittedGate, places: Places, limits: FinderThresholds) -> dict[str, Share]:
    """Knees that are graded: crops taken as films, and knees on composed films; of both, what each part costs."""
    found: dict[str, Share] = {}
    for family in (GIVEN, COMPOSED):
        mine = places.of(family)
        by_finder = mine.refused_by_finder(limits)
        by_gate = ~accepted(release.gate, release.thresholds, mine)
        found[f"{family}_accepted"] = Share.of(~by_finder & ~by_gate)
        found[f"{family}_unsure"] = Share.of(mine.confidence < limits.confidence)
        found[f"{family}_taken_for_implant"] = Share.of(mine.implant >= limits.implant)
        found[f"{family}_taken_for_cut"] = Share.of(mine.seen_share < limits.seen_share)
        found[f"{family}_unlike"] = Share.of(by_gate)
    return found
