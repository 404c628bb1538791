"""What grading loses on the way through a film: each knee as its given crop, and composed into a film, found and cut.

    python -m kneeoa.training.judge_road RELEASE PATCHES --out FILE.json

Every knee of PATCHES (from `kneeoa.training.patches`) is shown once on a film of a random kind, native and whole, often
beside another of the patches. Refusals are counted and do not take a knee out of the comparison.
"""

from __future__ import annotations

import argparse
import json
import logging
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from sklearn.metrics import cohen_kappa_score

from kneeoa.datasets.film_drawing import draw_film, draw_later
from kneeoa.datasets.film_patch import KneePatch
from kneeoa.datasets.film_truth import ComposedFilm, FilmKind, PlacedKnee
from kneeoa.model.crop import canonical, cut_square, network_input, whole_film_square
from kneeoa.model.gate import refuse_region
from kneeoa.model.grader import KneeGrader
from kneeoa.model.localize import KneeRegion
from kneeoa.model.radiograph import FilmFacts, FloatImage, Radiograph, Side
from kneeoa.training.judge_finder import FOUND_WITHIN
from kneeoa.training.patches import read_patches

SEED = 20_261_125
LONG_SIDES = {
    FilmKind.SINGLE: 620,
    FilmKind.BILATERAL: 1100,
    FilmKind.TWO_EXPOSURES: 1100,
    FilmKind.LONG_LEG: 3000,
    FilmKind.CROP: 420,
}
"""Kinds of films and sizes at which a knee keeps about the pixels of its patch, so that only the road is judged."""
_WHOLE = 0.97
_TRIES = 6
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class KneeOnRoad:
    """One knee both ways.

    Attributes:
        truth: KL grade.
        given: grade of its given crop; `given_refused`: whether the gate would refuse that crop.
        found: grade of what was cut from the film, None where no knee was found.
        refused: whether the film's knee would be refused.
        side_right: whether the picture alone tells its side as the film shows it.
        side_clear: whether it tells it clearly.
    """

    truth: int
    given: int
    given_refused: bool
    found: int | None
    refused: bool
    side_right: bool
    side_clear: bool


def judge_road(grader: KneeGrader, patches: Sequence[KneePatch], seed: int = SEED) -> list[KneeOnRoad]:
    """Shows every knee once, and grades it both ways."""
    rng = np.random.default_rng(seed)
    knees = []
    for patch in patches:
        film, placed = _shown(patch, patches, rng)
        given = network_input(canonical(cut_square(patch.pixels, whole_film_square(*patch.pixels.shape)), patch.side))
        grade, refused = _graded(grader, given)
        region = _nearest(placed, grader.find(Radiograph(film.pixels, FilmFacts("composed"))))
        if region is None:
            knees.append(KneeOnRoad(patch.kl or 0, grade, refused, None, True, False, False))
            continue
        right = placed.looks_like is Side.RIGHT
        shown = Side.RIGHT if region.right >= 0.5 else Side.LEFT
        crop = network_input(canonical(cut_square(film.pixels, region.square), shown))
        found, unlike = _graded(grader, crop)
        limits = grader.release.manifest.finder
        knees.append(
            KneeOnRoad(
                truth=patch.kl or 0,
                given=grade,
                given_refused=refused,
                found=found,
                refused=unlike or refuse_region(region, film.pixels.shape, limits) is not None,
                side_right=(shown is Side.RIGHT) == right,
                side_clear=max(region.right, 1 - region.right) >= limits.side,
            )
        )
    return knees


def road_report(knees: Sequence[KneeOnRoad]) -> dict[str, float | int]:
    """Shares, and quadratic weighted kappas of the knees that were found."""
    found = [knee for knee in knees if knee.found is not None]
    truth = [knee.truth for knee in found]
    given, cut = ([getattr(knee, name) for knee in found] for name in ("given", "found"))
    kappas = [float(cohen_kappa_score(truth, said, weights="quadratic")) for said in (given, cut)]
    return {
        "knees": len(knees),
        "found": len(found) / len(knees),
        "quadratic_weighted_kappa_given": kappas[0],
        "quadratic_weighted_kappa_found": kappas[1],
        "quadratic_weighted_kappa_lost": kappas[0] - kappas[1],
        "same_grade": float(np.mean(np.array(given) == np.array(cut))),
        "given_accepted": float(np.mean([not knee.given_refused for knee in knees])),
        "found_accepted": float(np.mean([not knee.refused for knee in knees])),
        "side_right": float(np.mean([knee.side_right for knee in found])),
        "side_clear": float(np.mean([knee.side_clear for knee in found])),
        "side_clearly_wrong": float(np.mean([knee.side_clear and not knee.side_right for knee in found])),
    }


def _shown(patch: KneePatch, others: Sequence[KneePatch], rng: np.random.Generator) -> tuple[ComposedFilm, PlacedKnee]:
    """A film with the knee whole on it; the last of a few tries where none is quite whole."""
    kinds = list(LONG_SIDES)
    best: tuple[ComposedFilm, PlacedKnee] | None = None
    for _ in range(_TRIES):
        kind = kinds[int(rng.integers(len(kinds)))]
        partner = others[int(rng.integers(len(others)))]
        # The shown knee alone has its side, so that it is surely taken.
        pair = [patch] if partner.side is patch.side else [patch, partner]
        film = draw_later(draw_film(kind, pair, LONG_SIDES[kind], rng, 0.0), rng)
        mine = [knee for knee in film.knees if knee.patch.pixels is patch.pixels]
        if not mine:
            continue
        best = film, mine[0]
        if mine[0].visible_fraction >= _WHOLE:
            break
    if best is None:
        msg = "No film shows the knee."
        raise RuntimeError(msg)
    return best


def _nearest(knee: PlacedKnee, regions: Sequence[KneeRegion]) -> KneeRegion | None:
    reach = FOUND_WITHIN * knee.plateau_width_px
    near = [region for region in regions if math.dist(region.centre, knee.centre) < reach]
    return min(near, key=lambda region: math.dist(region.centre, knee.centre), default=None)


def _graded(grader: KneeGrader, crop: FloatImage) -> tuple[int, bool]:
    """Grade of one network input, and whether the gate refuses it."""
    _, grades = grader.judge(crop[None])
    return int(grades[0]), not bool(grader.accepts(grader.score(crop[None]).embedding)[0])


def main() -> None:
    """Judges from the command line."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("release")
    parser.add_argument("patches", type=Path)
    parser.add_argument("--every", type=int, default=1, help="take every n-th knee")
    parser.add_argument("--out", type=Path, required=True)
    asked = parser.parse_args()
    patches = read_patches(asked.patches)[:: asked.every]
    report = road_report(judge_road(KneeGrader.load(asked.release), patches))
    asked.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    logger.info("%s", json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
