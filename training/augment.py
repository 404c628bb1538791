"""What an X-ray room could do to a knee: positioning, exposure, blur, noise, compression, collimator, markers.

Every transform works on one canonical square (1, 288, 288) float32 in [0, 1] under the key "image", before the band is
cut and standardised, so that a shift never drags a border in. All draw from MONAI's `self.R`, which the dataset seeds
by (seed, epoch, index): the same knee in the same epoch looks the same on any machine, in any worker.
"""

from __future__ import annotations

import io
from abc import abstractmethod
from collections.abc import Hashable, Mapping

import numpy as np
from monai.transforms import (
    Compose,
    MapTransform,
    RandAdjustContrastd,
    RandAffined,
    RandGaussianNoised,
    RandGaussianSmoothd,
    RandomizableTransform,
)
from PIL import Image, ImageDraw

from kneeoa.configs.schema import AugmentConfig
from kneeoa.model.crop import SQUARE, network_input
from kneeoa.model.radiograph import FloatImage

IMAGE = "image"
Item = Mapping[Hashable, object]


def as_square(value: object) -> FloatImage:
    """The (288, 288) array behind a MONAI item's image, whether tensor or array."""
    square: FloatImage = np.asarray(value, dtype=np.float32)[0]
    return square


class _RandomSquared(RandomizableTransform, MapTransform):
    """A random change of one square; subclasses say which, in numpy, with draws from `self.R`."""

    def __init__(self, probability: float) -> None:
        MapTransform.__init__(self, [IMAGE])
        RandomizableTransform.__init__(self, probability)

    def __call__(self, data: Item) -> dict[Hashable, object]:
        """The item with its image changed, or as it was."""
        item = dict(data)
        self.randomize(None)
        if self._do_transform:
            item[IMAGE] = np.clip(self.change(as_square(item[IMAGE])), 0.0, 1.0)[None].astype(np.float32)
        return item

    @abstractmethod
    def change(self, square: FloatImage) -> FloatImage:
        """The changed square, (288, 288); values beyond [0, 1] are clipped by the caller."""


class RandWashedOutd(_RandomSquared):
    """Over- or underexposure: grey values pushed against white or black until part of them is lost."""

    def change(self, square: FloatImage) -> FloatImage:
        """Gain 0.4-1.6 about a level that is bright, dark or between."""
        gain = self.R.uniform(0.4, 1.6)
        level = self.R.uniform(0.2, 1.1)
        return np.asarray((square - square.mean()) * np.float32(gain) + np.float32(level))


class RandJpegd(_RandomSquared):
    """JPEG compression at quality 30-90, as archives and teaching files have it."""

    def change(self, square: FloatImage) -> FloatImage:
        """Through Pillow's encoder and back."""
        buffer = io.BytesIO()
        Image.fromarray((square * 255).astype(np.uint8)).save(buffer, "JPEG", quality=int(self.R.randint(30, 91)))
        with Image.open(buffer) as picture:
            return np.asarray(picture, dtype=np.float32) / np.float32(255)


class RandCollimatord(_RandomSquared):
    """Black or white bars along one or two edges, up to an eighth of the square, slightly turned."""

    def change(self, square: FloatImage) -> FloatImage:
        """Draws over a copy."""
        rows, columns = np.mgrid[0:SQUARE, 0:SQUARE].astype(np.float32)
        changed = square.copy()
        for _ in range(int(self.R.randint(1, 3))):
            depth, slope = self.R.uniform(0.01, 0.125) * SQUARE, self.R.uniform(-0.06, 0.06)
            edge = int(self.R.randint(4))
            along, across = (columns, rows) if edge < 2 else (rows, columns)
            distance = across if edge % 2 == 0 else SQUARE - 1 - across
            changed[distance < depth + slope * (along - SQUARE / 2)] = self.R.uniform(0.0, 0.08)
        return changed


class RandMarkerd(_RandomSquared):
    """A lead letter, number or ruler near a vertical edge. It says nothing of the side: R and L are drawn alike."""

    def change(self, square: FloatImage) -> FloatImage:
        """Draws white on a copy."""
        picture = Image.fromarray(square)
        draw = ImageDraw.Draw(picture)
        left = self.R.rand() < 0.5
        column = self.R.uniform(0.0, 0.12) * SQUARE if left else self.R.uniform(0.84, 0.97) * SQUARE
        row, white = self.R.uniform(0.05, 0.9) * SQUARE, self.R.uniform(0.85, 1.0)
        if self.R.rand() < 0.3:
            for tick in range(int(self.R.randint(4, 12))):
                draw.line([(column, row + 9 * tick), (column + 8, row + 9 * tick)], fill=white, width=2)
        else:
            draw.text(
                (column, row), str(self.R.choice(list("RLPA12JKMX"))), fill=white, font_size=self.R.uniform(16, 40)
            )
        return np.asarray(picture, dtype=np.float32)


class NetworkInputd(MapTransform):
    """The road's own last step: the joint's band, standardised by `model.crop.network_input`."""

    def __init__(self) -> None:
        super().__init__([IMAGE])

    def __call__(self, data: Item) -> dict[Hashable, object]:
        """The item with its image as (1, 208, 288) float32."""
        item = dict(data)
        item[IMAGE] = np.ascontiguousarray(network_input(as_square(item[IMAGE]))[None])
        return item


def augmentations(config: AugmentConfig) -> list[RandomizableTransform]:
    """The random transforms of training, in the order in which a room would cause them."""
    p = config.probability
    return [
        RandAffined(
            keys=[IMAGE],
            prob=0.9,
            rotate_range=np.deg2rad(config.rotate_degrees),
            translate_range=config.shift * SQUARE,
            scale_range=config.scale,
            padding_mode="border",
        ),
        # Quantum noise is in the film before anybody chooses a window.
        RandGaussianNoised(keys=[IMAGE], prob=p, std=0.03),
        RandAdjustContrastd(keys=[IMAGE], prob=0.7, gamma=config.gamma),
        RandWashedOutd(p),
        RandGaussianSmoothd(keys=[IMAGE], prob=p, sigma_x=(0.3, 1.5), sigma_y=(0.3, 1.5)),
        RandMarkerd(p / 2),
        RandCollimatord(p),
        RandJpegd(p),
    ]


def train_transform(config: AugmentConfig) -> Compose:
    """From a cached square to a network's input, with augmentation."""
    return Compose([*augmentations(config), NetworkInputd()])


def judge_transform() -> Compose:
    """From a cached square to a network's input, as serving does it."""
    return Compose([NetworkInputd()])
