"""Labels for the joint-space networks: the classical tracer run over registered training knees.

    python -m kneeoa.training.joint_labels DATA ATLAS --out labels.npz

The file names knees and holds places and curves, no pixels. A killed run goes on where it stopped.
"""

from __future__ import annotations

import argparse
import logging
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image

from kneeoa.datasets.grade_folders import KneeImage, read_grade_folders
from kneeoa.model.crop import canonical
from kneeoa.model.joint_band import Floats, JointPlace
from kneeoa.model.radiograph import FloatImage
from kneeoa.training.joint_atlas import SIZE, Atlas, read_atlas
from kneeoa.training.joint_tracer import place_of, trace

_CHUNK = 200
STRONG = 0.8
"""Least strength of a tracing that teaches; about one in ten compartments is weaker."""
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class JointLabels:
    """Traced knees.

    Attributes:
        names: (knees,) file names.
        kl: (knees,) grades.
        held: (knees,) bool, whether a knee is kept for judging.
        places: (knees, 4) row, column, width, angle of `JointPlace`, in pixels of canonical crops of `SIZE`.
        femur: (knees, COLUMNS) band rows of the femur's border.
        tibia: likewise of the tibia's.
        strength: (knees, 2) of the tracing, medial and lateral.
        excluded_sha256: of the list of subjects that were left out.
    """

    names: npt.NDArray[np.str_]
    kl: npt.NDArray[np.int64]
    held: npt.NDArray[np.bool_]
    places: Floats
    femur: Floats
    tibia: Floats
    strength: Floats
    excluded_sha256: str

    def place(self, i: int) -> JointPlace:
        """The place of one knee."""
        return JointPlace(*(float(value) for value in self.places[i]))


def load_canonical(knee: KneeImage) -> FloatImage:
    """(SIZE, SIZE) float32 in [0, 1], bone bright and medial at image right."""
    with Image.open(knee.path) as picture:
        grey = picture.convert("L")
        if grey.size != (SIZE, SIZE):
            grey = grey.resize((SIZE, SIZE), Image.Resampling.LANCZOS)
    return canonical(np.asarray(grey, dtype=np.float32) / np.float32(255), knee.side)


def write_labels(data: Path, atlas: Atlas, path: Path) -> None:
    """Traces every knee of an atlas and writes the labels; chunks that are there already are not done again."""
    known = {knee.path.name: knee for knee in read_grade_folders(data, ("train",))}
    parts = []
    for start in range(0, len(atlas.names), _CHUNK):
        part = path.with_name(f"{path.stem}-{start:05d}.npz")
        if not part.exists():
            traced = []
            for i in range(start, min(start + _CHUNK, len(atlas.names))):
                place = place_of(atlas.ends[i], atlas.tibia[i])
                knee = known[str(atlas.names[i])]
                traced.append((knee.kl, trace(load_canonical(knee), place, (atlas.femur[i], atlas.tibia[i]))))
            draft = part.with_suffix(".draft.npz")
            np.savez(
                draft,
                kl=np.array([kl for kl, _ in traced]),
                places=np.array(
                    [(t.place.row, t.place.column, t.place.width, t.place.angle_degrees) for _, t in traced]
                ),
                femur=np.stack([t.femur for _, t in traced]),
                tibia=np.stack([t.tibia for _, t in traced]),
                strength=np.stack([t.strength for _, t in traced]),
            )
            draft.rename(part)
            logger.info("traced %d of %d", start + len(traced), len(atlas.names))
        parts.append(part)
    chunks = [dict(np.load(part, allow_pickle=False)) for part in parts]
    arrays = {name: np.concatenate([chunk[name] for chunk in chunks]) for name in chunks[0]}
    listed = np.array(atlas.excluded_sha256)
    np.savez(path, allow_pickle=False, names=atlas.names, held=atlas.held, excluded_sha256=listed, **arrays)


def save_labels(labels: JointLabels, path: Path) -> None:
    """Writes labels, for `read_labels`."""
    np.savez(path, allow_pickle=False, **{name: np.asarray(value) for name, value in asdict(labels).items()})


def read_labels(path: Path) -> JointLabels:
    """Reads what `write_labels` wrote."""
    stored = dict(np.load(path, allow_pickle=False))
    listed = str(stored.pop("excluded_sha256"))
    return JointLabels(excluded_sha256=listed, **stored)


def main() -> None:
    """Traces the knees of an atlas."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("atlas", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    asked = parser.parse_args()
    write_labels(asked.data, read_atlas([asked.atlas]), asked.out)


if __name__ == "__main__":
    main()
