"""The table and the pictures of a gate, on made-up places."""

from __future__ import annotations

import csv
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from kneeoa.model.errors import ReleaseError
from kneeoa.model.release import FinderThresholds
from kneeoa.training.fit_gate import SampleSizes, fit_gate
from kneeoa.training.gate_charts import draw_families, draw_thresholds, threshold_curves
from kneeoa.training.gate_families import write_table
from kneeoa.training.gate_films import FILMS, FRAMINGS, REFUSED
from kneeoa.training.gate_judgement import Evidence, FamilyRow, family_rows
from kneeoa.training.gate_places import Networks, Places
from kneeoa.training.gate_pydicom import PYDICOM
from kneeoa.training.gate_sampling import COMPOSED, FRAMED, GIVEN
from kneeoa.training.kept_places import keep_places, kept_places
from kneeoa.training.report_style import save_png

LIMITS = FinderThresholds(views="made-up", confidence=0.4, implant=0.6, seen_share=0.97, side=0.9)


def some(seed: int, count: int = 40) -> Places:
    """Knees, every family to refuse, and pydicom's objects; each family has a direction of its own."""
    rng = np.random.default_rng(seed)
    names = [FRAMED, GIVEN, COMPOSED, *REFUSED, PYDICOM]
    family = np.repeat(names, count)
    known = np.isin(family, [FRAMED, GIVEN, COMPOSED])
    embedding = rng.normal(size=(len(family), 64))
    for i, name in enumerate(REFUSED):
        embedding[family == name, i] += 7
    embedding[family == PYDICOM, 63] += 7
    features = rng.normal(size=(len(family), 8))
    features[~known, 0] += 5
    return Places(
        family=family,
        unit=np.tile(np.arange(count), len(names)),
        surest=np.ones(len(family), dtype=bool),
        embedding=embedding.astype(np.float32),
        confidence=np.where(known, 0.8, rng.uniform(0, 0.8, len(family))),
        implant=np.where(np.char.startswith(family, "implant"), 0.7, 0.1),
        metal=np.zeros(len(family)),
        side=np.full(len(family), 0.95),
        seen_share=np.ones(len(family)),
        features=np.where(np.isin(family, list(FRAMINGS))[:, None], np.nan, features).astype(np.float32),
    )


@pytest.fixture(scope="module")
def evidence() -> Evidence:
    return Evidence(some(1), some(2), some(3), LIMITS)


@pytest.fixture(scope="module")
def rows(evidence: Evidence) -> list[FamilyRow]:
    return family_rows(fit_gate(evidence.fit, evidence.held, LIMITS), evidence)


def test_the_table_has_a_row_a_family_and_an_interval_a_share(rows: list[FamilyRow], tmp_path: Path) -> None:
    write_table(rows, tmp_path / "families.csv")
    with (tmp_path / "families.csv").open(encoding="utf-8") as file:
        read = list(csv.DictReader(file))
    assert [row["family"] for row in read] == [*REFUSED, PYDICOM]
    for row in read:
        assert float(row["refused_low"]) <= float(row["refused"]) <= float(row["refused_high"])
        assert row["asked"] == ("film" if row["family"] in FILMS or row["family"] == PYDICOM else "crop")
        assert row["n"] == "40"


def test_no_gate_is_fitted_on_pydicoms_objects(rows: list[FamilyRow]) -> None:
    last = rows[-1]
    assert last.family == PYDICOM
    assert last.refused == last.refused_without == last.refused_without_group


def test_a_family_that_was_left_out_is_refused_less_where_only_the_rule_knew_it(rows: list[FamilyRow]) -> None:
    gained = [row.embedding_alone.share - row.embedding_alone_without.share for row in rows[:-1]]
    assert np.mean(gained) >= 0


def test_thresholds_trade_knees_for_families(evidence: Evidence, tmp_path: Path) -> None:
    gate = fit_gate(evidence.fit, evidence.held, LIMITS)
    curves = threshold_curves(gate, LIMITS, {"held": evidence.held, "val": evidence.judged})
    assert len(curves) == 5
    for curve in curves:
        stricter_last = curve.at[0] > curve.at[-1]
        assert stricter_last == curve.name.endswith("at least")
        # Along each curve the threshold gets more lenient: never fewer knees, never more refusals.
        assert all((np.diff(share) >= 0).all() for share in curve.accepted.values())
        assert (np.diff(curve.refused) <= 0).all()
    confidence = curves[0]
    accepted = np.interp(-0.5, -confidence.at, confidence.accepted["val"])
    assert accepted == pytest.approx(1)
    save_png(lambda theme: draw_thresholds(curves, theme), tmp_path / "thresholds.png", dpi=60)
    with Image.open(tmp_path / "thresholds.png") as picture:
        assert picture.width > 400


def test_the_picture_has_room_for_every_family(rows: list[FamilyRow], tmp_path: Path) -> None:
    few, all_of_them = tmp_path / "few.png", tmp_path / "all.png"
    save_png(lambda theme: draw_families(rows[:5], theme), few, dpi=60)
    save_png(lambda theme: draw_families(rows, theme), all_of_them, dpi=60)
    with Image.open(few) as small, Image.open(all_of_them) as large:
        assert large.height > 2 * small.height


def test_kept_places_come_back_for_the_networks_that_looked_and_for_no_others(tmp_path: Path) -> None:
    networks, sizes, file = Networks(b"finder", b"grader", b"metal"), SampleSizes(), tmp_path / "drawn.npz"
    drawn = some(1, 3), some(2, 3)
    keep_places(file, drawn, networks, sizes)
    for kept, was in zip(kept_places(file, networks, sizes), drawn, strict=True):
        for column in fields(Places):
            np.testing.assert_array_equal(getattr(kept, column.name), getattr(was, column.name))
    with pytest.raises(ReleaseError, match="draw anew"):
        kept_places(file, replace(networks, metal=None), sizes)
    with pytest.raises(ReleaseError, match="draw anew"):
        kept_places(file, networks, replace(sizes, films=1))
