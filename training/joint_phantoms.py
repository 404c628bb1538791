"""Phantoms as teachers of the joint space: exact edges, and bone on bone.

    python -m kneeoa.training.joint_phantoms --count 400 --out phantoms.npz

Phantoms that judge have seeds below `FIRST_SEED`; those that teach begin there.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from kneeoa.datasets.phantom import Phantom, PhantomSpec, make_phantom
from kneeoa.model.joint_band import Floats, JointPlace, column_x, down_row
from kneeoa.model.joint_widths import LATERAL_ZONE, MEDIAL_ZONE, Curves, measure_zone
from kneeoa.model.radiograph import Side
from kneeoa.training.joint_atlas import SIZE
from kneeoa.training.joint_tracer import COLUMNS, place_of

FIRST_SEED = 1_000_000


@dataclass(frozen=True, slots=True, eq=False)
class TeachingPhantoms:
    """Right phantoms of `SIZE` and their edges.

    Attributes:
        pixels: (knees, SIZE, SIZE) uint8.
        places: (knees, 4) row, column, width, angle of `JointPlace`.
        femur: (knees, COLUMNS) band rows of the femur's border.
        tibia: likewise of the tibia's.
    """

    pixels: npt.NDArray[np.uint8]
    places: Floats
    femur: Floats
    tibia: Floats


def phantom_place(phantom: Phantom) -> JointPlace:
    """The true place of a right phantom's joint, osteophytes not counted."""
    row, column = phantom.joint_centre
    half = phantom.plateau_width_px / 2
    return place_of(np.array([[row, column - half], [row, column + half]]), phantom.tibia_edge)


def edge_rows(place: JointPlace, edge: Floats, columns: int = COLUMNS) -> Floats:
    """(columns,) band rows of an edge on the crop, (points, 2)."""
    x, down = place.from_crop(edge)
    order = np.argsort(x)
    return np.interp(column_x(columns), x[order], down_row(down)[order])


def true_minima_mm(phantom: Phantom) -> tuple[float, float]:
    """Medial and lateral minimum width of a right phantom, by the meter's own rule on its exact edges."""
    place = phantom_place(phantom)
    x = np.linspace(-0.06, 1.06, 449)
    edges = []
    for edge in (phantom.femur_edge, phantom.tibia_edge):
        along, down = place.from_crop(edge)
        order = np.argsort(along)
        edges.append(np.interp(x, along[order], down[order]))
    curves = Curves(x, np.minimum(edges[0], edges[1]), edges[1])
    per_width = place.width * phantom.spec.spacing_mm
    medial, lateral = (measure_zone(curves, zone).minimum * per_width for zone in (MEDIAL_ZONE, LATERAL_ZONE))
    return medial, lateral


def random_spec(seed: int, rng: np.random.Generator) -> PhantomSpec:
    """A right phantom of any grade with widths from 0 to 8 mm, every eighth of them 0."""
    widths = [0.0 if rng.random() < 0.12 else float(rng.uniform(0, 8)) for _ in range(2)]
    return PhantomSpec(Side.RIGHT, int(rng.integers(5)), seed, (SIZE, SIZE), None, bool(rng.random() < 0.3), *widths)


def write_phantoms(count: int, path: Path) -> None:
    """Draws phantoms and writes them with their edges."""
    rng = np.random.default_rng(0)
    pixels, places, femur, tibia = [], [], [], []
    for i in range(count):
        phantom = make_phantom(random_spec(FIRST_SEED + i, rng))
        place = phantom_place(phantom)
        pixels.append(np.round(phantom.pixels * 255).astype(np.uint8))
        places.append((place.row, place.column, place.width, place.angle_degrees))
        tibia.append(edge_rows(place, phantom.tibia_edge))
        femur.append(np.minimum(edge_rows(place, phantom.femur_edge), tibia[-1]))
    arrays = {"places": np.array(places), "femur": np.stack(femur), "tibia": np.stack(tibia)}
    np.savez_compressed(path, allow_pickle=False, pixels=np.stack(pixels), **arrays)


def read_phantoms(path: Path) -> TeachingPhantoms:
    """Reads what `write_phantoms` wrote."""
    return TeachingPhantoms(**dict(np.load(path, allow_pickle=False)))


def main() -> None:
    """Draws teaching phantoms."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=400)
    parser.add_argument("--out", type=Path, required=True)
    asked = parser.parse_args()
    write_phantoms(asked.count, asked.out)


if __name__ == "__main__":
    main()
