"""How knees vary in shape and look, learnt from graded radiographs: mean, at most 40 components, texture; no image.

Data sheet. Fitted by `kneeoa.training.fit_phantom` on training knees of Chen P., "Knee Osteoarthritis Severity Grading
Dataset", Mendeley Data, V1, 2018, doi 10.17632/56rmx5bjcr.1 (CC BY 4.0), drawn from films of the Osteoarthritis
Initiative, without the subjects of `held`, of val and of a list of reserved subjects. The file's own header repeats
this, and says how near the phantoms come to training knees.
"""

from __future__ import annotations

import json
import zipfile
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

from kneeoa.datasets.phantom_outlines import Points
from kneeoa.model.errors import DatasetError
from kneeoa.model.radiograph import FloatImage

STATISTICS_FILE = Path(__file__).with_name("knee_statistics.npz")
FORMAT = "knee-statistics-1"
LOOK_REACH = 1.2
"""The look spans this many half frames each way: knees that lie smaller in their crop show what is beyond it."""
_FARTHEST = 2.2
"""Standard deviations beyond which no invented knee goes: farther out, linear modes stop looking like knees."""
_EXPOSURES = ((0.42, 0.66), (0.11, 0.21))
"""Mean grey value and contrast that are kept to: data sets hold nearly white and flat films."""


@dataclass(frozen=True, slots=True, eq=False)
class KneeDraw:
    """One invented right knee in the template's frame.

    Attributes:
        warp: (rows, columns, 2) float64, displacement (x, y) of the template's places over [-1, 1].
        look: (rows, columns) float32 over [-LOOK_REACH, LOOK_REACH], grey values with mean 0 and deviation 1.
        brightness: mean grey value, in [0, 1].
        contrast: standard deviation of grey values.
        texture: standard deviation of the fine texture, of the same scale as `look`.
    """

    warp: Points
    look: FloatImage
    brightness: float
    contrast: float
    texture: float


@dataclass(frozen=True, slots=True, eq=False)
class KneeStatistics:
    """What the file holds; see `KneeDraw` for units.

    Attributes:
        header: attribution, what was left out, privacy figures.
        mean_warp: (rows, columns, 2).
        warp_modes: (modes, rows, columns, 2), orthonormal.
        mean_look: (rows, columns).
        look_modes: (modes, rows, columns), orthonormal.
        grade_means: (5, modes + 2) mean coefficients by KL grade: warp, look, brightness, logarithm of contrast.
        spread: (modes + 2, modes + 2) lower Cholesky factor of their covariance within a grade.
        texture_spectrum: (n, n) power of the fine texture, its pixels `texture_pixel` wide; zero frequency first.
        texture_map: (rows, columns) over [-1, 1]: how strong the texture is where.
        texture_level: mean and deviation of the logarithm of its standard deviation.
        texture_pixel: side of a pixel of the texture, in half frames.
        femur_edge: (points, 2) lower border of the femur on the template.
        tibia_edge: (points, 2) upper border of the tibia.
    """

    header: dict[str, object]
    mean_warp: Points
    warp_modes: Points
    mean_look: FloatImage
    look_modes: FloatImage
    grade_means: Points
    spread: Points
    texture_spectrum: FloatImage
    texture_map: FloatImage
    texture_level: tuple[float, float]
    texture_pixel: float
    femur_edge: Points
    tibia_edge: Points

    def draw(self, grade: int, rng: np.random.Generator) -> KneeDraw:
        """Invents a knee of a grade.

        Args:
            grade: KL grade, 0-4.
            rng: source of the variation.
        """
        normal = np.clip(rng.standard_normal(len(self.spread)), -_FARTHEST, _FARTHEST)
        found = self.grade_means[grade] + 0.8 * self.spread @ normal
        shapes = len(self.warp_modes)
        warp = self.mean_warp + np.tensordot(found[:shapes], self.warp_modes, 1)
        look = self.mean_look + np.tensordot(found[shapes:-2].astype(np.float32), self.look_modes, 1)
        return KneeDraw(
            warp=warp,
            look=look.astype(np.float32),
            brightness=float(np.clip(found[-2], *_EXPOSURES[0])),
            contrast=float(np.clip(np.exp(found[-1]), *_EXPOSURES[1])),
            texture=float(np.exp(self.texture_level[0] + self.texture_level[1] * rng.uniform(-1.0, 0.4))),
        )


@cache
def knee_statistics(path: Path = STATISTICS_FILE) -> KneeStatistics:
    """Reads the shipped statistics, once.

    Raises:
        DatasetError: the file is missing, or not of this format.
    """
    try:
        with np.load(path, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored.files}
        header = json.loads(bytes(arrays["header"]).decode("utf-8"))
    except (OSError, EOFError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise DatasetError(f"{path.name} cannot be read; install KneeOA anew.") from error
    if header.get("format") != FORMAT:
        raise DatasetError(f"{path.name} is of format {header.get('format')!r}, not {FORMAT}; install KneeOA anew.")
    level = arrays["texture_level"]
    return KneeStatistics(
        header=header,
        mean_warp=arrays["mean_warp"].astype(np.float64),
        warp_modes=_unpacked(arrays["warp_modes"], arrays["warp_scale"]).astype(np.float64),
        mean_look=arrays["mean_look"].astype(np.float32),
        look_modes=_unpacked(arrays["look_modes"], arrays["look_scale"]),
        grade_means=arrays["grade_means"].astype(np.float64),
        spread=arrays["spread"].astype(np.float64),
        texture_spectrum=arrays["texture_spectrum"].astype(np.float32),
        texture_map=arrays["texture_map"].astype(np.float32),
        texture_level=(float(level[0]), float(level[1])),
        texture_pixel=float(arrays["texture_pixel"]),
        femur_edge=arrays["femur_edge"].astype(np.float64),
        tibia_edge=arrays["tibia_edge"].astype(np.float64),
    )


def packed(modes: npt.NDArray[np.floating]) -> tuple[npt.NDArray[np.int8], npt.NDArray[np.float32]]:
    """Modes in 8 bits and the scale of each: a file of a megabyte, and errors far below the texture."""
    scale = np.abs(modes.reshape(len(modes), -1)).max(axis=1) / 127
    shaped = scale.reshape(-1, *(1,) * (modes.ndim - 1))
    return np.round(modes / shaped).astype(np.int8), scale.astype(np.float32)


def _unpacked(modes: npt.NDArray[np.int8], scale: npt.NDArray[np.float32]) -> FloatImage:
    return modes.astype(np.float32) * scale.reshape(-1, *(1,) * (modes.ndim - 1))
