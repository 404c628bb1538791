"""What the header refuses, how the density is measured, and which runtime may be installed."""

from __future__ import annotations

from dataclasses import replace
from importlib import metadata
from pathlib import Path

import numpy as np
import pytest

from kneeoa.model.errors import ReasonCode
from kneeoa.model.film_views import VIEWS_VERSION
from kneeoa.model.gate import Gate, refuse_by_header, refuse_film, refuse_region
from kneeoa.model.localize import KneeRegion
from kneeoa.model.radiograph import FilmFacts, Radiograph
from kneeoa.model.release import FinderThresholds
from kneeoa.model.session import RuntimeSetupError, check_single_onnxruntime

FILM = Radiograph(pixels=np.zeros((1000, 1000), np.float32), facts=FilmFacts("film.dcm", view="PA"), body_part="KNEE")


def code(film: Radiograph) -> ReasonCode | None:
    refusal = refuse_by_header(film)
    return None if refusal is None else refusal.code


def test_a_frontal_adult_knee_passes() -> None:
    assert code(FILM) is None


def test_a_film_that_says_nothing_passes() -> None:
    assert code(replace(FILM, body_part=None, facts=FilmFacts("x.png"))) is None


@pytest.mark.parametrize("part", ["FOOT", "HAND", "CHEST", "LSPINE", "SHOULDER"])
def test_another_body_part_is_not_a_knee(part: str) -> None:
    assert code(replace(FILM, body_part=part)) is ReasonCode.NOT_A_KNEE


@pytest.mark.parametrize(("part", "named"), [("R FOOT 3V", "foot"), ("MUSTERMANN^ERIKA", "another part of the body")])
def test_the_message_names_a_body_part_and_quotes_nothing_else(part: str, named: str) -> None:
    refusal = refuse_by_header(replace(FILM, body_part=part))
    assert refusal is not None
    assert named in refusal.message
    assert "MUSTERMANN" not in refusal.message


@pytest.mark.parametrize("part", ["KNEE", "Knee", "R KNEE 2V", "KNIE", "GENOU"])
def test_the_knee_is_known_in_several_spellings(part: str) -> None:
    assert code(replace(FILM, body_part=part)) is None


@pytest.mark.parametrize(
    "view", ["LL", "RL", "LATERAL", "OBLIQUE", "SKYLINE", "LLO", "AP OBLIQUE", "PA LATERAL", "AXIAL"]
)
def test_other_views_are_not_frontal(view: str) -> None:
    assert code(replace(FILM, facts=FilmFacts("x", view=view))) is ReasonCode.NOT_FRONTAL


@pytest.mark.parametrize("view", ["AP", "PA", "pa", "AP STANDING", "antero-posterior", "Rosenberg"])
def test_frontal_views_pass(view: str) -> None:
    assert code(replace(FILM, facts=FilmFacts("x", view=view))) is None


@pytest.mark.parametrize(("age", "expected"), [(17.9, ReasonCode.CHILD), (18.0, None), (0.5, ReasonCode.CHILD)])
def test_children_are_refused(age: float, expected: ReasonCode | None) -> None:
    assert code(replace(FILM, patient_age_years=age)) is expected


@pytest.mark.parametrize("part", ["LEG", "LOWER EXTREMITY", "FEMUR", "PATELLA", "HIP"])
def test_parts_under_which_long_films_are_filed_are_left_to_the_picture(part: str) -> None:
    assert code(replace(FILM, body_part=part)) is None


NOISE = np.random.default_rng(0).random((400, 300)).astype(np.float32)


@pytest.mark.parametrize(
    ("film", "knees", "expected"),
    [
        (replace(FILM, pixels=NOISE), 1, None),
        (replace(FILM, pixels=NOISE), 2, None),
        (replace(FILM, pixels=NOISE), 3, ReasonCode.TOO_MANY_KNEES),
        (replace(FILM, pixels=NOISE), 0, ReasonCode.NOT_FRONTAL),
        (replace(FILM, pixels=NOISE, body_part=None), 0, ReasonCode.NOT_A_KNEE),
        (replace(FILM, pixels=(NOISE > 0.9).astype(np.float32)), 0, ReasonCode.UNREADABLE_EXPOSURE),
        (replace(FILM, pixels=np.float32(0.2) + (NOISE > 0.6) * np.float32(0.5)), 0, ReasonCode.NOT_A_RADIOGRAPH),
    ],
)
def test_a_film_is_refused_for_what_was_found_on_it(film: Radiograph, knees: int, expected: ReasonCode | None) -> None:
    refusal = refuse_film(film, knees)
    assert (None if refusal is None else refusal.code) is expected


