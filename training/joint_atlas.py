"""Places the joints of training knees by registration: plateau ends, and the template's two edges carried onto them.

    python -m kneeoa.training.joint_atlas DATA --exclude-subjects FILE --out atlas.npz

The template was averaged without `held` and the excluded subjects (`fit_phantom`); here the excluded subjects are left
out again, of both parts. A killed run goes on where it stopped. The file names knees and holds no pixels.
"""

from __future__ import annotations

import argparse
import hashlib
import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from kneeoa.datasets.grade_folders import KneeImage, read_grade_folders
from kneeoa.datasets.knee_statistics import STATISTICS_FILE, knee_statistics
from kneeoa.datasets.splits import split_held
from kneeoa.training.fit_phantom import load_crops, read_subjects
from kneeoa.training.patches import template_landmarks
from kneeoa.training.register import Warps, register_to

SIZE = 299
"""Places are told in pixels of crops of this side, of canonical crops: medial at image right."""
EDGE_COLUMNS = 61
"""Places along each edge, from the lateral to the medial end."""
PER_GRADE = (520, 300, 420, 400, 400)
"""Fitting knees of each grade; wide joints are alike, narrow ones are rare."""
HELD_PER_GRADE = 60
_CHUNK = 128
logger = logging.getLogger(__name__)
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, eq=False)
class Atlas:
    """Joints placed by registration, in pixels (row, column) of canonical crops of `SIZE`.

    Attributes:
        names: (knees,) file names.
        held: (knees,) bool, whether the knee is kept for judging.
        ends: (knees, 2, 2) lateral and medial end of the plateau.
        femur: (knees, EDGE_COLUMNS, 2) the template's lower border of the femur, carried.
        tibia: (knees, EDGE_COLUMNS, 2) likewise of the tibia.
        excluded_sha256: of the list of subjects that were left out.
    """

    names: npt.NDArray[np.str_]
    held: npt.NDArray[np.bool_]
    ends: Floats
    femur: Floats
    tibia: Floats
    excluded_sha256: str


def list_sha256(excluded: frozenset[str]) -> str:
    """SHA-256 of a list of subjects, sorted, one a line."""
    return hashlib.sha256("\n".join(sorted(excluded)).encode()).hexdigest()


def joint_knees(data: Path, excluded: frozenset[str], seed: int = 0) -> list[KneeImage]:
    """Training knees for the joint space: a part balanced by grade, and some of `held`; no excluded subject."""
    rng = np.random.default_rng(seed)
    chosen: list[KneeImage] = []
    for part, most in zip(
        split_held(read_grade_folders(data, ("train",))), (PER_GRADE, (HELD_PER_GRADE,) * 5), strict=True
    ):
        allowed = [knee for knee in part if knee.subject not in excluded]
        grades = np.array([knee.kl for knee in allowed])
        for grade in range(5):
            chosen += [allowed[i] for i in rng.permutation(np.flatnonzero(grades == grade))[: most[grade]]]
    # In random order: whatever part of a run is done is a fair sample.
    return [chosen[i] for i in rng.permutation(len(chosen))]


def taught_subjects(data: Path, excluded: frozenset[str]) -> frozenset[str]:
    """Subjects of `joint_knees` that networks learn from: all but those of `held`."""
    return frozenset(knee.subject for knee in split_held(joint_knees(data, excluded))[0])


def template_edges() -> tuple[torch.Tensor, torch.Tensor]:
    """Two (EDGE_COLUMNS, 2) float32 (x, y): the template's femoral and tibial edges at even places along x."""
    statistics = knee_statistics()
    left, right = statistics.tibia_edge[:, 0].min() + 0.02, statistics.tibia_edge[:, 0].max() - 0.02
    x = np.linspace(left, right, EDGE_COLUMNS)
    curves = []
    for edge in (statistics.femur_edge, statistics.tibia_edge):
        y = np.interp(x, np.maximum.accumulate(edge[:, 0]), edge[:, 1])
        curves.append(torch.tensor(np.stack([x, y], axis=1), dtype=torch.float32))
    return curves[0], curves[1]


def carried(points: torch.Tensor, warps: Warps) -> Floats:
    """(knees, points, 2) places of the template on each knee, (row, column) in pixels of canonical crops of `SIZE`."""
    found = (points + warps.displacement(points[:, None])[:, :, 0]).double().numpy()
    return np.asarray(((found + 1) / 2 * SIZE - 0.5)[..., ::-1])


def write_atlas(knees: list[KneeImage], excluded: frozenset[str], path: Path) -> None:
    """Registers knees in chunks and writes them all; chunks that are there already are not done again."""
    template = torch.from_numpy(np.load(STATISTICS_FILE)["template"].astype(np.float32))[None, None]
    ends, (femur, tibia) = template_landmarks()[1:], template_edges()
    held = {knee.path.name for knee in split_held(knees)[1]}
    parts = []
    for start in range(0, len(knees), _CHUNK):
        part = path.with_name(f"{path.stem}-{start:05d}.npz")
        some = knees[start : start + _CHUNK]
        if not part.exists():
            warps = register_to(load_crops(some), template)
            draft = part.with_suffix(".draft.npz")
            names = np.array([knee.path.name for knee in some])
            places = {"ends": carried(ends, warps), "femur": carried(femur, warps), "tibia": carried(tibia, warps)}
            np.savez(draft, allow_pickle=False, names=names, **places)
            draft.rename(part)
            logger.info("registered %d of %d", start + len(some), len(knees))
        parts.append(part)
    chunks = [dict(np.load(part, allow_pickle=False)) for part in parts]
    arrays = {name: np.concatenate([chunk[name] for chunk in chunks]) for name in ("names", "ends", "femur", "tibia")}
    flags = np.array([name in held for name in arrays["names"]])
    np.savez(path, allow_pickle=False, held=flags, excluded_sha256=np.array(list_sha256(excluded)), **arrays)


def read_atlas(paths: list[Path]) -> Atlas:
    """Reads what `write_atlas` wrote; of several files, which must be of one list of excluded subjects, all knees.

    Raises:
        ValueError: the files differ in the subjects that were left out.
    """
    chunks = [dict(np.load(path, allow_pickle=False)) for path in paths]
    lists = {str(chunk["excluded_sha256"]) for chunk in chunks}
    if len(lists) != 1:
        raise ValueError("These atlases left out different subjects; make them anew with one list.")
    arrays = {
        name: np.concatenate([chunk[name] for chunk in chunks]) for name in ("names", "held", "ends", "femur", "tibia")
    }
    return Atlas(excluded_sha256=lists.pop(), **arrays)


def main() -> None:
    """Registers the knees of the joint space's training."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--exclude-subjects", type=Path, required=True, help="text file, one subject a line")
    parser.add_argument("--out", type=Path, required=True)
    asked = parser.parse_args()
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    excluded = read_subjects(asked.exclude_subjects)
    write_atlas(joint_knees(asked.data, excluded), excluded, asked.out)


if __name__ == "__main__":
    main()
