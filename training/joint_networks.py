"""The two little networks of the joint space: one places the joint on a crop, one traces its edges in the band."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional

LANDMARKS = 4
"""Lateral and medial end of the plateau, and its level at x = 0.80 and at x = 0.225."""
CURVES = 2
_PLACE_WIDTHS = (16, 32, 48, 64)
_TRACE_WIDTHS = (16, 32, 48, 64, 64)
CELL_ROWS = 2
"""Rows of the band in a cell of the tracing network's answer: 0.3 mm."""


def _block(inputs: int, outputs: int, stride: int | tuple[int, int] = 1) -> nn.Sequential:
    convolution = nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU(inplace=True))


class _Hourglass(nn.Module):
    """Halves the picture from level to level and comes back, taking up what it saw on the way.

    Args:
        widths: channels of each level, the finest first.
        first: stride of the first convolution.
    """

    def __init__(self, widths: tuple[int, ...], first: int | tuple[int, int]) -> None:
        super().__init__()
        before = (1, *widths[:-1])
        self.down = nn.ModuleList(
            nn.Sequential(_block(before[i], width, 2 if i else first), _block(width, width))
            for i, width in enumerate(widths)
        )
        self.up = nn.ModuleList(_block(widths[i] + widths[i - 1], widths[i - 1]) for i in range(len(widths) - 1, 0, -1))

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        """(pictures, widths[0], ...) features at the finest level."""
        seen = []
        now = pictures
        for step in self.down:
            now = step(now)
            seen.append(now)
        for step, fine in zip(self.up, reversed(seen[:-1]), strict=True):
            now = step(torch.cat([functional.interpolate(now, scale_factor=2.0, mode="nearest"), fine], dim=1))
        return now


class PlaceNetwork(nn.Module):
    """Landmarks of a plateau on a small crop, as heat maps of 48 x 48."""

    def __init__(self) -> None:
        super().__init__()
        self.body = _Hourglass(_PLACE_WIDTHS, 2)
        self.head = nn.Conv2d(_PLACE_WIDTHS[0], LANDMARKS, 1)

    def forward(self, crops: torch.Tensor) -> torch.Tensor:
        """(crops, LANDMARKS, 48, 48) logits over places.

        Args:
            crops: (crops, 1, 96, 96) from `joint_band.place_input`.
        """
        heat: torch.Tensor = self.head(self.body(crops))
        return heat


class TraceNetwork(nn.Module):
    """Edges in a band: for every second column, which pair of rows; and whether the bones touch there."""

    def __init__(self) -> None:
        super().__init__()
        self.body = _Hourglass(_TRACE_WIDTHS, 2)
        self.mixed = _block(_TRACE_WIDTHS[0], _TRACE_WIDTHS[0])
        self.head = nn.Conv2d(_TRACE_WIDTHS[0], CURVES + 1, 1)

    def forward(self, bands: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits of rows, femur and tibia, and of contact.

        Args:
            bands: (bands, 1, BAND_ROWS, BAND_COLUMNS) from `joint_band.cut_band`.

        Returns:
            (bands, 2, BAND_ROWS / 2, BAND_COLUMNS / 2), and (bands, BAND_COLUMNS / 2), over all rows.
        """
        out = self.head(self.mixed(self.body(bands)))
        return out[:, :CURVES], torch.logsumexp(out[:, CURVES], dim=1)


def expected_places(heat: torch.Tensor) -> torch.Tensor:
    """(crops, landmarks, 2) mean (row, column) in cells of heat maps, by their softmax."""
    rows, columns = heat.shape[-2:]
    share = torch.softmax(heat.flatten(2), dim=2).view_as(heat)
    down = (share.sum(3) * torch.arange(rows)).sum(2)
    across = (share.sum(2) * torch.arange(columns)).sum(2)
    return torch.stack([down, across], dim=-1)
