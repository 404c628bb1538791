"""What a release refuses, family by family: as fitted, and with a gate that was fitted without the family.

    python -m kneeoa.training.gate_families RELEASE DATA --out DIR [--drawn FILE]

Films are composed from the knees of the split that judges; families are those of `gate_films` and pydicom's own test
objects. Everything is judged on bare pixels: no header helps. The gate is fitted anew for each family that is left out,
on the knees that the release was fitted on (on what `release_finder --keep` has kept of them, where that is given); the
finder is not. It has seen every composed family in training, so the
columns that ask the embedding alone, at the place where the finder is surest, are the ones that say what the gate does
with what it has never met. Nor does any column tell what real films of a family do: all but pydicom's are composed.

Writes `families.csv`, `gate.json`, `families.png` and `thresholds.png`.
"""

from __future__ import annotations

import argparse
import csv
import json
import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from kneeoa.datasets.grade_folders import KneeImage
from kneeoa.datasets.known_metal import without_metal
from kneeoa.model.gate import Gate
from kneeoa.model.grader import KneeGrader
from kneeoa.model.release import FINDER, GATE, KL_NETWORK, METAL, Release, load_release
from kneeoa.training.evaluate_data import read_judged
from kneeoa.training.fit_gate import FittedGate, SampleSizes, draw_fit, draw_held
from kneeoa.training.gate_charts import draw_families, draw_thresholds, threshold_curves
from kneeoa.training.gate_films import REFUSED
from kneeoa.training.gate_judgement import MEASURES, Evidence, FamilyRow, accepted_knees, family_rows
from kneeoa.training.gate_places import Networks, Places, Scout, join
from kneeoa.training.gate_pydicom import graded_objects, pydicom_places
from kneeoa.training.gate_sampling import COMPOSED, GIVEN, Request, sample
from kneeoa.training.kept_places import kept_places
from kneeoa.training.loaders import fit_and_held
from kneeoa.training.release_finder import data_config
from kneeoa.training.report_style import save_png

SEED = 20_261_126
logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class JudgeSizes:
    """How much judges.

    Attributes:
        split: whose knees.
        per_family: exhibits of each family.
        films: composed films of knees.
        workers: processes that draw and look.
        drawn: file of places that the release's gate was fitted on; None draws them anew.
    """

    split: str = "val"
    per_family: int = 100
    films: int = 500
    workers: int = 2
    drawn: Path | None = None


def gate_of(release: Release) -> FittedGate:
    """The gate of a release, with nothing to report."""
    return FittedGate(Gate.from_bytes(release.contents[GATE]), release.manifest.gate, {})


def write_table(rows: Sequence[FamilyRow], path: Path) -> None:
    """`families.csv`: one row a family, three columns a measure."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        parts = [(name, part) for name in MEASURES for part in ("", "_low", "_high")]
        writer.writerow(["family", "group", "says", "asked", "n", *(name + part for name, part in parts)])
        for row in rows:
            shares = [getattr(row, name) for name in MEASURES]
            numbers = [f"{value:.4f}" for share in shares for value in (share.share, share.low, share.high)]
            writer.writerow([row.family, row.group, row.says, row.asked, row.refused.n, *numbers])


def draw_judged_places(knees: Sequence[KneeImage], networks: Networks, sizes: JudgeSizes) -> Places:
    """Every knee as its crop, composed films, and every family, from the knees that judge."""
    asked = [Request(GIVEN, len(knees), SEED), Request(COMPOSED, sizes.films, SEED)]
    asked += [Request(family, sizes.per_family, SEED) for family in REFUSED]
    return sample(asked, knees, networks, sizes.workers)


def _fitted_on(data: Path, networks: Networks, fit_sizes: SampleSizes, sizes: JudgeSizes) -> tuple[Places, Places]:
    """What the release's gate was fitted on, and what of `held` set its thresholds."""
    if sizes.drawn is not None:
        return kept_places(sizes.drawn, networks, fit_sizes)
    fit, held = (without_metal(some) for some in fit_and_held(data_config(data)))
    return draw_fit(fit, networks, fit_sizes, sizes.workers), draw_held(held, networks, fit_sizes, sizes.workers)


def write_families(
    release: str, data: Path, out: Path, fit_sizes: SampleSizes | None = None, sizes: JudgeSizes | None = None
) -> list[FamilyRow]:
    """Draws, judges and writes.

    Args:
        release: name or folder.
        data: the knees that the release was fitted on, and those that judge.
        out: folder to write into.
        fit_sizes: how much is drawn to fit gates anew; None is as when the release was made.
        sizes: how much judges; None is the usual.

    Returns:
        One row a family.

    Raises:
        DatasetError: see `fit_and_held` and `read_judged`.
        ReleaseError: see `load_release`.
    """
    fit_sizes, sizes = fit_sizes or SampleSizes(), sizes or JudgeSizes()
    loaded = load_release(release)
    gate, limits = gate_of(loaded), loaded.manifest.finder
    networks = Networks(loaded.contents[FINDER], loaded.contents[KL_NETWORK], loaded.contents.get(METAL))
    # Every knee of the split that judges, with metal or without: refusing those that bear some costs acceptance here.
    knees = list(read_judged(data, sizes.split).knees)
    composed = draw_judged_places(knees, networks, sizes)
    fit, held = _fitted_on(data, networks, fit_sizes, sizes)
    evidence = Evidence(
        fit=fit,
        held=held,
        judged=join([composed, pydicom_places(Scout(networks))]),
        limits=limits,
    )
    rows = family_rows(gate, evidence)
    sets = {"held": evidence.held, sizes.split: evidence.judged}
    out.mkdir(parents=True, exist_ok=True)
    write_table(rows, out / "families.csv")
    found = {
        "release": {"name": loaded.manifest.name, "sha256": loaded.sha256},
        "split": sizes.split,
        "thresholds": {"gate": gate.thresholds.model_dump(), "finder": limits.model_dump()},
        "families": [asdict(row) for row in rows],
        "knees": {
            name: {part: asdict(share) for part, share in accepted_knees(gate, of, limits).items()}
            for name, of in sets.items()
        },
        "pydicom_objects_through_grade_file": asdict(graded_objects(KneeGrader(loaded, "cpu"))),
    }
    (out / "gate.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    save_png(lambda theme: draw_families(rows, theme), out / "families.png")
    curves = threshold_curves(gate, limits, sets)
    save_png(lambda theme: draw_thresholds(curves, theme), out / "thresholds.png")
    return rows


def main() -> None:
    """Runs `write_families` from the command line."""
    # pydicom and its decoders have much to say about their own test objects.
    logging.basicConfig(level=logging.CRITICAL, format="%(message)s")
    logger.setLevel(logging.INFO)
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("release")
    parser.add_argument("data", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--split", default="val")
    parser.add_argument("--per-family", type=int, default=JudgeSizes().per_family)
    parser.add_argument("--drawn", type=Path, help="from `release_finder --keep`")
    parser.add_argument("--workers", type=int, default=2)
    asked = parser.parse_args()
    sizes = JudgeSizes(asked.split, asked.per_family, workers=asked.workers, drawn=asked.drawn)
    for row in write_families(asked.release, asked.data, asked.out, sizes=sizes):
        logger.info(
            "%-32s %5.1f %% as released, %5.1f %% without the family, %5.1f %% and %5.1f %% by the embedding alone",
            row.family,
            *(100 * s.share for s in (row.refused, row.refused_without)),
            *(100 * s.share for s in (row.embedding_alone, row.embedding_alone_without)),
        )


if __name__ == "__main__":
    main()
