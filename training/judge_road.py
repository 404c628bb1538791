"""What grading loses on the way through a film: each knee as its given crop, and composed into a film, found and cut.

    python -m kneeoa.training.judge_road RELEASE PATCHES [--plain] [--enlarged 2] --out FILE.json

Every knee of PATCHES (from `kneeoa.training.patches`) is shown once on a film of a random kind, native and whole, often
beside another of the patches. Refusals are counted and do not take a knee out of the comparison.
With `--plain` films keep the grey values of their patches: what is lost then is lost by turning, finding and cutting;
the rest is lost by exposures, which are drawn wide. A patch is resampled twice more on its way into a film than a real
knee is, and that blurs; with `--enlarged 2` films are twice as large, as real ones are, and it blurs less.
"""

from __future__ import annotations

import argparse
import json
import logging
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import numpy.typing as npt
from sklearn.metrics import cohen_kappa_score

from kneeoa.datasets.film_composer import compose_film
from kneeoa.datasets.film_drawing import draw_film, draw_later
from kneeoa.datasets.film_exposure import Exposure
from kneeoa.datasets.film_layout import draw_layout, film_size
from kneeoa.datasets.film_patch import KneePatch
from kneeoa.datasets.film_truth import ComposedFilm, FilmKind, PlacedKnee
from kneeoa.model.crop import canonical, cut_square, network_input, whole_film_square
from kneeoa.model.gate import refuse_region
from kneeoa.model.grader import KneeGrader
from kneeoa.model.localize import KneeRegion
from kneeoa.model.radiograph import FilmFacts, FloatImage, Radiograph, Side, SideSource
from kneeoa.model.side_witnesses import opposite
from kneeoa.model.sides import assign_sides
from kneeoa.training.gate_places import nearest
from kneeoa.training.patches import read_patches

