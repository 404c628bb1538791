"""Joint spaces of phantoms are known; what is no joint has a reason and no width."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from kneeoa.datasets.phantom import Phantom, PhantomSpec, make_phantom
from kneeoa.model.grader import KneeGrader
from kneeoa.model.joint_release import meter_of
from kneeoa.model.joint_space import JointSpace, JointSpaceError, JointSpaceMeter, touching_columns
from kneeoa.model.joint_widths import Curves, fixed_places
from kneeoa.model.radiograph import FilmFacts, FloatImage, Radiograph, Side, SideSource, SpacingOrigin
from kneeoa.model.release import DEFAULT_RELEASE, Release, load_release
from kneeoa.training.joint_phantoms import true_minima_mm
from kneeoa.training.release_joint_writing import take_over

PERCENT_OF_A_MM = 100 / 75


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory) -> Release:
    """The default release where it measures joint spaces, else with the shipped joint-space part added."""
    shipped = load_release()
    if shipped.manifest.joint_space is not None:
        return shipped
    return load_release(take_over(DEFAULT_RELEASE, "joint-space-4", tmp_path_factory.mktemp("release") / "joint"))


@pytest.fixture(scope="module")
def meter(release: Release) -> JointSpaceMeter:
    settings = release.manifest.joint_space
    assert settings is not None
    return meter_of(release.contents, settings, device="cpu", threads=1)


def drawn(seed: int, medial: float, lateral: float, side: Side = Side.RIGHT, grade: int = 1) -> Phantom:
    return make_phantom(PhantomSpec(side, grade, seed, (299, 299), None, False, medial, lateral))


def minimum(found: JointSpace, name: str) -> float:
    width = found.compartments[name].minimum_percent
    assert width is not None
    return width


@pytest.mark.parametrize(("medial", "lateral"), [(4.5, 5.5), (2.0, 6.0), (0.8, 7.0), (6.0, 1.5), (7.5, 3.0)])
def test_phantoms_widths_are_found(meter: JointSpaceMeter, medial: float, lateral: float) -> None:
    off = []
    for seed in (40, 41, 42):
        phantom = drawn(seed, medial, lateral)
        found = meter.measure(phantom.pixels, Side.RIGHT, phantom.spec.spacing_mm)
        for name, truth in zip(("medial", "lateral"), true_minima_mm(phantom), strict=True):
            width = found.compartments[name].minimum_mm
            assert width is not None
            off.append(abs(width - truth))
    assert float(np.median(off)) < 0.3
    assert max(off) < 1.0


def test_bone_on_bone_is_contact_and_every_width_is_nothing(meter: JointSpaceMeter) -> None:
    found = meter.measure(drawn(43, 0.0, 5.0, grade=4).pixels, Side.RIGHT)
    medial = found.compartments["medial"]
    assert medial.contact
    assert medial.minimum_px == 0
    assert medial.widths is not None
    assert set(medial.widths.fixed_plateau) == {0.0}
    assert not found.compartments["lateral"].contact


def test_mirrored_copy_has_the_same_widths_to_the_last_digit(meter: JointSpaceMeter) -> None:
    pixels = drawn(44, 3.0, 5.0).pixels
    right = meter.measure(pixels, Side.RIGHT)
    left = meter.measure(np.ascontiguousarray(pixels[:, ::-1]), Side.LEFT)
    for name in ("medial", "lateral"):
        assert minimum(left, name) == minimum(right, name)
    assert left.femur_edge[:, 1] == pytest.approx(298 - right.femur_edge[:, 1])


def test_inverted_copy_has_the_same_widths(meter: JointSpaceMeter) -> None:
    pixels = drawn(45, 4.0, 5.0).pixels
    plain, inverted = meter.measure(pixels, Side.RIGHT), meter.measure(np.float32(1) - pixels, Side.RIGHT)
    for name in ("medial", "lateral"):
        assert minimum(inverted, name) == pytest.approx(minimum(plain, name), abs=0.1)


def test_shift_and_turn_hardly_change_a_width(meter: JointSpaceMeter) -> None:
    pixels = drawn(46, 4.0, 5.0).pixels
    plain = meter.measure(pixels, Side.RIGHT)
    moved = meter.measure(np.pad(pixels, ((20, 0), (15, 0)), mode="edge")[:299, :299], Side.RIGHT)
    for name in ("medial", "lateral"):
        assert abs(minimum(moved, name) - minimum(plain, name)) < PERCENT_OF_A_MM


def test_unknown_side_has_compartments_by_image_side(meter: JointSpaceMeter) -> None:
    pixels = drawn(47, 2.5, 6.0).pixels
    found = meter.measure(pixels, Side.UNKNOWN)
    assert set(found.compartments) == {"image_left", "image_right"}
    assert minimum(found, "image_right") < minimum(found, "image_left")


def test_edges_and_places_lie_where_the_phantom_has_them(meter: JointSpaceMeter) -> None:
    phantom = drawn(48, 4.0, 5.0, Side.LEFT)
    found = meter.measure(phantom.pixels, Side.LEFT)
    assert found.plateau_width_px == pytest.approx(phantom.plateau_width_px, rel=0.05)
    assert found.joint_row is not None
    # Medial lies at image left on a left knee.
    assert found.plateau_ends[0, 1] > found.plateau_ends[1, 1]
    order = np.argsort(phantom.tibia_edge[:, 1])
    inside = found.tibia_edge[(found.tibia_edge[:, 1] > 60) & (found.tibia_edge[:, 1] < 100)]
    truth = np.interp(inside[:, 1], phantom.tibia_edge[order, 1], phantom.tibia_edge[order, 0])
    assert np.abs(inside[:, 0] - truth).mean() < 2.0


@pytest.mark.parametrize(
    ("crop", "words"),
    [
        (np.zeros((30, 30), np.float32), "shape"),
        (np.zeros((100, 200), np.float32), "shape"),
        (np.zeros((3, 100, 100), np.float32), "shape"),
        (np.full((100, 100), np.nan, np.float32), "finite"),
        (np.full((100, 100), 200.0, np.float32), "divide 8 bits"),
    ],
)
def test_what_is_no_crop_is_an_error_that_says_what_is(meter: JointSpaceMeter, crop: FloatImage, words: str) -> None:
    with pytest.raises(JointSpaceError, match=words):
        meter.measure(crop, Side.RIGHT)
    with pytest.raises(JointSpaceError, match="scale"):
        meter.measure(np.zeros((100, 100), np.float32), Side.RIGHT, scale=-1.0)


@pytest.mark.parametrize("grey", [0.0, 0.5, 1.0])
def test_flat_crop_has_quality_nothing_and_a_reason(meter: JointSpaceMeter, grey: float) -> None:
    found = meter.measure(np.full((299, 299), grey, np.float32), Side.LEFT)
    assert found.reason == "no_contrast"
    assert found.quality == 0
    assert all(part.widths is None and part.minimum_px is None for part in found.compartments.values())


def test_noise_a_gradient_and_shaft_alone_have_no_width_to_be_trusted(meter: JointSpaceMeter) -> None:
    rng = np.random.default_rng(0)
    noise = rng.uniform(0, 1, (299, 299)).astype(np.float32)
    ramp = np.broadcast_to(np.linspace(0, 1, 299, dtype=np.float32), (299, 299)).copy()
    shaft = np.repeat(drawn(49, 4.0, 5.0).pixels[:1], 299, axis=0)
    for crop in (noise, ramp, shaft):
        found = meter.measure(crop, Side.RIGHT)
        assert found.reason is not None or found.quality < 0.3


def test_joint_at_the_border_is_not_measured(meter: JointSpaceMeter) -> None:
    pixels = drawn(50, 4.0, 5.0).pixels
    found = meter.measure(np.pad(pixels, ((0, 172), (0, 0)), mode="edge")[172:], Side.RIGHT)
    assert found.reason is not None or found.quality < 0.3


def test_film_has_millimetres_on_its_own_pixels_and_the_detectors_are_called_so(release: Release) -> None:
    grader = KneeGrader(release, device="cpu", threads=1)
    phantom = make_phantom(PhantomSpec(Side.RIGHT, 1, 51, (900, 900), None, False, 4.0, 5.5))
    spacing = (phantom.spec.spacing_mm,) * 2
    facts = FilmFacts("film", rows=900, columns=900, pixel_spacing_mm=spacing, spacing_origin=SpacingOrigin.IMAGER)
    film = Radiograph(pixels=phantom.pixels, facts=facts, side=Side.RIGHT, side_source=SideSource.TAG)
    joint = grader.grade(film).knees[0].joint_space
    assert joint is not None
    for name, truth in zip(("medial", "lateral"), true_minima_mm(phantom), strict=True):
        part = joint[name]
        assert part.minimum_mm == pytest.approx(truth, abs=0.6)
        assert part.millimetres == "detector"
        assert part.jsn is not None
        assert part.jsn.origin == "measured"
        assert part.fixed_plateau is not None
        assert part.zone is not None
        assert list(part.fixed_plateau) == [f"{x:.3f}" for x in fixed_places(part.zone)]
        order = np.argsort(phantom.tibia_edge[:, 1])
        edge = np.array(part.tibia_edge)
        truth_rows = np.interp(edge[:, 1], phantom.tibia_edge[order, 1], phantom.tibia_edge[order, 0])
        assert np.abs(edge[:, 0] - truth_rows).mean() < 6.0
    bare = replace(film, facts=replace(facts, pixel_spacing_mm=None, spacing_origin=SpacingOrigin.NONE))
    unscaled = grader.grade(bare).knees[0].joint_space
    assert unscaled is not None
    assert unscaled["medial"].minimum_mm is None
    assert unscaled["medial"].fixed_unit == "px"
    assert unscaled["medial"].narrowing_percent == pytest.approx(joint["medial"].narrowing_percent)


def test_release_without_a_joint_space_part_grades_without_it(release: Release) -> None:
    manifest = release.manifest.model_copy(update={"joint_space": None})
    grader = KneeGrader(replace(release, manifest=manifest), device="cpu", threads=1)
    phantom = make_phantom(PhantomSpec(Side.RIGHT, 1, 51, (600, 600)))
    film = Radiograph(phantom.pixels, FilmFacts("film"), side=Side.RIGHT, side_source=SideSource.TAG)
    report = grader.grade(film)
    assert report.knees[0].kl is not None
    assert report.knees[0].joint_space is None


def test_bones_whose_edges_lie_apart_do_not_touch() -> None:
    x = np.linspace(0, 1, 4)
    curves = Curves(x, np.full(4, -0.05), np.array([-0.05, -0.045, 0.02, -0.049]))
    logits = np.array([3.0, 3.0, 3.0, -3.0], np.float32)
    assert touching_columns(logits, curves).tolist() == [True, True, False, False]
