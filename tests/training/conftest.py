"""A set of made-up knees, small enough to train on in a test."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kneeoa.datasets.splits import is_held


def draw_knee(seed: int, grade: int) -> Image.Image:
    """A bright limb with a dark joint that narrows with the grade."""
    rng = np.random.default_rng(seed)
    columns = np.exp(-((np.linspace(-1.6, 1.6, 96)) ** 4))
    pixels = np.tile(columns, (96, 1)) * 0.7 + rng.normal(0, 0.03, (96, 96))
    pixels[48 : 56 - grade, 10:86] *= 0.4
    return Image.fromarray((np.clip(pixels, 0, 1) * 255).astype(np.uint8))


@pytest.fixture(scope="session")
def tiny_set(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """24 knees of 12 subjects in the published layout, 4 subjects of which are `held`; a `val` split of 10 knees."""
    root = tmp_path_factory.mktemp("tiny-set")
    names = [f"s{i:03d}" for i in range(400)]
    held = [name for name in names if is_held(name)][:4]
    fit = [name for name in names if not is_held(name)][:8]
    parts = [("train", subject) for subject in (*fit, *held)] + [("val", f"v{i}") for i in range(5)]
    for i, (split, subject) in enumerate(parts):
        for side in "LR":
            grade = (i + (side == "R")) % 5
            folder = root / split / str(grade)
            folder.mkdir(parents=True, exist_ok=True)
            for other in range(5):
                (root / split / str(other)).mkdir(exist_ok=True)
            draw_knee(2 * i + (side == "R"), grade).save(folder / f"{subject}{side}.png")
    return root


@pytest.fixture(scope="session")
def tiny_config(tiny_set: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A configuration that trains a very small network on `tiny_set`, in fp32 on one thread."""
    path = tmp_path_factory.mktemp("config") / "tiny.yaml"
    path.write_text(
        f"""
seed: 5
data: {{root: {tiny_set}, workers: 0}}
network: {{backbone: test_efficientnet, weights: none, dropout: 0.2, drop_path: 0.0}}
epochs: 3
batch_size: 4
amp: false
device: cpu
threads: 1
tensorboard: false
"""
    )
    return path
