"""Brings many knees into one frame: a template and, for each knee, a smooth warp of the template onto it.

Coordinates are those of `torch.nn.functional.grid_sample`: (x, y) in [-1, 1] over a square crop. A warp moves a place x
of the template to x + u(x) on the crop; u is an affine part and a grid of control values, interpolated bicubically.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

import torch
from torch.nn import functional

logger = logging.getLogger(__name__)

BATCH = 256
_WINDOW = (0.92, 0.80)
"""Half width and half height of the part that is compared: the joint and its bones, not the crop's rim."""
_AFFINE_COST = 0.02
_FOCUS = 0.07
"""Scale of local normalisation over a crop's side: exposure and soft tissue go, outlines stay."""


@dataclass(frozen=True, slots=True)
class Stage:
    """One resolution of the search.

    Attributes:
        size: side in pixels at which crops are compared.
        control: control values along a side; 0 moves affinely only.
        steps: of the optimiser, per round.
        rounds: how often the template is averaged anew.
        bending: weight of the control grid's squared second differences.
        rates: learning rates of the affine part and of the grid.
    """

    size: int
    control: int
    steps: int
    rounds: int
    bending: float
    rates: tuple[float, float]


STAGES = (
    Stage(48, 0, 30, 3, 0.0, (0.010, 0.0)),
    Stage(96, 7, 25, 3, 2.0, (0.004, 0.008)),
    Stage(96, 13, 25, 2, 3.0, (0.002, 0.005)),
    Stage(128, 13, 20, 2, 3.0, (0.002, 0.004)),
)


@dataclass(frozen=True, slots=True, eq=False)
class Warps:
    """Warps of the template onto knees.

    Attributes:
        affine: (knees, 6) float32, rows (xx, xy, tx, yx, yy, ty) of what is added to the identity.
        grid: (knees, 2, control, control) float32, x and y displacements.
    """

    affine: torch.Tensor
    grid: torch.Tensor

    def part(self, start: int, stop: int) -> Warps:
        """The warps of some knees."""
        return Warps(self.affine[start:stop], self.grid[start:stop])

    def displacement(self, places: torch.Tensor) -> torch.Tensor:
        """The displacement at places of the template.

        Args:
            places: (rows, columns, 2) float32 (x, y); beyond [-1, 1] the grid's border value holds.

        Returns:
            (knees, rows, columns, 2) float32.
        """
        affine = self.affine.view(-1, 2, 3)
        moved = torch.einsum("nij,yxj->nyxi", affine[..., :2], places) + affine[:, None, None, :, 2]
        # Control values lie on the corners too; bicubic, so that second differences exist.
        many = places.expand(len(self.grid), *places.shape)
        smooth = functional.grid_sample(self.grid, many, mode="bicubic", padding_mode="border", align_corners=True)
        return moved + smooth.permute(0, 2, 3, 1)

    def pull(self, crops: torch.Tensor, places: torch.Tensor, mode: str = "bilinear") -> torch.Tensor:
        """Crops brought into the template's frame.

        Args:
            crops: (knees, 1, size, size) float32.
            places: (rows, columns, 2), where in the template to look.
            mode: of interpolation.

        Returns:
            (knees, 1, rows, columns) float32.
        """
        where = places + self.displacement(places)
        return functional.grid_sample(crops, where, mode=mode, padding_mode="border", align_corners=False)


def places(size: int, reach: float = 1.0) -> torch.Tensor:
    """(size, size, 2) middles of pixels of a square that spans [-reach, reach]."""
    axis = ((torch.arange(size) + 0.5) / size * 2 - 1) * reach
    return torch.stack(torch.meshgrid(axis, axis, indexing="xy"), dim=-1)


def blur(images: torch.Tensor, sigma: float) -> torch.Tensor:
    """(knees, 1, rows, columns) smoothed by a Gaussian of `sigma` pixels."""
    reach = int(3 * sigma)
    kernel = torch.exp(-(torch.arange(-reach, reach + 1).float() ** 2) / (2 * sigma**2))
    kernel = kernel / kernel.sum()
    wide = functional.pad(images, (reach, reach, reach, reach), mode="replicate")
    return functional.conv2d(functional.conv2d(wide, kernel.view(1, 1, 1, -1)), kernel.view(1, 1, -1, 1))


