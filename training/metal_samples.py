"""What the metal network learns from: squares of knees with drawn metal, with markers, and with neither."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from PIL import Image
from torch.utils.data import IterableDataset, get_worker_info

from kneeoa.datasets.film_composer import compose_film
from kneeoa.datasets.film_drawing import draw_film, draw_later
from kneeoa.datasets.film_implants import Implant
from kneeoa.datasets.film_layout import draw_layout, film_size
from kneeoa.datasets.film_limb import metal_on
from kneeoa.datasets.film_marks import lead_letter, stamp
from kneeoa.datasets.film_patch import KneePatch
from kneeoa.datasets.film_texture import blurred
from kneeoa.datasets.film_truth import ComposedFilm, FilmKind, PlacedKnee
from kneeoa.model.crop import SQUARE, Square, cut_square
from kneeoa.model.metal import ALONG, LEAST_ON_FILM, metal_input, moved_along, share_on_film
from kneeoa.model.radiograph import FloatImage
from kneeoa.training.gate_places import region_of
from kneeoa.training.metal_network import CELL_PX

CELLS = SQUARE // CELL_PX
_KINDS = (
    FilmKind.SINGLE,
    FilmKind.SINGLE,
    FilmKind.BILATERAL,
    FilmKind.BILATERAL,
    FilmKind.OTHER_LEG_CUT,
    FilmKind.CROP,
    FilmKind.STRIP,
    FilmKind.LONG_LEG,
    FilmKind.TWO_EXPOSURES,
)
_ON_CROP = 0.3
"""Share of samples drawn on a crop rather than on a film."""
_ALONG = 0.6
"""Share of a film's knees at which the square is moved up or down the leg, as `metal.squares_at` does."""
_IMPLANTED = 0.35
"""Share of a film's knees with metal."""
_METAL = 0.5
_COVERED, _TOUCHED = 0.22, 0.02
"""A cell that metal covers by so much shows it; one that it covers by less than the other does not."""
_LEAST_CELLS = 3
_SEEN = 0.05
"""Of a square's whole range, the least by which metal must change a cell to be asked about: where bone is as white as
metal nobody sees it."""
_SHARES = {Implant.SCREWS: 3.0, Implant.STAPLES: 2.0, Implant.WIRES: 3.0, Implant.PLATE: 2.0}
"""How often each is drawn; once where nothing is said. Large metal is learnt from fewer."""


@dataclass(frozen=True, slots=True, eq=False)
class MetalSample:
    """A square and what it shows.

    Attributes:
        view: (288, 288) float32 from `metal.metal_input`.
        cells: (36, 36) float32: 1 metal, 0 none, -1 not asked.
        metal: whether the square shows metal.
        along: whether it lies above or below the joint, where only the middle is asked about.
    """

    view: FloatImage
    cells: npt.NDArray[np.float32]
    metal: bool
    along: bool = False


class MetalSamples(IterableDataset[MetalSample]):
    """Samples without end.

    Args:
        patches: framed knees without metal.
        seed: of the stream; workers take disjoint streams.
    """

    def __init__(self, patches: Sequence[KneePatch], seed: int) -> None:
        self.patches = patches
        self.seed = seed

    def __iter__(self) -> Iterator[MetalSample]:
        """Draws samples, one after another."""
        worker = get_worker_info()
        rng = np.random.default_rng([self.seed, 17, 0 if worker is None else worker.id])
        while True:
            if rng.random() < _ON_CROP:
                yield on_crop(self.patches[int(rng.integers(len(self.patches)))], rng)
            else:
                some = [self.patches[int(i)] for i in rng.integers(0, len(self.patches), 4)]
                yield from on_film(some, rng)


def on_crop(patch: KneePatch, rng: np.random.Generator) -> MetalSample:
    """A framed knee, a little off, with metal or without."""
    cover, bare = np.zeros_like(patch.pixels), patch.pixels
    if rng.random() < _METAL:
        drawn = metal_on(patch, _some_metal(rng), rng)
        patch, cover, bare = drawn.patch, drawn.cover, drawn.bare
    n = patch.pixels.shape[0]
    row, column = (n - 1) / 2 + rng.normal(0, 0.04, 2) * n
    square = Square(float(row), float(column), n * float(rng.uniform(0.9, 1.12)), float(rng.normal(0, 5)))
    shown = _by_cell(cut_square(cover, square))
    cells = np.where(shown > _COVERED, 1.0, np.where(shown < _TOUCHED, 0.0, -1.0)).astype(np.float32)
    # The same chance for both: what differs between them is metal.
    again = copy.deepcopy(rng)
    without = _disturbed(_marked(cut_square(bare, square), cells.copy(), again), again)
    pixels = _disturbed(_marked(cut_square(patch.pixels, square), cells, rng), rng)
    # A cell is covered in part: what metal changes is told by its mean over what is covered.
    changed = _by_cell(np.abs(pixels - without)) / np.maximum(shown, _COVERED)
    cells[(cells == 1) & (changed < _SEEN)] = -1.0
    metal = int((cells == 1).sum()) >= _LEAST_CELLS
    if not metal:
        # Too little to be asked about: neither a knee with metal nor one without.
        cells[cells == 1] = -1.0
    return _mirrored(MetalSample(metal_input(pixels), cells, metal), rng)


def _some_metal(rng: np.random.Generator) -> Implant:
    kinds = tuple(Implant)
    shares = np.array([_SHARES.get(kind, 1.0) for kind in kinds])
    return kinds[int(rng.choice(len(kinds), p=shares / shares.sum()))]


