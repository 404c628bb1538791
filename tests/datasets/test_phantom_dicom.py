"""One picture in every DICOM encoding: whatever is a true rendering of it is read back as this picture."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.dataset import Dataset
from pydicom.pixels.processing import apply_color_lut

from kneeoa.datasets.phantom_choices import (
    FilmObject,
    LateralityStatement,
    PhotometricInterpretation,
    SpacingStatement,
    ViewStatement,
    Window,
)
from kneeoa.datasets.phantom_dicom import FilmHeader, film_dataset
from kneeoa.datasets.phantom_encoding import FilmEncoding
from kneeoa.datasets.phantom_statements import MAGNIFICATION
from kneeoa.datasets.transfer_syntax import ENCODABLE, LOSSY, NAMES, NARROW, syntax_uid
from kneeoa.model.dicom import read_radiograph
from kneeoa.model.dicom_codecs import COMPRESSED
from kneeoa.model.errors import FilmError, ReasonCode
from kneeoa.model.radiograph import FloatImage, Radiograph, Side, SideSource, SpacingOrigin

CR, SC = FilmObject.CR, FilmObject.SC
M1, M2 = PhotometricInterpretation.MONOCHROME1, PhotometricInterpretation.MONOCHROME2
SPACING_MM = 0.15
LOSSY_ERROR = 0.03
"""Of the display's range, on the smooth picture below."""
BEND = {Window.SIGMOID: 4.0, Window.VOI_LUT: 2.0}
"""How many stored steps of a straight window one stored step is worth where the curve is steepest."""


@pytest.fixture(scope="module")
def picture() -> FloatImage:
    """(60, 88) float32 over all of [0, 1], like nothing that turning or mirroring leaves alone."""
    rows, columns = np.mgrid[:60, :88]
    smooth = np.sin(columns / 9) + np.cos(rows / 7) + columns / 40 + rows / 60
    spread: FloatImage = ((smooth - smooth.min()) / (smooth.max() - smooth.min())).astype(np.float32)
    return spread


def written(
    picture: FloatImage, encoding: FilmEncoding, folder: Path, side: Side = Side.RIGHT, view: str = "PA"
) -> tuple[Path, Dataset]:
    header = FilmHeader("PHANTOM-0", side, SPACING_MM, "study", "image", view)
    dataset = film_dataset(picture, header, encoding)
    dataset.save_as(folder / "film.dcm", enforce_file_format=True)
    return folder / "film.dcm", dataset


def read(
    picture: FloatImage, encoding: FilmEncoding, folder: Path, side: Side = Side.RIGHT, view: str = "PA"
) -> Radiograph:
    return read_radiograph(written(picture, encoding, folder, side, view)[0])


