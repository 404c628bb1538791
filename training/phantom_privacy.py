"""How near phantoms come to the knees that their statistics were learnt from.

A phantom must not be a copy. Every knee, phantom or real, is registered to the same template, locally normalised, and
correlated with every training knee; its nearest one's correlation counts. Knees of val, whose subjects had no part in
the statistics, show how alike strangers are: no phantom may exceed their 95th percentile.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from kneeoa.datasets.phantom import PhantomSpec, make_phantom
from kneeoa.model.radiograph import Side
from kneeoa.training.register import places, prepared, register_to

SIZE = 96
"""Side of the registered crops that are compared: 1 mm a pixel, fine enough for trabeculae to tell knees apart."""
_BLOCK = 512


@dataclass(frozen=True, slots=True, eq=False)
class Privacy:
    """Correlations with the nearest training knee.

    Attributes:
        strangers: (val knees,).
        phantoms: (phantoms,).
    """

    strangers: npt.NDArray[np.float32]
    phantoms: npt.NDArray[np.float32]

    def to_json(self) -> dict[str, float | int]:
        """What the statistics file's header tells."""
        return {
            "val_knees": len(self.strangers),
            "val_median": round(float(np.median(self.strangers)), 4),
            "val_95th_percentile": round(float(np.percentile(self.strangers, 95)), 4),
            "phantoms": len(self.phantoms),
            "phantoms_median": round(float(np.median(self.phantoms)), 4),
            "phantoms_highest": round(float(self.phantoms.max()), 4),
        }


def phantom_crops(count: int, size: int) -> torch.Tensor:
    """(count, 1, size, size) float32: phantoms of seeds 0, 1, ... with the grades in turn."""
    crops = torch.empty(count, 1, size, size)
    for i in range(count):
        spec = PhantomSpec(side=Side.RIGHT, grade=i % 5, seed=i // 5, size=(size, size), marker=False)
        crops[i, 0] = torch.from_numpy(make_phantom(spec).pixels)
    return crops


def signatures(crops: torch.Tensor, template: torch.Tensor) -> torch.Tensor:
    """Registered, locally normalised crops as rows of mean 0 and length 1.

    Args:
        crops: (knees, 1, size, size) float32 in [0, 1], canonical.
        template: from `register_together`.

    Returns:
        (knees, SIZE * SIZE) float32, of the part that the registration compares.
    """
    warps = register_to(crops, template)
    images = prepared(crops, 2 * SIZE)
    rows = []
    for start in range(0, len(crops), 256):
        pulled = warps.part(start, start + 256).pull(images[start : start + 256], places(SIZE, 0.9))
        flat = pulled.flatten(1)
        flat = flat - flat.mean(1, keepdim=True)
        rows.append(flat / flat.norm(dim=1, keepdim=True))
    return torch.cat(rows)


def nearest(rows: torch.Tensor, among: torch.Tensor) -> npt.NDArray[np.float32]:
    """Correlation of each row with the most alike of others.

    Args:
        rows: (knees, places) from `signatures`.
        among: (training knees, places).
    """
    found = [(rows[start : start + _BLOCK] @ among.T).amax(1) for start in range(0, len(rows), _BLOCK)]
    highest: npt.NDArray[np.float32] = torch.cat(found).numpy()
    return highest


def measure_privacy(
    training: torch.Tensor, strangers: torch.Tensor, phantoms: torch.Tensor, template: torch.Tensor
) -> Privacy:
    """Registers all and compares; see the module.

    Args:
        training: (knees, 1, size, size) crops of every knee that the statistics could see.
        strangers: crops of val.
        phantoms: from `phantom_crops`.
        template: from `register_together`.
    """
    among = signatures(training, template)
    return Privacy(
        nearest(signatures(strangers, template), among),
        nearest(signatures(phantoms, template), among),
    )
