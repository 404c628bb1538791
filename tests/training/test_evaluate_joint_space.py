"""Outlines of phantoms, whose joint spaces are known, judge the measurement as experts' outlines would."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kneeoa.datasets.phantom import PhantomSpec, make_phantom
from kneeoa.model.errors import DatasetError
from kneeoa.model.radiograph import Side
from kneeoa.model.release import DEFAULT_RELEASE, load_release
from kneeoa.training.evaluate_joint_space import evaluate_joint_space
from kneeoa.training.release_joint_writing import take_over


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> str:
    if load_release().manifest.joint_space is not None:
        return DEFAULT_RELEASE
    return str(take_over(DEFAULT_RELEASE, "joint-space-4", tmp_path_factory.mktemp("release") / "joint"))


def test_masks_and_curves_of_phantoms_agree_with_what_is_measured(release: str, tmp_path: Path) -> None:
    crops, outlines = tmp_path / "crops", tmp_path / "outlines"
    crops.mkdir()
    outlines.mkdir()
    rows = np.arange(299)[:, None]
    for i, side in enumerate((Side.RIGHT, Side.LEFT, Side.RIGHT, Side.LEFT)):
        phantom = make_phantom(PhantomSpec(side, i, 70 + i, (299, 299), None, False, 2.0 + i, 5.0))
        name = f"{i:07d}{side.value}"
        Image.fromarray(np.round(phantom.pixels * 255).astype(np.uint8)).save(crops / f"{name}.png")
        edges = []
        for edge in (phantom.femur_edge, phantom.tibia_edge):
            order = np.argsort(edge[:, 1])
            edges.append(np.interp(np.arange(299), edge[order, 1], edge[order, 0]))
        if i % 2:
            mask = (rows > edges[0]) & (rows < edges[1])
            Image.fromarray(mask.astype(np.uint8) * 255).save(outlines / f"{name}.png")
        else:
            curves = [[[float(row), column] for column, row in enumerate(edge)] for edge in edges]
            (outlines / f"{name}.json").write_text(json.dumps(dict(zip(("femur", "tibia"), curves, strict=True))))
    said = evaluate_joint_space(release, crops, outlines, tmp_path / "out")
    for compartment in ("medial", "lateral"):
        figures = said[compartment]
        assert isinstance(figures, dict)
        assert figures["knees"] == 4
        assert float(str(figures["dice_mean"])) > 0.9
        assert float(str(figures["minimum_mae_mm"])) < 0.5
    written = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"joint_space.json", "joint_space.csv", "bland_altman.png"} <= written


def test_outlines_without_crops_are_named(release: str, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="No outline"):
        evaluate_joint_space(release, tmp_path, tmp_path, tmp_path / "out")
