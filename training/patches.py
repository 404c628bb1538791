"""Framed knees with a measured place: centre and plateau width by registration to the template, not by assumption.

Run as `python -m kneeoa.training.patches DATA --split train --out patches.npz`.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image

from kneeoa.datasets.film_patch import KneePatch
from kneeoa.datasets.grade_folders import KneeImage, read_grade_folders
from kneeoa.datasets.knee_statistics import STATISTICS_FILE, knee_statistics
from kneeoa.datasets.known_metal import without_metal
from kneeoa.datasets.splits import split_held
from kneeoa.model.normalize import bone_bright
from kneeoa.model.radiograph import Side
from kneeoa.training.fit_phantom import choose, load_crops
from kneeoa.training.register import Warps, register_to

SIZE = 299


def template_landmarks() -> torch.Tensor:
    """(3, 2) float32 (x, y) on the template in [-1, 1]: joint centre, lateral and medial end of the plateau."""
    statistics = knee_statistics()
    femur, tibia = statistics.femur_edge, statistics.tibia_edge
    left, right = tibia[0], tibia[-1]
    middle = (left[0] + right[0]) / 2
    level = np.interp([left[0] + 0.26, right[0] - 0.26], tibia[:, 0], tibia[:, 1]).mean()
    roof = femur[np.abs(femur[:, 0] - middle) < 0.33, 1].min()
    return torch.tensor(np.array([[middle, (level + roof) / 2], left, right]), dtype=torch.float32)


def landmarks(knees: list[KneeImage], warps: Warps) -> npt.NDArray[np.float64]:
    """(knees, 3, 2) `template_landmarks` of each knee, (row, column) in pixels of a crop of `SIZE`, as displayed."""
    points = template_landmarks()
    found = (points + warps.displacement(points[:, None])[:, :, 0]).double().numpy()
    found[[knee.side is Side.LEFT for knee in knees], :, 0] *= -1
    return ((found + 1) / 2 * SIZE - 0.5)[..., ::-1]


def write_patches(knees: list[KneeImage], path: Path) -> None:
    """Registers knees and writes them with their landmarks; the file holds films and stays where the data are."""
    template = torch.from_numpy(np.load(STATISTICS_FILE)["template"].astype(np.float32))[None, None]
    points = landmarks(knees, register_to(load_crops(knees), template))
    pixels = np.empty((len(knees), SIZE, SIZE), dtype=np.uint8)
    for i, knee in enumerate(knees):
        with Image.open(knee.path) as picture:
            grey = np.asarray(picture.convert("L").resize((SIZE, SIZE)), dtype=np.float32) / np.float32(255)
        pixels[i] = np.round(bone_bright(grey) * 255)
    np.savez(
        path,
        px=pixels,
        side=np.array([knee.side.value for knee in knees]),
        kl=np.array([knee.kl for knee in knees]),
        name=np.array([knee.path.name for knee in knees]),
        centre=points[:, 0],
        width=np.hypot(*(points[:, 2] - points[:, 1]).T),
    )


def read_patches(path: Path) -> list[KneePatch]:
    """Patches of a file that `write_patches` wrote."""
    with np.load(path, allow_pickle=False) as stored:
        arrays = {name: stored[name] for name in stored.files}
    return [
        KneePatch(
            pixels=arrays["px"][i].astype(np.float32) / np.float32(255),
            side=Side(str(arrays["side"][i])),
            centre=(float(arrays["centre"][i, 0]), float(arrays["centre"][i, 1])),
            plateau_width_px=float(arrays["width"][i]),
            kl=int(arrays["kl"][i]),
        )
        for i in range(len(arrays["px"]))
    ]


def main() -> None:
    """Writes the patches of a split; of train a part without `held`, balanced by grade."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("data", type=Path)
    parser.add_argument("--split", choices=("train", "held", "val"), required=True)
    parser.add_argument("--out", type=Path, required=True)
    asked = parser.parse_args()
    if asked.split == "val":
        knees = read_grade_folders(asked.data, ("val",))
    else:
        # What bears metal would be shown as a knee without.
        fit, held = (without_metal(some) for some in split_held(read_grade_folders(asked.data, ("train",))))
        knees = choose(fit) if asked.split == "train" else held
    write_patches(knees, asked.out)


if __name__ == "__main__":
    main()
