"""Gives a release a new finder: exported, with thresholds and a gate fitted anew, on crops and on composed films.

    python -m kneeoa.training.release_finder BASE FINDER.pt DATA --name NAME [--metal METAL.pt] [--out DIR]
        [--keep F | --drawn F]

BASE is a release whose KL network is kept, and its metal network where no other is given. DATA are the knees that the
KL network was trained on, a folder in the published layout or a table; `held` is cut out of them as always, and sets
every threshold. F keeps what was drawn, to be fitted on again, and for `gate_families --drawn F`. FINDER.pt may be the
`finder.onnx` of a release, and METAL.pt its `metal.onnx`.
"""

from __future__ import annotations

import argparse
import json
import logging
from dataclasses import dataclass
from pathlib import Path

from kneeoa.configs.schema import DataConfig
from kneeoa.datasets.known_metal import without_metal
from kneeoa.model.release import MANIFEST, METAL, load_release, release_folder
from kneeoa.training.export_finder import export_finder, load_finder
from kneeoa.training.export_metal import export_metal, load_metal
from kneeoa.training.finder_thresholds import finder_report, fit_finder_thresholds
from kneeoa.training.fit_gate import SampleSizes, draw_fit, draw_held, fit_gate
from kneeoa.training.gate_places import Networks
from kneeoa.training.kept_places import keep_places, kept_places
from kneeoa.training.loaders import fit_and_held
from kneeoa.training.release_parts import FindingPart, assemble, grading_part, release_target

logger = logging.getLogger(__name__)


def data_config(data: Path) -> DataConfig:
    """Knees in a folder of the published layout, or in a table."""
    return DataConfig(format="folders" if data.is_dir() else "table", root=data)


@dataclass(frozen=True, slots=True)
class Runs:
    """What was trained.

    Attributes:
        finder: `finder.pt` of a run.
        metal: `metal.pt` of another; None keeps the base's network, where it has one.
        keep: file to keep drawn places in, or None.
        drawn: file of places that were kept; None draws them.
    """

    finder: Path
    metal: Path | None = None
    keep: Path | None = None
    drawn: Path | None = None


def release_finder(
    base: str, runs: Runs, data: Path, target: Path, sizes: SampleSizes | None = None, workers: int = 2
) -> Path:
    """Writes a release with a new finder.

    Args:
        base: name or folder of the release whose KL network is kept.
        runs: of the finder, and of the metal network.
        data: knees that the KL network was trained on, with `held` among them.
        target: from `release_target`.
        sizes: how much is drawn; None is the usual.
        workers: processes that draw and look.

    Returns:
        The release's folder.

    Raises:
        ReleaseError: the base is missing or altered, or a part is larger than its budget.
        DatasetError: see `fit_and_held`.
    """
    sizes = sizes or SampleSizes()
    grading = grading_part(base)
    metal = metal_of(base) if runs.metal is None else metal_network(runs.metal)
    networks = Networks(finder_of(runs.finder), grading.network, metal)
    if runs.drawn is not None:
        learnt, seen = kept_places(runs.drawn, networks, sizes)
    else:
        fit, held = (without_metal(knees) for knees in fit_and_held(data_config(data)))
        seen, learnt = draw_held(held, networks, sizes, workers), draw_fit(fit, networks, sizes, workers)
    if runs.keep is not None:
        keep_places(runs.keep, (learnt, seen), networks, sizes)
    limits = fit_finder_thresholds(seen, sizes.films, metal is not None)
    finding = FindingPart(networks.finder, limits, finder_report(seen, sizes.films, limits), metal)
    logger.info("%s %s", limits.model_dump_json(), json.dumps(finding.metrics))
    gate = fit_gate(learnt, seen, limits)
    logger.info("%s %s", gate.thresholds.model_dump_json(), json.dumps(gate.report))
    return assemble(grading, finding, gate, target)


def finder_of(run: Path) -> bytes:
    """The finder of a run, exported; that of a release, as it is."""
    return run.read_bytes() if run.suffix == ".onnx" else export_finder(load_finder(run))


def metal_network(run: Path) -> bytes:
    """The metal network of a run, exported; that of a release, as it is."""
    return run.read_bytes() if run.suffix == ".onnx" else export_metal(load_metal(run))


def metal_of(base: str) -> bytes | None:
    """The metal network of a release, where it is one that this version reads and has one."""
    if not (release_folder(base) / MANIFEST).is_file():
        return None
    return load_release(base).contents.get(METAL)


def main() -> None:
    """Runs `release_finder` from the command line."""
    # The exporter's libraries tell every graph rewrite at INFO.
    logging.basicConfig(format="%(message)s")
    logger.setLevel(logging.INFO)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("base")
    parser.add_argument("run", type=Path)
    parser.add_argument("data", type=Path)
    parser.add_argument("--name", required=True)
    parser.add_argument("--metal", type=Path, help="a metal.pt; without it the base's network is kept")
    parser.add_argument("--out", type=Path)
    parser.add_argument("--keep", type=Path, help="file for what was drawn, for `gate_families --drawn`")
    parser.add_argument("--drawn", type=Path, help="what `--keep` has kept: fit on it instead of drawing anew")
    parser.add_argument("--workers", type=int, default=2)
    asked = parser.parse_args()
    target = release_target(asked.name, asked.out)
    runs = Runs(asked.run, asked.metal, asked.keep, asked.drawn)
    logger.info("%s", release_finder(asked.base, runs, asked.data, target, workers=asked.workers))


if __name__ == "__main__":
    main()
