"""Judges the finder on films composed from knees that it never saw.

    python -m kneeoa.training.judge_finder FINDER.onnx PATCHES --films 1000 --out FILE.json

A knee is found where a region's centre lies within .35 plateau widths of it; a false knee is a region at a place
without one. Knees of which less than 62 % is on the film are neither asked for nor counted against the finder.
"""

from __future__ import annotations

import argparse
import json
import logging
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from kneeoa.datasets.film_drawing import draw_film, draw_later
from kneeoa.datasets.film_patch import KneePatch
from kneeoa.datasets.film_truth import ComposedFilm, FilmKind, PlacedKnee
from kneeoa.model.finder import FinderSession
from kneeoa.model.localize import KneeRegion, find_knees
from kneeoa.model.radiograph import Side
from kneeoa.training.finder_samples import GONE, SEEN
from kneeoa.training.gate_places import NEAR_CUT, nearest
from kneeoa.training.patches import read_patches

SEED = 20_261_124
JUDGED = {
    FilmKind.SINGLE: 18,
    FilmKind.BILATERAL: 26,
    FilmKind.TWO_EXPOSURES: 8,
    FilmKind.OTHER_LEG_CUT: 8,
    FilmKind.LONG_LEG: 14,
    FilmKind.STRIP: 4,
    FilmKind.CROP: 6,
    FilmKind.CUT_BY_EDGE: 4,
}
"""How often each kind with knees is judged."""
logger = logging.getLogger(__name__)


@dataclass
class Tally:
    """What happened on films of one kind."""

    films: int = 0
    films_with_false: int = 0
    knees: int = 0
    found: int = 0
    within_8_percent: int = 0
    centre_errors: list[float] = field(default_factory=list)
    width_errors: list[float] = field(default_factory=list)
    angle_errors: list[float] = field(default_factory=list)
    sides_right: int = 0
    implants: int = 0
    implants_found: int = 0
    implants_called_native: int = 0
    natives_called_implant: int = 0
    confidences: list[tuple[float, bool]] = field(default_factory=list)

    def to_json(self) -> dict[str, float | int | None]:
        """Shares and percentiles."""

        def share(part: int, whole: int) -> float | None:
            return part / whole if whole else None

        def percentile(values: list[float], q: float) -> float | None:
            return float(np.percentile(values, q)) if values else None

        natives = self.knees - self.implants
        return {
            "films": self.films,
            "films_without_false_knee": share(self.films - self.films_with_false, self.films),
            "knees": self.knees,
            "found": share(self.found, self.knees),
            "within_8_percent": share(self.within_8_percent, self.knees),
            "centre_error_median": percentile(self.centre_errors, 50),
            "centre_error_95": percentile(self.centre_errors, 95),
            "width_error_median": percentile([abs(e) for e in self.width_errors], 50),
            "width_error_95": percentile([abs(e) for e in self.width_errors], 95),
            "width_bias": float(np.mean(self.width_errors)) if self.width_errors else None,
            "angle_error_95": percentile(self.angle_errors, 95),
            "side_right": share(self.sides_right, self.found),
            "implants": self.implants,
            "implants_found": share(self.implants_found, self.implants),
            "implants_called_native": share(self.implants_called_native, self.implants),
            "natives_called_implant": share(self.natives_called_implant, natives),
        }


def judge(film: ComposedFilm, regions: Sequence[KneeRegion], tally: Tally) -> None:
    """Compares what was found on a film with its truth."""
    tally.films += 1
    asked = [knee for knee in film.knees if knee.visible_fraction >= SEEN]
    near: set[int] = set()
    for knee in asked:
        tally.knees += 1
        tally.implants += knee.implant is not None
        region = nearest(knee, regions)
        if region is None:
            continue
        near.add(id(region))
        _note(knee, region, tally)
    half = [knee for knee in film.knees if GONE <= knee.visible_fraction < SEEN]
    true = [id(r) in near or any(nearest(knee, [r], NEAR_CUT) for knee in half) for r in regions]
    tally.films_with_false += not all(true)
    tally.confidences += [(region.confidence, is_true) for region, is_true in zip(regions, true, strict=True)]


def _note(knee: PlacedKnee, region: KneeRegion, tally: Tally) -> None:
    error = math.dist(knee.centre, region.centre) / knee.plateau_width_px
    tally.found += 1
    tally.within_8_percent += error < 0.08
    tally.centre_errors.append(error)
    if knee.implant is None:
        tally.width_errors.append(region.plateau_width_px / knee.plateau_width_px - 1)
        tally.natives_called_implant += region.implant >= 0.5
        tally.angle_errors.append(abs(math.remainder(region.angle_degrees - knee.angle_degrees, 360)))
    else:
        tally.implants_found += 1
        tally.implants_called_native += region.implant < 0.5
    tally.sides_right += (region.right >= 0.5) == (knee.looks_like is Side.RIGHT)


def draw_judged(i: int, patches: Sequence[KneePatch], rng: np.random.Generator) -> ComposedFilm:
    """The i-th film to judge on: each sixth is without a frontal knee, in turn of every kind; long legs are large."""
    kinds = list(JUDGED)
    weights = np.array(list(JUDGED.values()), dtype=float)
    others = [kind for kind in FilmKind if not kind.has_knee]
    drawn = kinds[int(rng.choice(len(kinds), p=weights / weights.sum()))]
    kind = others[i // 6 % len(others)] if i % 6 == 5 else drawn
    some = [patches[k] for k in rng.integers(0, len(patches), 8)]
    long_side = int(rng.integers(1400, 2200)) if kind is FilmKind.LONG_LEG else int(rng.integers(500, 1200))
    if kind is FilmKind.CROP:
        long_side = int(rng.integers(224, 600))
    return draw_later(draw_film(kind, some, long_side, rng, 0.1), rng)


def composed(patches: Sequence[KneePatch], films: int, seed: int = SEED) -> Iterator[ComposedFilm]:
    """Films to judge on."""
    rng = np.random.default_rng(seed)
    for i in range(films):
        yield draw_judged(i, patches, rng)


def judge_finder(
    network: bytes, patches: Sequence[KneePatch], films: int, threshold: float, seed: int = SEED
) -> dict[str, Tally]:
    """Tallies by kind of film, and of all with (`all`) and without (`no_knee`) knees.

    Args:
        network: the finder's ONNX bytes.
        patches: knees that it never saw.
        films: how many are composed.
        threshold: regions of a lower confidence do not count.
        seed: of the films.
    """
    finder = FinderSession(network)
    tallies: dict[str, Tally] = {}
    for film in composed(patches, films, seed):
        regions = [region for region in find_knees(film.pixels, finder) if region.confidence >= threshold]
        for name in (film.kind.value, "all" if film.knees else "no_knee"):
            judge(film, regions, tallies.setdefault(name, Tally()))
    return tallies


def main() -> None:
    """Judges from the command line."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("network", type=Path)
    parser.add_argument("patches", type=Path)
    parser.add_argument("--films", type=int, default=1000)
    parser.add_argument("--threshold", type=float, default=0.5)
    parser.add_argument("--out", type=Path, required=True)
    asked = parser.parse_args()
    tallies = judge_finder(asked.network.read_bytes(), read_patches(asked.patches), asked.films, asked.threshold)
    found = {name: tally.to_json() for name, tally in sorted(tallies.items())}
    asked.out.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    logger.info("%s", json.dumps({name: found[name] for name in ("all", "no_knee") if name in found}, indent=1))


if __name__ == "__main__":
    main()