def register_together(crops: torch.Tensor) -> tuple[Warps, torch.Tensor]:
    """Finds a template and the warps of all knees onto it, with the mean warp kept at the identity.

    Args:
        crops: (knees, 1, size, size) float32 in [0, 1], canonical.

    Returns:
        The warps, and the template: (1, 1, 128, 128) float32, locally normalised, mean 0 and deviation 1 in the window.
    """
    warps = Warps(torch.zeros(len(crops), 6), torch.zeros(len(crops), 2, 2, 2))
    template = torch.empty(0)
    for stage in STAGES:
        images = prepared(crops, stage.size)
        warps = _refined(warps, stage)
        for _ in range(stage.rounds):
            template = _standard(_mean(images, warps, places(stage.size)))
            warps, score = _fit(images, warps, template, stage)
            warps = Warps(warps.affine - warps.affine.mean(0), warps.grid - warps.grid.mean(0))
            logger.info("registered at %d pixels: correlation with the template %.4f", stage.size, score)
    return warps, template


def register_to(crops: torch.Tensor, template: torch.Tensor) -> Warps:
    """Warps of a template onto knees that had no part in it.

    Args:
        crops: (knees, 1, size, size) float32 in [0, 1], canonical.
        template: as `register_together` returns it.
    """
    warps = Warps(torch.zeros(len(crops), 6), torch.zeros(len(crops), 2, 2, 2))
    # A finished template needs no rounds, and its finest stage moves nothing by more than a pixel.
    for stage in STAGES[:-1]:
        images = prepared(crops, stage.size)
        fixed = _standard(functional.interpolate(template, (stage.size, stage.size), mode="area"))
        warps, _ = _fit(images, _refined(warps, stage), fixed, stage)
    return warps


def prepared(crops: torch.Tensor, size: int) -> torch.Tensor:
    """(knees, 1, size, size) locally normalised crops."""
    done = []
    for start in range(0, len(crops), BATCH):
        some = crops[start : start + BATCH]
        small = functional.interpolate(some, (size, size), mode="area")
        rest = small - blur(small, size * _FOCUS)
        done.append(rest / (blur(rest**2, size * _FOCUS).sqrt() + 0.02))
    return torch.cat(done)


def _window(size: int) -> torch.Tensor:
    here = places(size)
    return ((here[..., 0].abs() < _WINDOW[0]) & (here[..., 1].abs() < _WINDOW[1])).float()[None, None]


def _standard(image: torch.Tensor) -> torch.Tensor:
    window = _window(image.shape[-1])
    centred = image - (image * window).sum() / window.sum()
    return centred / (centred**2 * window).mean().sqrt()


def _mean(images: torch.Tensor, warps: Warps, where: torch.Tensor) -> torch.Tensor:
    total = torch.zeros(1, 1, *where.shape[:2])
    for start in range(0, len(images), BATCH):
        total += warps.part(start, start + BATCH).pull(images[start : start + BATCH], where).sum(0, keepdim=True)
    return total / len(images)


def _refined(warps: Warps, stage: Stage) -> Warps:
    size = (max(stage.control, 2),) * 2
    return Warps(warps.affine, functional.interpolate(warps.grid, size, mode="bicubic", align_corners=True))


def _bending(grid: torch.Tensor) -> torch.Tensor:
    down, across = torch.diff(grid, n=2, dim=2), torch.diff(grid, n=2, dim=3)
    mixed = torch.diff(torch.diff(grid, dim=2), dim=3)
    return (down**2).sum() + (across**2).sum() + 2 * (mixed**2).sum()


def _fit(images: torch.Tensor, warps: Warps, template: torch.Tensor, stage: Stage) -> tuple[Warps, float]:
    """One round: every knee's warp by Adam on its correlation with the template; returns the mean correlation too."""
    window, where = _window(stage.size), places(stage.size)
    affine, grid, total = [], [], 0.0
    for start in range(0, len(images), BATCH):
        some = images[start : start + BATCH]
        moving = warps.part(start, start + BATCH)
        moving = Warps(moving.affine.clone().requires_grad_(), moving.grid.clone().requires_grad_(stage.control > 0))
        groups = [{"params": [moving.affine], "lr": stage.rates[0]}]
        if stage.control:
            groups.append({"params": [moving.grid], "lr": stage.rates[1]})
        optimiser = torch.optim.Adam(groups)
        correlation = torch.zeros(len(some))
        for _ in range(stage.steps):
            pulled = moving.pull(some, where)
            centred = (pulled - (pulled * window).sum((1, 2, 3), keepdim=True) / window.sum()) * window
            scale = (centred**2).mean((1, 2, 3)).sqrt() + 1e-6
            correlation = (centred * template).mean((1, 2, 3)) / scale
            loss = (1 - correlation).sum() + _AFFINE_COST * (moving.affine**2).sum()
            loss = loss + stage.bending * _bending(moving.grid)
            optimiser.zero_grad()
            torch.autograd.backward(loss)
            optimiser.step()
        affine.append(moving.affine.detach())
        grid.append(moving.grid.detach())
        total += float(correlation.detach().sum())
    return Warps(torch.cat(affine), torch.cat(grid)), total / len(images)