LIMITS = FinderThresholds(views=VIEWS_VERSION, confidence=0.3, implant=0.5, seen_share=0.97, side=0.9)


@pytest.mark.parametrize(
    ("centre", "implant", "angle", "expected"),
    [
        ((500.0, 500.0), 0.1, 0.0, None),
        ((500.0, 500.0), 0.6, 0.0, ReasonCode.IMPLANT),
        ((500.0, 140.0), 0.1, 0.0, ReasonCode.INCOMPLETE_KNEE),
        ((500.0, 140.0), 0.1, 180.0, ReasonCode.INCOMPLETE_KNEE),
        ((60.0, 500.0), 0.1, 0.0, ReasonCode.INCOMPLETE_KNEE),
        ((500.0, 120.0), 0.1, 90.0, None),
    ],
)
def test_a_knee_with_metal_or_cut_by_the_edge_is_refused(
    centre: tuple[float, float], implant: float, angle: float, expected: ReasonCode | None
) -> None:
    region = KneeRegion(centre, 300.0, angle, 0.9, implant, 0.9, 0.02)
    refusal = refuse_region(region, (1000, 1000), LIMITS)
    assert (None if refusal is None else refusal.code) is expected


@pytest.mark.parametrize(("limit", "refused"), [(None, False), (0.5, True), (0.95, False)])
def test_the_metal_network_refuses_where_a_release_has_one(limit: float | None, refused: bool) -> None:
    region = KneeRegion((500.0, 500.0), 300.0, 0.0, 0.9, 0.1, 0.9, 0.02, metal=0.9)
    refusal = refuse_region(region, (1000, 1000), LIMITS.model_copy(update={"metal": limit}))
    assert (refusal is not None and refusal.code is ReasonCode.IMPLANT) is refused


def test_distance_grows_with_how_unusual_an_embedding_is() -> None:
    rng = np.random.default_rng(0)
    directions = np.linalg.qr(rng.normal(size=(20, 20)))[0][:4]
    gate = Gate(
        mean=np.ones(20, np.float32),
        components=(directions / 2.0).astype(np.float32),
        residual_spread=1.5,
        framing=np.zeros(21, np.float32),
        looks=np.zeros(9, np.float32),
    )
    centre = np.ones((1, 20), np.float32)
    within = centre + 2 * 3 * directions[:1].astype(np.float32)
    beyond = centre + 3 * 1.5 * np.linalg.svd(directions)[2][-1:].astype(np.float32)
    assert gate.distance(centre)[0] == pytest.approx(0, abs=1e-5)
    # Three deviations along one of four directions; three along the rest.
    assert gate.distance(within)[0] == pytest.approx(np.sqrt(9 / 4 / 2), rel=1e-4)
    assert gate.distance(beyond)[0] == pytest.approx(np.sqrt(9 / 2), rel=1e-4)


def test_exactly_one_runtime_is_installed_here() -> None:
    assert check_single_onnxruntime() in ("onnxruntime", "onnxruntime-gpu", "onnxruntime-openvino")


def test_two_runtimes_are_refused_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    present = {d.metadata["Name"] for d in metadata.distributions() if d.metadata["Name"].startswith("onnxruntime")}
    second = "onnxruntime-gpu" if "onnxruntime-gpu" not in present else "onnxruntime"
    folder = tmp_path / f"{second.replace('-', '_')}-1.0.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {second}\nVersion: 1.0\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    with pytest.raises(RuntimeSetupError, match=f"{second}.*both installed|both installed") as caught:
        check_single_onnxruntime()
    assert second in str(caught.value)
    assert "pip uninstall" in str(caught.value)
