"""Which framed knees a metal network would refuse: to be looked at, one by one, before they are called native.

    python -m kneeoa.training.find_metal METAL.pt DATA --out DIR

Writes `metal.csv` with every knee by falling probability, and pages of the highest for a reader. The pages show films
and stay where the data are.
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image, ImageDraw

from kneeoa.datasets.grade_folders import KneeImage, read_grade_folders
from kneeoa.model.crop import cut_square, whole_film_square
from kneeoa.model.metal import MetalSession
from kneeoa.model.normalize import bone_bright
from kneeoa.model.picture import read_grey
from kneeoa.model.radiograph import FloatImage
from kneeoa.training.export_metal import export_metal, load_metal

_BATCH = 32
_ACROSS, _DOWN, _TILE = 10, 7, 220


def framed(knee: KneeImage) -> FloatImage:
    """A crop as serving would cut it: (288, 288), bone bright."""
    pixels = read_grey(knee.path)
    return bone_bright(cut_square(pixels, whole_film_square(*pixels.shape)))


def probabilities(knees: Sequence[KneeImage], network: MetalSession) -> npt.NDArray[np.float64]:
    """(knees,) probability in [0, 1] of metal."""
    parts = [
        network.run([framed(knee) for knee in knees[first : first + _BATCH]]) for first in range(0, len(knees), _BATCH)
    ]
    return np.concatenate(parts)


def write_page(knees: Sequence[tuple[KneeImage, float]], path: Path) -> None:
    """A page of knees with their names and probabilities."""
    page = Image.new("L", (_ACROSS * _TILE, _DOWN * _TILE))
    for i, (knee, metal) in enumerate(knees[: _ACROSS * _DOWN]):
        with Image.open(knee.path) as picture:
            tile = picture.convert("L").resize((_TILE, _TILE))
        draw = ImageDraw.Draw(tile)
        draw.rectangle((0, 0, 120, 12), fill=0)
        draw.text((2, 0), f"{knee.path.stem} {metal:.2f}", fill=255)
        page.paste(tile, (i % _ACROSS * _TILE, i // _ACROSS * _TILE))
    page.save(path)


def main() -> None:
    """Looks, from the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, help="a metal.pt")
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--pages", type=int, default=2)
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    knees = read_grade_folders(asked.data, ("train", "val"))
    metal = probabilities(knees, MetalSession(export_metal(load_metal(asked.run)), "cpu"))
    ranked = [(knees[int(i)], float(metal[int(i)])) for i in np.argsort(-metal)]
    with (asked.out / "metal.csv").open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("name", "metal"), *((knee.path.stem, f"{p:.4f}") for knee, p in ranked)])
    for page in range(asked.pages):
        size = _ACROSS * _DOWN
        write_page(ranked[page * size : (page + 1) * size], asked.out / f"page-{page + 1}.png")


if __name__ == "__main__":
    main()