def _by_cell(square: FloatImage) -> FloatImage:
    """(288, 288) -> (36, 36) means."""
    return np.asarray(square.reshape(CELLS, CELL_PX, CELLS, CELL_PX).mean(axis=(1, 3)), dtype=np.float32)


def on_film(patches: Sequence[KneePatch], rng: np.random.Generator) -> list[MetalSample]:
    """The knees of a composed film, each at its joint or a little above or below."""
    kind = _KINDS[int(rng.integers(len(_KINDS)))]
    shortest, longest = (1000, 1700) if kind is FilmKind.LONG_LEG else (450, 1400)
    long_side = int(np.exp(rng.uniform(np.log(shortest), np.log(longest))))
    film = draw_later(_with_metal(kind, long_side, patches, rng), rng)
    return [sample for knee in film.knees if (sample := _at(film, knee, rng)) is not None]


def _with_metal(kind: FilmKind, long_side: int, patches: Sequence[KneePatch], rng: np.random.Generator) -> ComposedFilm:
    if kind is FilmKind.TWO_EXPOSURES:
        return draw_film(kind, patches, long_side, rng, _IMPLANTED)
    layout = draw_layout(kind, film_size(kind, long_side, rng), rng, 0.0)
    knees = tuple(
        (side, replace(pose, implant=_some_metal(rng) if rng.random() < _IMPLANTED else None))
        for side, pose in layout.knees
    )
    some = [patches[int(i)] for i in rng.integers(0, len(patches), len(knees))]
    return compose_film(replace(layout, knees=knees), some, rng)


def _at(film: ComposedFilm, knee: PlacedKnee, rng: np.random.Generator) -> MetalSample | None:
    if knee.visible_fraction < 0.8:
        return None
    place = region_of(knee).square
    along = rng.random() < _ALONG
    if along:
        place = moved_along(place, float(rng.choice([-1.0, 1.0])) * float(rng.normal(ALONG, 0.08)))
    off = rng.normal(0, 0.03, 2) * place.size
    size, turn = place.size * float(rng.uniform(0.93, 1.08)), place.angle_degrees + float(rng.normal(0, 3))
    place = Square(place.centre_row + off[0], place.centre_column + off[1], size, turn)
    if share_on_film(place, (film.pixels.shape[0], film.pixels.shape[1])) < LEAST_ON_FILM:
        return None
    square = cut_square(film.pixels, place)
    cells = np.zeros((CELLS, CELLS), dtype=np.float32)
    if film.metal is not None:
        shown = _by_cell(cut_square(film.metal, place))
        cells = np.where(shown > _COVERED, 1.0, np.where(shown < _TOUCHED, 0.0, -1.0)).astype(np.float32)
    shows = int((cells == 1).sum())
    if 0 < shows < _LEAST_CELLS or (shows == 0 and (cells < 0).any()):
        # Too little to be asked about.
        return None
    return _mirrored(MetalSample(metal_input(_disturbed(square, rng)), cells, shows > 0, along), rng)


def _marked(square: FloatImage, cells: npt.NDArray[np.float32], rng: np.random.Generator) -> FloatImage:
    """A lead letter near the square's edge, now and then: as dense as metal, and none."""
    if rng.random() >= 0.25:
        return square
    square = square.copy()
    at = [float(rng.uniform(0.05, 0.95)) * SQUARE, float(rng.choice([0.08, 0.92]) + rng.normal(0, 0.05)) * SQUARE]
    if rng.random() < 0.5:
        at.reverse()
    text = str(rng.choice(["R", "L", "AP", "WB", "R 12", "L KT", "7", "+", "-", "| | |"]))
    mask = lead_letter(text, float(rng.uniform(0.04, 0.12)) * SQUARE, ring=bool(rng.random() < 0.2))
    stamp(square, mask, (at[0], at[1]), 1.0, (float(rng.normal(0, 10)), bool(rng.random() < 0.2)))
    row, column = (int(np.clip(x / CELL_PX, 0, CELLS - 1)) for x in at)
    around = cells[max(row - 2, 0) : row + 3, max(column - 2, 0) : column + 3]
    around[around == 1] = -1.0
    return square


def _disturbed(square: FloatImage, rng: np.random.Generator) -> FloatImage:
    """The square through another detector and another window."""
    if rng.random() < 0.35:
        small = int(np.exp(rng.uniform(np.log(70), np.log(288))))
        picture = Image.fromarray(square).resize((small, small), Image.Resampling.BOX)
        square = np.asarray(picture.resize((SQUARE, SQUARE), Image.Resampling.BICUBIC), dtype=np.float32)
    elif rng.random() < 0.3:
        square = blurred(square, float(rng.uniform(0.4, 1.4)))
    if rng.random() < 0.4:
        square = np.clip(square, 0, 1) ** np.float32(np.exp(rng.normal(0, 0.3)))
    if rng.random() < 0.35:
        # An overexposed film: bone is white, and white is not metal.
        square = np.clip(square * np.float32(rng.uniform(1.0, 1.7)), 0, 1)
    if rng.random() < 0.5:
        noise = rng.normal(0, np.exp(rng.uniform(np.log(0.003), np.log(0.05))), square.shape)
        square = square + noise.astype(np.float32)
    square = np.asarray(np.clip(square, 0, 1), dtype=np.float32)
    return np.float32(1) - square if rng.random() < 0.05 else square


def _mirrored(sample: MetalSample, rng: np.random.Generator) -> MetalSample:
    if rng.random() < 0.5:
        return sample
    view, cells = (np.ascontiguousarray(of[:, ::-1]) for of in (sample.view, sample.cells))
    return MetalSample(view, cells, sample.metal, sample.along)