def lies(picture: FloatImage, encoding: FilmEncoding) -> FloatImage:
    """The picture as the film stores it, by plain turns of 90 degrees clockwise."""
    lying = picture[:, ::-1] if encoding.mirrored else picture
    for _ in range(encoding.rotation_degrees // 90):
        lying = lying.T[:, ::-1]
    return lying


def tolerance(encoding: FilmEncoding) -> float:
    """Half a stored step, as steep as the curve may be, and the sigmoid's tails."""
    steps = (1 << encoding.bits_stored) - 1 - (1 if encoding.padding_px else 0)
    steepest = BEND.get(encoding.window, 1.0) * (2.0 if encoding.modality_lut else 1.0)
    tails = 0.0004 if encoding.window is Window.SIGMOID else 0.0
    lossy = LOSSY_ERROR if encoding.transfer_syntax in LOSSY else 0.0
    return 0.5 * steepest / steps + tails + lossy + 2e-5  # the last: tables have 16 bits, and DS sixteen characters


def check(picture: FloatImage, encoding: FilmEncoding, folder: Path) -> None:
    radiograph = read(picture, encoding, folder)
    expected = lies(picture, encoding).copy()
    if encoding.padding_px:
        inner = (slice(encoding.padding_px, -encoding.padding_px),) * 2
        kept, expected = expected[inner].copy(), np.zeros_like(expected)
        expected[inner] = kept
    np.testing.assert_allclose(radiograph.pixels, expected, rtol=0, atol=tolerance(encoding))
    assert radiograph.flags == ()


TRUE_WINDOWS = [window for window in Window if window not in {Window.ABSENT, Window.WRONG}]


@pytest.mark.parametrize("window", TRUE_WINDOWS)
@pytest.mark.parametrize("photometric", [M1, M2])
@pytest.mark.parametrize("film_object", list(FilmObject))
def test_every_true_window_shows_the_picture(
    picture: FloatImage, film_object: FilmObject, photometric: PhotometricInterpretation, window: Window, tmp_path: Path
) -> None:
    check(picture, FilmEncoding(film_object=film_object, photometric=photometric, window=window), tmp_path)


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("window", TRUE_WINDOWS)
def test_every_depth_and_sign_shows_the_picture(
    picture: FloatImage, bits: int, signed: bool, window: Window, tmp_path: Path
) -> None:
    check(picture, FilmEncoding(CR, bits_stored=bits, signed=signed, window=window), tmp_path)


@pytest.mark.parametrize(("bits", "high_bit"), [(8, 15), (10, 11), (12, 15), (12, 13), (14, 15)])
@pytest.mark.parametrize("signed", [False, True])
def test_left_aligned_bits_show_the_picture(
    picture: FloatImage, bits: int, high_bit: int, signed: bool, tmp_path: Path
) -> None:
    check(picture, FilmEncoding(CR, bits_stored=bits, high_bit=high_bit, signed=signed), tmp_path)


RESCALES = [(1.0, -1024.0, False), (2.5, 37.5, False), (0.25, 0.0, False), (1.0, 32768.0, True), (1.0, -32768.0, False)]


@pytest.mark.parametrize(("slope", "intercept", "signed"), RESCALES)
@pytest.mark.parametrize("bits", [12, 16])
@pytest.mark.parametrize("window", [Window.LINEAR, Window.LINEAR_EXACT, Window.SIGMOID, Window.SEVERAL])
def test_every_rescale_shows_the_picture(
    picture: FloatImage, *, slope: float, intercept: float, signed: bool, bits: int, window: Window, tmp_path: Path
) -> None:
    said = FilmEncoding(
        CR, bits_stored=bits, signed=signed, rescale_slope=slope, rescale_intercept=intercept, window=window
    )
    check(picture, said, tmp_path)


@pytest.mark.parametrize("intercept", [-1024.0, 0.0, 20000.0])
@pytest.mark.parametrize("slope", [1.0, 3.0])
@pytest.mark.parametrize("syntax", ["implicit", "explicit", "big-endian", "deflated"])
def test_table_after_a_rescale_shows_the_picture(
    picture: FloatImage, slope: float, intercept: float, syntax: str, tmp_path: Path
) -> None:
    said = FilmEncoding(CR, syntax_uid(syntax), window=Window.VOI_LUT, rescale_slope=slope, rescale_intercept=intercept)
    check(picture, said, tmp_path)


@pytest.mark.parametrize("window", TRUE_WINDOWS)
@pytest.mark.parametrize("photometric", [M1, M2])
@pytest.mark.parametrize(("bits", "signed"), [(8, False), (12, True), (16, True)])
@pytest.mark.parametrize("syntax", ["implicit", "explicit", "big-endian"])
def test_modality_table_shows_the_picture(
    picture: FloatImage,
    *,
    window: Window,
    photometric: PhotometricInterpretation,
    bits: int,
    signed: bool,
    syntax: str,
    tmp_path: Path,
) -> None:
    said = FilmEncoding(
        CR,
        syntax_uid(syntax),
        photometric,
        bits_stored=bits,
        signed=signed,
        modality_lut=True,
        window=window,
    )
    check(picture, said, tmp_path)


@pytest.mark.parametrize("photometric", [M1, M2])
@pytest.mark.parametrize("window", TRUE_WINDOWS)
@pytest.mark.parametrize(("film_object", "signed"), [(FilmObject.DX, False), (CR, True), (SC, False)])
@pytest.mark.parametrize("bits", [8, 12, 16])
def test_padding_is_black_and_the_rest_the_picture(
    picture: FloatImage,
    *,
    photometric: PhotometricInterpretation,
    window: Window,
    film_object: FilmObject,
    signed: bool,
    bits: int,
    tmp_path: Path,
) -> None:
    said = FilmEncoding(
        film_object, photometric=photometric, window=window, signed=signed, bits_stored=bits, padding_px=7
    )
    check(picture, said, tmp_path)


def test_signed_table_of_more_than_32767_entries_shows_the_picture(picture: FloatImage, tmp_path: Path) -> None:
    check(picture, FilmEncoding(CR, signed=True, bits_stored=16, window=Window.VOI_LUT, padding_px=7), tmp_path)


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
@pytest.mark.parametrize("photometric", [M1, M2])
@pytest.mark.parametrize("uid", sorted(ENCODABLE))
def test_every_transfer_syntax_shows_the_picture(
    picture: FloatImage, uid: str, photometric: PhotometricInterpretation, bits: int, tmp_path: Path
) -> None:
    most = {NAMES["jpeg-baseline"]: 8, NAMES["jpeg-extended"]: 12}.get(uid, 16)
    if bits > most:
        with pytest.raises(ValueError, match=f"holds {most} bits"):
            FilmEncoding(CR, uid, photometric, bits_stored=bits)
        return
    if bits == 8:
        check(picture, FilmEncoding(SC, uid, photometric, bits_stored=8, bits_allocated=8), tmp_path)
    if bits > 8 or uid not in NARROW:
        check(picture, FilmEncoding(CR, uid, photometric, bits_stored=bits), tmp_path)


@pytest.mark.parametrize("uid", sorted(COMPRESSED & ENCODABLE - LOSSY))
@pytest.mark.parametrize("window", [Window.LINEAR, Window.VOI_LUT])
@pytest.mark.parametrize("bits", [8, 12, 14, 16])
def test_compressed_signed_film_shows_the_picture(
    picture: FloatImage, uid: str, window: Window, bits: int, tmp_path: Path
) -> None:
    said = FilmEncoding(CR, uid, bits_stored=bits, bits_allocated=8 if bits == 8 else 16, signed=True, window=window)
    check(picture, said, tmp_path)
    check(picture, replace(said, padding_px=4), tmp_path)


ORIENTATIONS = [
    (0, False, ("L", "F")),
    (90, False, ("H", "L")),
    (180, False, ("R", "H")),
    (270, False, ("F", "R")),
    (0, True, ("R", "F")),
    (90, True, ("H", "R")),
    (180, True, ("L", "H")),
    (270, True, ("F", "L")),
]


@pytest.mark.parametrize(("degrees", "mirrored", "directions"), ORIENTATIONS)
def test_patient_orientation_follows_the_picture(
    picture: FloatImage, degrees: int, mirrored: bool, directions: tuple[str, str], tmp_path: Path
) -> None:
    said = FilmEncoding(rotation_degrees=degrees, mirrored=mirrored)
    check(picture, said, tmp_path)
    assert tuple(written(picture, said, tmp_path)[1].PatientOrientation) == directions
    mute = FilmEncoding(rotation_degrees=degrees, mirrored=mirrored, patient_orientation=False)
    check(picture, mute, tmp_path)
    assert "PatientOrientation" not in written(picture, mute, tmp_path)[1]


def test_feet_follow_a_real_turn(tmp_path: Path) -> None:
    feet_bright = np.tile(np.linspace(0, 1, 60, dtype=np.float32)[:, None], (1, 88))
    read_back = read(feet_bright, FilmEncoding(rotation_degrees=90), tmp_path).pixels
    assert read_back.shape == (88, 60)
    assert read_back[:, 0].min() > read_back[:, -1].max()  # of a clockwise quarter turn, down comes to lie at left


@pytest.mark.parametrize("photometric", [M1, M2])
def test_without_a_window_the_picture_keeps_its_order(
    picture: FloatImage, photometric: PhotometricInterpretation, tmp_path: Path
) -> None:
    for window, flag in ((Window.ABSENT, "no_window"), (Window.WRONG, "window_ignored")):
        radiograph = read(picture, FilmEncoding(photometric=photometric, window=window), tmp_path)
        assert radiograph.flags == (flag,)
        low, high = np.quantile(picture, (0.005, 0.995))
        np.testing.assert_allclose(radiograph.pixels, np.clip((picture - low) / (high - low), 0, 1), atol=0.003)


def test_grey_in_three_colours_is_the_picture(picture: FloatImage, tmp_path: Path) -> None:
    colours = PhotometricInterpretation.RGB
    check(picture, FilmEncoding(SC, photometric=colours, bits_stored=8, bits_allocated=8), tmp_path)


def test_palette_is_refused_by_name(picture: FloatImage, tmp_path: Path) -> None:
    indices = FilmEncoding(SC, photometric=PhotometricInterpretation.PALETTE_COLOR, bits_stored=8, bits_allocated=8)
    path, dataset = written(picture, indices, tmp_path)
    seen = apply_color_lut(dataset.pixel_array, dataset)[..., 1] / 65535
    np.testing.assert_allclose(seen, picture, atol=0.5 / 255 + 1e-6)
    with pytest.raises(FilmError) as caught:
        read_radiograph(path)
    assert caught.value.refusal.code is ReasonCode.PALETTE


SIDES = [
    (LateralityStatement.IMAGE_LATERALITY, SideSource.TAG, ()),
    (LateralityStatement.LATERALITY, SideSource.TAG, ()),
    (LateralityStatement.ANATOMIC_REGION, SideSource.TAG, ()),
    (LateralityStatement.FRAME_ANATOMY, SideSource.TAG, ()),
    (LateralityStatement.PATIENT_ORIENTATION, SideSource.NONE, ()),
    (LateralityStatement.NONE, SideSource.NONE, ()),
    (LateralityStatement.CONFLICTING, SideSource.TAG, ("side_conflict",)),
]


@pytest.mark.parametrize(("by", "source", "flags"), SIDES)
@pytest.mark.parametrize("side", [Side.RIGHT, Side.LEFT])
@pytest.mark.parametrize("syntax", ["implicit", "explicit", "jpeg-lossless"])
def test_side_is_read_wherever_it_is_stated(
    picture: FloatImage,
    *,
    by: LateralityStatement,
    source: SideSource,
    flags: tuple[str, ...],
    side: Side,
    syntax: str,
    tmp_path: Path,
) -> None:
    radiograph = read(picture, FilmEncoding(transfer_syntax=syntax_uid(syntax), laterality=by), tmp_path, side)
    assert radiograph.side is (side if source is SideSource.TAG else Side.UNKNOWN)
    assert radiograph.side_source is source
    assert radiograph.flags == flags


@pytest.mark.parametrize(
    "by",
    [
        LateralityStatement.IMAGE_LATERALITY,
        LateralityStatement.ANATOMIC_REGION,
        LateralityStatement.FRAME_ANATOMY,
    ],
)
def test_both_knees_are_bilateral_wherever_it_is_stated(
    picture: FloatImage, by: LateralityStatement, tmp_path: Path
) -> None:
    radiograph = read(picture, FilmEncoding(laterality=by), tmp_path, Side.UNKNOWN)
    assert radiograph.side is Side.UNKNOWN
    assert radiograph.flags == ("bilateral",)


def test_the_series_cannot_say_both(picture: FloatImage, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="cannot say both"):
        read(picture, FilmEncoding(laterality=LateralityStatement.LATERALITY), tmp_path, Side.UNKNOWN)


@pytest.mark.parametrize(
    ("statement", "spacing_mm", "origin"),
    [
        (SpacingStatement.BOTH, SPACING_MM, SpacingOrigin.PIXEL),
        (SpacingStatement.PIXEL, SPACING_MM, SpacingOrigin.PIXEL),
        (SpacingStatement.IMAGER, SPACING_MM * MAGNIFICATION, SpacingOrigin.IMAGER),
        (SpacingStatement.NONE, None, SpacingOrigin.NONE),
    ],
)
@pytest.mark.parametrize("film_object", list(FilmObject))
def test_spacing_is_read_with_its_origin(
    picture: FloatImage,
    statement: SpacingStatement,
    spacing_mm: float | None,
    origin: SpacingOrigin,
    film_object: FilmObject,
    tmp_path: Path,
) -> None:
    facts = read(picture, FilmEncoding(film_object, spacing=statement), tmp_path).facts
    assert facts.pixel_spacing_mm == (None if spacing_mm is None else pytest.approx((spacing_mm, spacing_mm)))
    assert facts.spacing_origin is origin


@pytest.mark.parametrize("view", ["PA", "AP", "LL", "RL"])
def test_view_is_read_from_its_term_or_its_code(picture: FloatImage, view: str, tmp_path: Path) -> None:
    for statement in (ViewStatement.BOTH, ViewStatement.POSITION, ViewStatement.CODE):
        assert read(picture, FilmEncoding(view=statement), tmp_path, view=view).facts.view == view
    assert read(picture, FilmEncoding(view=ViewStatement.NONE), tmp_path, view=view).facts.view == "unknown"


def test_body_part_and_age_are_as_stated(picture: FloatImage, tmp_path: Path) -> None:
    said = read(picture, FilmEncoding(body_part="LEG", age_years=71), tmp_path)
    assert (said.body_part, said.patient_age_years) == ("LEG", 71.0)
    path, dataset = written(picture, FilmEncoding(CR, body_part=None, age_years=12), tmp_path)
    del dataset.PatientAge  # the birth date says it too
    dataset.save_as(path, enforce_file_format=True)
    assert read_radiograph(path).patient_age_years == pytest.approx(12, abs=0.01)
    mute = read(picture, FilmEncoding(CR, body_part=None, age_years=None), tmp_path)
    assert (mute.body_part, mute.patient_age_years) == (None, None)


@pytest.mark.parametrize("uid", sorted(LOSSY))
def test_lossy_film_says_that_it_is(picture: FloatImage, uid: str, tmp_path: Path) -> None:
    dataset = pydicom.dcmread(written(picture, FilmEncoding(CR, uid, bits_stored=8, bits_allocated=8), tmp_path)[0])
    assert dataset.LossyImageCompression == "01"
    assert dataset.LossyImageCompressionRatio > 1
    assert dataset.LossyImageCompressionMethod.startswith("ISO_1")
    assert dataset.ImageType[0] == "DERIVED"


def test_other_encodings_are_other_instances_of_one_study(picture: FloatImage, tmp_path: Path) -> None:
    encodings = [FilmEncoding(), FilmEncoding(CR), FilmEncoding(rotation_degrees=90), FilmEncoding(window=Window.WRONG)]
    films = [written(picture, encoding, tmp_path)[1] for encoding in encodings]
    assert len({film.SOPInstanceUID for film in films}) == len(films)
    assert len({film.StudyInstanceUID for film in films}) == 1
    assert [film.Modality for film in films] == ["DX", "CR", "DX", "DX"]


def test_padding_leaves_something_of_the_picture(picture: FloatImage, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="leaves nothing"):
        read(picture, FilmEncoding(padding_px=30), tmp_path)
