"""Learns the statistics that phantoms are drawn from.

    python -m kneeoa.training.fit_phantom DATA --exclude-subjects FILE
    python -m kneeoa.training.fit_phantom DATA --exclude-subjects FILE --privacy

Only training knees outside `held` and outside the excluded subjects have a part in it. The result is averages and 40
components. The second command measures that no phantom comes nearer to a training knee than strangers do, and writes
the figures into the file's header.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import logging
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch.nn import functional

from kneeoa.datasets.grade_folders import KneeImage, read_grade_folders
from kneeoa.datasets.knee_statistics import FORMAT, LOOK_REACH, STATISTICS_FILE, packed
from kneeoa.datasets.phantom_outlines import FEMUR_EDGE_KNOTS, TIBIA_EDGE_KNOTS, Points, open_curve, unit
from kneeoa.datasets.splits import split_held
from kneeoa.model.crop import canonical
from kneeoa.model.errors import DatasetError
from kneeoa.model.radiograph import FloatImage
from kneeoa.training.phantom_privacy import measure_privacy, phantom_crops
from kneeoa.training.register import Warps, blur, places, register_together

SIZE = 192
"""Side of the crops that are registered."""
PER_GRADE = 500
"""Knees of a grade that shape the template and the components; grade 4 has fewer."""
WARP_MODES, LOOK_MODES = 10, 30
WARP_SIZE, LOOK_SIZE = 24, 176
TEXTURE_SIZE, TEXTURE_CROP = 48, 288
_FINE = 5.0
"""Scale in texture pixels (0.32 mm) below which a structure counts as texture: the components hold what is coarser."""
# Corners of patches of cancellous bone on the template, in texture pixels: four in the femur, four in the tibia.
_CANCELLOUS = ((75, 50), (75, 110), (75, 180), (100, 60), (190, 60), (195, 110), (190, 160), (215, 130))
ATTRIBUTION = (
    "Statistics learnt from: Chen, Pingjun (2018), Knee Osteoarthritis Severity Grading Dataset, Mendeley Data, V1, "
    "doi 10.17632/56rmx5bjcr.1, CC BY 4.0; drawn from films of the Osteoarthritis Initiative (OAI)."
)
Arrays: TypeAlias = dict[str, npt.NDArray[np.generic]]
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, eq=False)
class Texture:
    """The fine texture; see `KneeStatistics`."""

    spectrum: FloatImage
    strength: FloatImage
    level: tuple[float, float]


def fitting_knees(data: Path, excluded: frozenset[str]) -> list[KneeImage]:
    """Training knees that the statistics may see: neither `held` nor excluded subjects."""
    fit, _ = split_held(read_grade_folders(data, ("train",)))
    return [knee for knee in fit if knee.subject not in excluded]


def read_subjects(path: Path) -> frozenset[str]:
    """Subject identifiers of a text file, one a line; `#` begins a comment.

    Raises:
        DatasetError: there is none.
    """
    lines = (line.split("#")[0].strip() for line in path.read_text(encoding="utf-8").splitlines())
    subjects = frozenset(line for line in lines if line)
    if not subjects:
        raise DatasetError(f"{path.name} names no subject; give the list of those to leave out.")
    return subjects


def load_crops(knees: list[KneeImage], size: int = SIZE) -> torch.Tensor:
    """(knees, 1, size, size) float32 in [0, 1], canonical: bone bright, medial at image right."""
    crops = torch.empty(len(knees), 1, size, size)
    for i, knee in enumerate(knees):
        with Image.open(knee.path) as picture:
            grey = picture.convert("L").resize((size, size), Image.Resampling.LANCZOS)
        square = np.asarray(grey, dtype=np.float32) / np.float32(255)
        crops[i, 0] = torch.from_numpy(canonical(square, knee.side))
    return crops


def components(rows: npt.NDArray[np.float64], count: int) -> npt.NDArray[np.float64]:
    """(count, columns) orthonormal principal components of centred rows, by the smaller Gram matrix."""
    values, vectors = np.linalg.eigh(rows @ rows.T)
    leading = np.argsort(values)[::-1][:count]
    found: npt.NDArray[np.float64] = (vectors[:, leading].T @ rows) / np.sqrt(values[leading])[:, None]
    return found


def looks(crops: torch.Tensor, warps: Warps) -> tuple[torch.Tensor, torch.Tensor]:
    """Crops in the template's frame, and where they have something to show.

    Returns:
        Two (knees, LOOK_SIZE, LOOK_SIZE): grey values; True where the place lies on the crop.
    """
    where = places(LOOK_SIZE, LOOK_REACH)
    shown, inside = [], []
    for start in range(0, len(crops), 256):
        part = warps.part(start, start + 256)
        shown.append(part.pull(crops[start : start + 256], where)[:, 0])
        inside.append(((where + part.displacement(where)).abs() <= 1).all(-1))
    return torch.cat(shown), torch.cat(inside)


def learn_texture(knees: list[KneeImage], warps: Warps) -> Texture:
    """Power spectrum, place and strength of what is finer than the components."""
    window = np.hanning(TEXTURE_SIZE)[:, None] * np.hanning(TEXTURE_SIZE)
    power = np.zeros((TEXTURE_SIZE, TEXTURE_SIZE))
    strength = torch.zeros(1, 1, TEXTURE_SIZE, TEXTURE_SIZE)
    levels = []
    for i, crop in enumerate(load_crops(knees, TEXTURE_CROP)):
        pulled = warps.part(i, i + 1).pull(crop[None], places(TEXTURE_CROP), "bicubic")
        fine = (pulled - blur(pulled, _FINE)) / pulled.std()
        local = blur(fine**2, 8.0).sqrt()
        level = float(local[0, 0, 60:270, 60:230].mean())
        levels.append(np.log(level))
        strength += functional.interpolate(local / level, (TEXTURE_SIZE, TEXTURE_SIZE), mode="area")
        for row, column in _CANCELLOUS:
            patch = fine[0, 0, row : row + TEXTURE_SIZE, column : column + TEXTURE_SIZE].numpy()
            patch = (patch - patch.mean()) / (patch.std() + 1e-6)
            power += np.abs(np.fft.fft2(patch * window)) ** 2
    mean = (strength / len(knees))[0, 0].numpy()
    return Texture(power.astype(np.float32), mean, (float(np.mean(levels)), float(np.std(levels))))


def snapped(knots: Points, look: FloatImage, sign: int) -> Points:
    """A hand-drawn border, moved up or down to where the template's grey value changes fastest, within 1.5 mm.

    Args:
        knots: (points, 2) as drawn.
        look: mean look.
        sign: +1 where it gets brighter downwards, as at the tibia.
    """
    curve = open_curve(knots)
    half_size = LOOK_SIZE / 2 / LOOK_REACH
    rows = np.arange(LOOK_SIZE, dtype=np.float64)
    moved = curve.copy()
    for i, (x, y) in enumerate(curve):
        column = look[:, int(np.clip(round(x * half_size + LOOK_SIZE / 2 - 0.5), 0, LOOK_SIZE - 1))]
        steep = sign * np.gradient(column)
        here = y * half_size + LOOK_SIZE / 2 - 0.5
        near = np.linspace(here - 2.5, here + 2.5, 51)
        slope = np.interp(near, rows, steep) - 0.01 * (near - here) ** 2
        moved[i, 1] = (near[slope.argmax()] + 0.5 - LOOK_SIZE / 2) / half_size
    # A border is smooth; single columns are not.
    kernel = np.hanning(15) / np.hanning(15).sum()
    change = np.convolve(np.pad(moved[:, 1] - curve[:, 1], 7, mode="edge"), kernel, mode="valid")
    curve[:, 1] += np.where((np.arange(len(curve)) < 4) | (np.arange(len(curve)) > len(curve) - 5), 0.0, change)
    return curve


def learn(knees: list[KneeImage], crops: torch.Tensor, warps: Warps) -> Arrays:
    """The arrays of the statistics file but its header and template, from registered knees; see `KneeStatistics`."""
    kl = np.array([knee.kl for knee in knees])
    texture = learn_texture(knees[::3], Warps(warps.affine[::3], warps.grid[::3]))
    displacement = warps.displacement(places(WARP_SIZE)).reshape(len(knees), -1).double().numpy()
    shown, inside = looks(crops, warps)
    core = shown[:, LOOK_SIZE // 8 : -LOOK_SIZE // 8, LOOK_SIZE // 8 : -LOOK_SIZE // 8]
    brightness, contrast = core.mean((1, 2)), core.std((1, 2))
    grey = (shown - brightness[:, None, None]) / contrast[:, None, None]
    mean_look = (grey * inside).sum(0) / inside.sum(0).clamp(min=1)
    # Where a crop ends nothing is known of its knee: there it is taken to be like the mean.
    rest = ((grey - mean_look) * inside).reshape(len(knees), -1).numpy()
    mean_warp = displacement.mean(0)
    warp_modes = components(displacement - mean_warp, WARP_MODES)
    look_modes = components(rest, LOOK_MODES)
    exposure = np.stack([brightness.numpy(), np.log(contrast.numpy())], axis=1)
    found = np.concatenate([(displacement - mean_warp) @ warp_modes.T, rest @ look_modes.T, exposure], axis=1)
    means = np.stack([found[kl == grade].mean(0) for grade in range(5)])
    within = found - means[kl]
    packed_warps, warp_scale = packed(warp_modes.reshape(WARP_MODES, WARP_SIZE, WARP_SIZE, 2))
    packed_looks, look_scale = packed(look_modes.reshape(LOOK_MODES, LOOK_SIZE, LOOK_SIZE))
    return {
        "mean_warp": mean_warp.reshape(WARP_SIZE, WARP_SIZE, 2).astype(np.float32),
        "warp_modes": packed_warps,
        "warp_scale": warp_scale,
        "mean_look": mean_look.numpy().astype(np.float16),
        "look_modes": packed_looks,
        "look_scale": look_scale,
        "grade_means": means.astype(np.float32),
        "spread": np.linalg.cholesky(within.T @ within / len(within)).astype(np.float32),
        "texture_spectrum": texture.spectrum,
        "texture_map": texture.strength.astype(np.float16),
        "texture_level": np.array(texture.level, dtype=np.float32),
        "texture_pixel": np.array(2 / TEXTURE_CROP, dtype=np.float32),
        "femur_edge": snapped(unit(FEMUR_EDGE_KNOTS), mean_look.numpy(), -1).astype(np.float32),
        "tibia_edge": snapped(unit(TIBIA_EDGE_KNOTS), mean_look.numpy(), +1).astype(np.float32),
    }


def choose(knees: list[KneeImage], seed: int = 0) -> list[KneeImage]:
    """At most `PER_GRADE` knees of each grade, in their order: otherwise grade 0 would be all that is learnt."""
    grades = np.array([knee.kl for knee in knees])
    rng = np.random.default_rng(seed)
    chosen = [rng.permutation(np.flatnonzero(grades == grade))[:PER_GRADE] for grade in range(5)]
    return [knees[i] for i in np.sort(np.concatenate(chosen))]


def write(path: Path, header: dict[str, object], arrays: Arrays) -> None:
    """Writes a statistics file: the arrays, and the header as JSON bytes."""
    text = np.frombuffer(json.dumps(header, indent=1).encode("utf-8"), dtype=np.uint8)
    np.savez_compressed(path, allow_pickle=False, header=text, **arrays)


def fit(data: Path, excluded: frozenset[str], out: Path) -> None:
    """Learns the statistics and writes them, the privacy figures still missing.

    Args:
        data: folder in the published layout.
        excluded: subjects to leave out.
        out: the file.
    """
    pool = fitting_knees(data, excluded)
    knees = choose(pool)
    crops = load_crops(knees)
    warps, template = register_together(crops)
    arrays = learn(knees, crops, warps) | {"template": template[0, 0].numpy().astype(np.float16)}
    listed = hashlib.sha256("\n".join(sorted(excluded)).encode()).hexdigest()
    header: dict[str, object] = {
        "format": FORMAT,
        "attribution": ATTRIBUTION,
        "licence": "CC-BY-4.0",
        "knees": len(knees),
        "components": {"warp": WARP_MODES, "look": LOOK_MODES},
        "left_out": {"held": True, "val": True, "excluded_subjects": len(excluded), "excluded_sha256": listed},
    }
    write(out, header, arrays)


def add_privacy(data: Path, excluded: frozenset[str], path: Path, phantoms: int) -> None:
    """Measures phantoms of the installed statistics, and writes the figures into a file's header.

    Args:
        data: folder in the published layout.
        excluded: subjects that were left out.
        path: the installed file.
        phantoms: how many are drawn.
    """
    with np.load(path, allow_pickle=False) as stored:
        arrays = {name: stored[name] for name in stored.files}
    header = json.loads(bytes(arrays.pop("header")).decode("utf-8"))
    template = torch.from_numpy(arrays["template"].astype(np.float32))[None, None]
    training = load_crops(fitting_knees(data, excluded))
    strangers = load_crops(read_grade_folders(data, ("val",)))
    found = measure_privacy(training, strangers, phantom_crops(phantoms, SIZE), template)
    header["privacy"] = found.to_json()
    logger.info("privacy: %s", header["privacy"])
    write(path, header, arrays)


def main() -> None:
    """Runs one of the two steps."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("--exclude-subjects", type=Path, required=True, help="text file, one subject a line")
    parser.add_argument("--out", type=Path, default=STATISTICS_FILE)
    parser.add_argument("--privacy", action="store_true")
    parser.add_argument("--phantoms", type=int, default=200)
    asked = parser.parse_args()
    excluded = read_subjects(asked.exclude_subjects)
    if asked.privacy:
        add_privacy(asked.data, excluded, asked.out, asked.phantoms)
    else:
        fit(asked.data, excluded, asked.out)


if __name__ == "__main__":
    main()
