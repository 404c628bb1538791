"""From which confidence on a place is a knee, and from what on it bears metal: fitted on composed `held` films."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from pydantic import JsonValue

from kneeoa.model.film_views import VIEWS_VERSION
from kneeoa.model.release import FinderThresholds
from kneeoa.training.gate_places import Places
from kneeoa.training.gate_sampling import COMPOSED, FALSE, GIVEN, METAL, PARTLY

SEEN_SHARE = 0.95
"""Of the joint, margins included, on the film. Of crops as published one in seventy was cut at 0.97, and one in two
hundred at 0.95; cut knees lie far below."""
SIDE = 0.9
_FALSE_FILMS = 0.006
"""Share of films that may show a false knee."""
_MISSED = 0.004
_TAKEN_FOR_IMPLANTED = 0.006
_TAKEN_FOR_METAL = 0.02
"""Shares of native knees on composed films; nearly none on given crops. A native knee that is refused can be graded by
hand; an implant that is graded has a false grade. Composed natives that look like metal lie under markers and frames,
which compositions have more of than films."""
_CONFIDENCE = (0.35, 0.75)
_IMPLANT = (0.1, 0.9)
_METAL = (0.1, 0.95)


def fit_finder_thresholds(held: Places, films: int, metal_network: bool = False) -> FinderThresholds:
    """Thresholds of a finder on films composed from `held`.

    Args:
        held: places with the families of composed films.
        films: how many films there were.
        metal_network: whether there is a network that looks for metal.
    """
    knees = held.of(COMPOSED)
    lost = float(np.quantile(knees.confidence, _MISSED))
    false = float(np.quantile(highest_false(held, films), 1 - _FALSE_FILMS)) + 1e-3
    # The lowest that keeps false knees rare, not the highest that keeps all of these: films in use are farther from
    # composed ones, and a false knee still meets the gate, but a knee that was not found is lost.
    confidence = false if false <= lost else (false + lost) / 2
    # The lowest that few native knees reach. Metal far from the joint is seen least surely.
    native = float(np.quantile(knees.implant[knees.confidence > 0], 1 - _TAKEN_FOR_IMPLANTED)) + 1e-3
    return FinderThresholds(
        views=VIEWS_VERSION,
        confidence=float(np.clip(confidence, *_CONFIDENCE)),
        implant=float(np.clip(native, *_IMPLANT)),
        seen_share=SEEN_SHARE,
        side=SIDE,
        metal=_metal_threshold(held) if metal_network else None,
    )


def _metal_threshold(held: Places) -> float:
    """The lowest that few native knees reach, on films as on given crops."""
    sets = [of for of in (held.of(COMPOSED), held.of(GIVEN)) if len(of)]
    return float(np.clip(max(np.quantile(of.metal, 1 - _TAKEN_FOR_METAL) for of in sets) + 1e-3, *_METAL))


def highest_false(held: Places, films: int) -> npt.NDArray[np.float64]:
    """(films,) the highest confidence of a false knee on each film, 0 where there is none.

    Args:
        held: places with the families of composed films.
        films: how many films there were.
    """
    false = held.of(FALSE)
    highest = np.zeros(films)
    np.maximum.at(highest, false.unit // 10, false.confidence)
    return highest


def finder_report(held: Places, films: int, limits: FinderThresholds) -> dict[str, JsonValue]:
    """What a finder does on composed films with its thresholds.

    Args:
        held: places with the families of composed films.
        films: how many films there were.
        limits: of the finder.
    """
    knees, metal = held.of(COMPOSED), held.of(METAL)
    found = knees.confidence >= limits.confidence
    seen = metal.confidence >= limits.confidence
    shown = np.zeros(len(metal), dtype=bool) if limits.metal is None else metal.metal >= limits.metal
    taken = np.zeros(len(knees), dtype=bool) if limits.metal is None else knees.metal >= limits.metal
    return {
        "films": films,
        "native_knees": len(knees),
        "found": _share(found),
        "found_though_cut_a_little": _share(held.of(PARTLY).confidence >= limits.confidence),
        "films_without_false_knee": _share(highest_false(held, films) < limits.confidence),
        "natives_called_implant": _share((knees.implant[found] >= limits.implant) | taken[found]),
        "implanted_knees": len(metal),
        "implants_found": _share(seen),
        "implants_called_native": _share((metal.implant[seen] < limits.implant) & ~shown[seen]),
        "side_right": _share(knees.side[found] > 0.5),
        "side_clear": _share(knees.side[found] >= limits.side),
        "side_clearly_wrong": _share(knees.side[found] <= 1 - limits.side),
    }


def _share(values: npt.NDArray[np.bool_]) -> float | None:
    return float(values.mean()) if values.size else None