SEED = 20_261_125
LONG_SIDES = {
    FilmKind.SINGLE: 760,
    FilmKind.BILATERAL: 1300,
    FilmKind.TWO_EXPOSURES: 1200,
    FilmKind.LONG_LEG: 3000,
    FilmKind.CROP: 420,
}
"""Kinds of films and sizes at which a knee keeps about the pixels of its patch, so that only the road is judged."""
_LONGEST = 4300
_WHOLE = 0.97
_TRIES = 24
_DRAWS = 1000
Grades = npt.NDArray[np.int64]
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
        tagged_well: on a film of one knee whose tag names it, whether the side is right or flagged; None elsewhere.
        mistagged_well: the same where the tag names the other side.
    """

    truth: int
    given: int
    given_refused: bool
    found: int | None
    refused: bool
    side_right: bool
    side_clear: bool
    tagged_well: bool | None = None
    mistagged_well: bool | None = None


def judge_road(
    grader: KneeGrader, patches: Sequence[KneePatch], plain: bool = False, enlarged: float = 1.0, seed: int = SEED
) -> list[KneeOnRoad]:
    """Shows every knee once, and grades it both ways.

    Args:
        grader: with the release to judge.
        patches: knees that it never saw.
        plain: keep the patches' grey values.
        enlarged: how much larger the films are than at which a knee keeps the pixels of its patch.
        seed: of the films.
    """
    rng = np.random.default_rng(seed)
    knees = []
    for patch in patches:
        film, placed = _shown(patch, patches, rng, plain, enlarged)
        given = network_input(canonical(cut_square(patch.pixels, whole_film_square(*patch.pixels.shape)), patch.side))
        grade, refused = _graded(grader, given)
        regions = grader.find(Radiograph(film.pixels, FilmFacts("composed")))
        region = nearest(placed, regions)
        if region is None:
            knees.append(KneeOnRoad(patch.kl or 0, grade, refused, None, True, False, False))
            continue
        right = placed.looks_like is Side.RIGHT
        shown = Side.RIGHT if region.right >= 0.5 else Side.LEFT
        crop = network_input(canonical(cut_square(film.pixels, region.square), shown))
        found, unlike = _graded(grader, crop, region)
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
                tagged_well=_right_or_flagged(film, regions, placed.side, limits.side),
                mistagged_well=_right_or_flagged(film, regions, opposite(placed.side), limits.side),
            )
        )
    return knees


def road_report(knees: Sequence[KneeOnRoad]) -> dict[str, float | int]:
    """Shares, and quadratic weighted kappas of the knees that were found."""
    found = [knee for knee in knees if knee.found is not None]
    truth = [knee.truth for knee in found]
    given, cut = ([getattr(knee, name) for knee in found] for name in ("given", "found"))
    kappas = [float(cohen_kappa_score(truth, said, weights="quadratic")) for said in (given, cut)]
    low, high = np.percentile(_drawn_losses(np.array(truth), np.array(given), np.array(cut)), (2.5, 97.5))
    return {
        "knees": len(knees),
        "found": len(found) / len(knees),
        "quadratic_weighted_kappa_given": kappas[0],
        "quadratic_weighted_kappa_found": kappas[1],
        "quadratic_weighted_kappa_lost": kappas[0] - kappas[1],
        "quadratic_weighted_kappa_lost_low": float(low),
        "quadratic_weighted_kappa_lost_high": float(high),
        "same_grade": float(np.mean(np.array(given) == np.array(cut))),
        "given_accepted": float(np.mean([not knee.given_refused for knee in knees])),
        "found_accepted": float(np.mean([not knee.refused for knee in knees])),
        "side_right": float(np.mean([knee.side_right for knee in found])),
        "side_clear": float(np.mean([knee.side_clear for knee in found])),
        "tag_right_or_flagged": _share([knee.tagged_well for knee in found]),
        "wrong_tag_flagged": _share([knee.mistagged_well for knee in found]),
        "side_clearly_wrong": float(np.mean([knee.side_clear and not knee.side_right for knee in found])),
    }


def _drawn_losses(truth: Grades, given: Grades, cut: Grades) -> npt.NDArray[np.float64]:
    """What is lost in draws of as many knees with replacement."""
    rng = np.random.default_rng(0)
    lost = []
    for _ in range(_DRAWS):
        some = rng.integers(0, len(truth), len(truth))
        one, other = (cohen_kappa_score(truth[some], said[some], weights="quadratic") for said in (given, cut))
        lost.append(one - other)
    return np.array(lost)


def _share(answers: Sequence[bool | None]) -> float:
    return float(np.mean([answer for answer in answers if answer is not None]))


def _shown(
    patch: KneePatch, others: Sequence[KneePatch], rng: np.random.Generator, plain: bool, enlarged: float
) -> tuple[ComposedFilm, PlacedKnee]:
    """A film with the knee whole on it; the last of a few tries where none is quite whole."""
    kinds = list(LONG_SIDES)
    best: tuple[ComposedFilm, PlacedKnee] | None = None
    for _ in range(_TRIES):
        kind = kinds[int(rng.integers(len(kinds)))]
        partner = others[int(rng.integers(len(others)))]
        # The shown knee alone has its side, so that it is surely taken.
        pair = [patch] if partner.side is patch.side else [patch, partner]
        long_side = min(int(LONG_SIDES[kind] * enlarged), _LONGEST)
        film = draw_later((_plain if plain else draw_film)(kind, pair, long_side, rng, 0.0), rng)
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


def _plain(
    kind: FilmKind, pair: Sequence[KneePatch], long_side: int, rng: np.random.Generator, implants: float
) -> ComposedFilm:
    kind = FilmKind.BILATERAL if kind is FilmKind.TWO_EXPOSURES else kind
    layout = draw_layout(kind, film_size(kind, long_side, rng), rng, implants)
    layout = replace(layout, exposure=Exposure(gamma=1.0, noise=0.0, blur_px=0.0))
    of_side = {knee.side: knee for knee in pair}
    return compose_film(layout, [of_side.get(side) or pair[0].as_side(side) for side, _ in layout.knees], rng)


def _right_or_flagged(film: ComposedFilm, regions: Sequence[KneeRegion], tag: Side, clear: float) -> bool | None:
    """Whether the side of a film's one knee is right or flagged under a tag; None where there are more."""
    if len(film.knees) != 1 or len(regions) != 1:
        return None
    tagged = Radiograph(film.pixels, FilmFacts("composed"), side=tag, side_source=SideSource.TAG)
    reading = assign_sides(tagged, regions, clear)[0]
    return reading.side is film.knees[0].side or bool(reading.flags)


def _graded(grader: KneeGrader, crop: FloatImage, region: KneeRegion | None = None) -> tuple[int, bool]:
    """Grade of one network input, and whether the gate refuses it; with the region where it was found."""
    _, grades = grader.judge(crop[None])
    features = None if region is None else region.features[None]
    return int(grades[0]), not bool(grader.accepts(grader.score(crop[None]).embedding, features)[0])


def main() -> None:
    """Judges from the command line."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("release")
    parser.add_argument("patches", type=Path)
    parser.add_argument("--plain", action="store_true", help="keep the grey values of the patches")
    parser.add_argument("--enlarged", type=float, default=1.0, help="make the films so many times larger")
    parser.add_argument("--every", type=int, default=1, help="take every n-th knee")
    parser.add_argument("--out", type=Path, required=True)
    asked = parser.parse_args()
    patches = read_patches(asked.patches)[:: asked.every]
    report = road_report(judge_road(KneeGrader.load(asked.release), patches, asked.plain, asked.enlarged))
    asked.out.write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    logger.info("%s", json.dumps(report, indent=1))


if __name__ == "__main__":
    main()
