"""Takes a trained network's floor where the tracer's curve lies above it: there the tracer followed the rim.

    python -m kneeoa.training.joint_relabels DATA labels.npz trace.pt --out labels-2.npz

Of the two curves the lower is taken, and only where it is lower by more than `RIM_ROWS`; a floor is never moved up. The
network must have learnt from outlines: one that learnt from the tracer alone repeats the tracer's rims.
"""

from __future__ import annotations

import argparse
import logging
from dataclasses import replace
from pathlib import Path

import numpy as np

from kneeoa.datasets.grade_folders import read_grade_folders
from kneeoa.model.joint_band import Floats, JointPlace, cut_band, down_row
from kneeoa.model.joint_space import JointSpaceMeter, QualityScale
from kneeoa.model.radiograph import FloatImage
from kneeoa.training.export_joint import export_joint, load_joint_network
from kneeoa.training.joint_labels import JointLabels, load_canonical, read_labels, save_labels
from kneeoa.training.joint_networks import PlaceNetwork

RIM_ROWS = 3.0
"""Rows, 0.45 mm, by which the network's floor must lie below the tracing."""
logger = logging.getLogger(__name__)


def lower_floor(traced: Floats, seen: Floats) -> Floats:
    """(..., COLUMNS) band rows: the traced floor, or the network's where that is lower by more than `RIM_ROWS`.

    Args:
        traced: (..., COLUMNS) of the tracer.
        seen: likewise of the network.
    """
    return np.where(seen > traced + RIM_ROWS, seen, traced)


def seen_floor(meter: JointSpaceMeter, knee: FloatImage, place: JointPlace) -> Floats:
    """(COLUMNS,) band rows of the floor that a meter sees at a place that is given.

    Args:
        meter: with the tracing network.
        knee: (rows, columns) float32, canonical.
        place: of the joint.
    """
    return down_row(meter.edges(cut_band(knee, place)).tibia[::-1])


def relabelled(data: Path, labels: JointLabels, meter: JointSpaceMeter) -> JointLabels:
    """Labels with the lower floor in fitting knees; `held` stays as it was traced."""
    known = {knee.path.name: knee for knee in read_grade_folders(data, ("train",))}
    tibia = labels.tibia.copy()
    for i in np.flatnonzero(~labels.held).tolist():
        seen = seen_floor(meter, load_canonical(known[str(labels.names[i])]), labels.place(i))
        tibia[i] = lower_floor(tibia[i], seen)
    return replace(labels, tibia=tibia)


def main() -> None:
    """Writes labels anew."""
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path)
    parser.add_argument("labels", type=Path)
    parser.add_argument("trace", type=Path, help="trace.pt of a run with outlines")
    parser.add_argument("--out", type=Path, required=True)
    asked = parser.parse_args()
    labels = read_labels(asked.labels)
    # Places are given: the placing network is never asked.
    networks = (export_joint(PlaceNetwork()), export_joint(load_joint_network(asked.trace, "trace")))
    meter = JointSpaceMeter(*networks, QualityScale(0.0, 0.0, 0.0), threads=1)
    new = relabelled(asked.data, labels, meter)
    moved = (new.tibia != labels.tibia)[~labels.held].mean()
    save_labels(new, asked.out)
    logger.info("%.1f %% of the columns have another floor", 100 * moved)


if __name__ == "__main__":
    main()
