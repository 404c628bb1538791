"""Bone is bright, whatever the header's way of saying so."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from pydicom import Dataset

from kneeoa.model import dicom_grey
from kneeoa.model.dicom import read_radiograph
from kneeoa.model.dicom_elements import Elements
from kneeoa.model.dicom_grey import Stored, displayed
from kneeoa.model.errors import FilmError, ReasonCode
from kneeoa.model.radiograph import FloatImage

Film = Callable[..., Dataset]
Saved = Callable[..., Path]
Pixels = npt.NDArray[np.uint16]
WINDOW = {"WindowCenter": "1800", "WindowWidth": "3600"}


def lut_item(first: int, data: npt.NDArray[np.uint16], bits: int) -> Dataset:
    item = Dataset()
    item.add_new(0x00283002, "US", [len(data) % 65536, first, bits])
    item.add_new(0x00283006, "OW", data.tobytes())
    return item


def shown(film: Dataset, saved: Saved) -> tuple[FloatImage, tuple[str, ...]]:
    radiograph = read_radiograph(saved(film))
    assert radiograph.pixels.dtype == np.float32
    assert 0 <= radiograph.pixels.min() <= radiograph.pixels.max() <= 1
    return radiograph.pixels, radiograph.flags


def bone_is_bright(pixels: FloatImage) -> bool:
    return bool(pixels[:, 17:23].mean() > pixels[:, :12].mean() + 0.3)


def test_monochrome2_bone_is_bright(bone: Pixels, film: Film, saved: Saved) -> None:
    assert bone_is_bright(shown(film(bone, **WINDOW), saved)[0])


@pytest.mark.parametrize("shape", [None, "INVERSE", "IDENTITY"])
def test_monochrome1_bone_is_bright(bone: Pixels, film: Film, saved: Saved, shape: str | None) -> None:
    said = {} if shape is None else {"PresentationLUTShape": shape}
    said |= {"PhotometricInterpretation": "MONOCHROME1", "WindowCenter": "2295", "WindowWidth": "3600"}
    assert bone_is_bright(shown(film(4095 - bone, **said), saved)[0])


def test_inverse_presentation_alone_inverts(bone: Pixels, film: Film, saved: Saved) -> None:
    pixels, _ = shown(film(4095 - bone, PresentationLUTShape="INVERSE"), saved)
    assert bone_is_bright(pixels)


def test_film_is_never_mirrored(bone: Pixels, film: Film, saved: Saved) -> None:
    for side in ("R", "L"):
        pixels, _ = shown(film(bone, ImageLaterality=side), saved)
        assert pixels[0, 0] == pixels.min()
        assert pixels[0, -1] > pixels[0, 0]


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        ("LINEAR", lambda x: np.clip((x - 1999.5) / 3599 + 0.5, 0, 1)),
        ("LINEAR_EXACT", lambda x: np.clip((x - 2000) / 3600 + 0.5, 0, 1)),
        ("SIGMOID", lambda x: 1 / (1 + np.exp(-4 * (x - 2000) / 3600))),
    ],
)
def test_first_window_is_the_standards(
    bone: Pixels, film: Film, saved: Saved, function: str, expected: Callable[[npt.NDArray[np.float64]], FloatImage]
) -> None:
    windowed = film(bone, WindowCenter=["2000", "1"], WindowWidth=["3600", "1"], VOILUTFunction=function)
    pixels, flags = shown(windowed, saved)
    np.testing.assert_allclose(pixels, expected(bone.astype(np.float64)), atol=1e-6)
    assert not flags


def test_absent_window_is_flagged_and_robust(bone: Pixels, film: Film, saved: Saved) -> None:
    spiked = bone.copy()
    spiked[5, 5] = 4095
    pixels, flags = shown(film(spiked), saved)
    assert flags == ("no_window",)
    assert bone_is_bright(pixels)
    assert pixels[-1, 20] > 0.95


@pytest.mark.parametrize(
    "window",
    [("100000", "10"), ("-5000", "10"), ("2000", "4000000"), ("1500", "1")],
    ids=["all black", "all white", "too wide", "a threshold"],
)
def test_window_that_hides_the_film_is_ignored(bone: Pixels, film: Film, saved: Saved, window: tuple[str, str]) -> None:
    pixels, flags = shown(film(bone, WindowCenter=window[0], WindowWidth=window[1]), saved)
    assert flags == ("window_ignored",)
    assert bone_is_bright(pixels)


@pytest.mark.parametrize("window", [("2000", "0"), ("2000", "-4"), ("2000", None), (None, "3000")])
def test_window_that_is_none_counts_as_absent(
    bone: Pixels, film: Film, saved: Saved, window: tuple[str | None, str | None]
) -> None:
    said = {name: value for name, value in zip(("WindowCenter", "WindowWidth"), window, strict=True) if value}
    assert shown(film(bone, **said), saved)[1] == ("no_window",)


def test_voi_table_goes_before_the_window(bone: Pixels, film: Film, saved: Saved) -> None:
    data = (np.sqrt(np.arange(4096) / 4095) * 65535).astype(np.uint16)
    pixels, flags = shown(film(bone, VOILUTSequence=[lut_item(0, data, 16)], **WINDOW), saved)
    np.testing.assert_allclose(pixels, data[bone] / 65535, atol=1e-6)
    assert not flags


def test_voi_table_of_twelve_bits_in_sixteen_is_not_dark(bone: Pixels, film: Film, saved: Saved) -> None:
    data = np.arange(4096, dtype=np.uint16)
    pixels, _ = shown(film(bone, VOILUTSequence=[lut_item(0, data, 16)]), saved)
    np.testing.assert_allclose(pixels, bone / 4095, atol=1e-6)


def test_table_may_start_below_zero(bone: Pixels, film: Film, saved: Saved) -> None:
    signed = (bone.astype(np.int32) - 2048).astype(np.int16)
    data = (np.arange(4096) * 16).astype(np.uint16)
    pixels, _ = shown(film(signed, VOILUTSequence=[lut_item(65536 - 2048, data, 16)]), saved)
    np.testing.assert_allclose(pixels, data[bone] / 65535, atol=1e-6)


def test_modality_table_comes_before_the_window(bone: Pixels, film: Film, saved: Saved) -> None:
    inverse = np.arange(4095, -1, -1).astype(np.uint16)
    pixels, _ = shown(film(4095 - bone, ModalityLUTSequence=[lut_item(0, inverse, 16)], **WINDOW), saved)
    np.testing.assert_allclose(pixels, np.clip((bone - 1799.5) / 3599 + 0.5, 0, 1), atol=1e-6)


def test_rescale_comes_before_the_window(bone: Pixels, film: Film, saved: Saved) -> None:
    rescaled = film(bone, RescaleSlope="2", RescaleIntercept="-1000", WindowCenter="2600", WindowWidth="7200")
    pixels, _ = shown(rescaled, saved)
    np.testing.assert_allclose(pixels, np.clip((bone * 2.0 - 1000 - 2599.5) / 7199 + 0.5, 0, 1), atol=1e-6)


def test_signed_pixels_are_signed(bone: Pixels, film: Film, saved: Saved) -> None:
    signed = (bone.astype(np.int32) - 2048).astype(np.int16)
    pixels, _ = shown(film(signed, WindowCenter="-248", WindowWidth="3600"), saved)
    np.testing.assert_allclose(pixels, shown(film(bone, **WINDOW), saved)[0], atol=1e-6)


def test_bits_above_the_stored_ones_are_no_grey(bone: Pixels, film: Film, saved: Saved) -> None:
    overlaid = bone | np.uint16(0xF000)
    np.testing.assert_array_equal(shown(film(overlaid, **WINDOW), saved)[0], shown(film(bone, **WINDOW), saved)[0])


def test_values_that_need_more_bits_than_are_claimed_are_refused_not_wrapped(
    bone: Pixels, film: Film, saved: Saved
) -> None:
    with pytest.raises(FilmError, match="more than the 12 bits") as caught:
        shown(film((bone * 4).astype(np.uint16), **WINDOW), saved)
    assert caught.value.refusal.code is ReasonCode.BAD_GEOMETRY


def test_an_overlay_in_the_high_bits_is_masked(bone: Pixels, film: Film, saved: Saved) -> None:
    overlaid = bone.copy()
    overlaid[10:20, 10:20] |= 0x1000
    pixels, _ = shown(_with_overlay(film, overlaid), saved)
    np.testing.assert_array_equal(pixels, shown(film(bone, **WINDOW), saved)[0])


def _with_overlay(film: Film, pixels: Pixels) -> Dataset:
    dataset = film(pixels, **WINDOW)
    dataset.add_new(0x60000102, "US", 12)
    return dataset


@pytest.mark.parametrize("window", [("2048", "4096"), ("1500", "3000")])
def test_values_that_lost_their_sign_are_refused(
    bone: Pixels, film: Film, saved: Saved, window: tuple[str, str]
) -> None:
    offset = film(bone + np.uint16(32768), BitsStored=16, HighBit=15, WindowCenter=window[0], WindowWidth=window[1])
    with pytest.raises(FilmError, match="32,768") as caught:
        shown(offset, saved)
    assert caught.value.refusal.code is ReasonCode.UNREADABLE_EXPOSURE


def test_high_bit_says_where_the_grey_is(bone: Pixels, film: Film, saved: Saved) -> None:
    shifted = film((bone << 4).astype(np.uint16), HighBit=15, **WINDOW)
    np.testing.assert_array_equal(shown(shifted, saved)[0], shown(film(bone, **WINDOW), saved)[0])


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
def test_padding_is_black_and_moves_no_window(bone: Pixels, film: Film, saved: Saved, photometric: str) -> None:
    padded = bone.copy()
    padded[:20] = 4095
    said = {"PixelPaddingValue": 4090, "PixelPaddingRangeLimit": 4095, "PhotometricInterpretation": photometric}
    pixels, _ = shown(film(padded, **said), saved)
    assert (pixels[:20] == 0).all()
    np.testing.assert_array_equal(pixels[20:], shown(film(bone[20:], PhotometricInterpretation=photometric), saved)[0])


def test_film_of_nothing_but_padding_is_unreadable(bone: Pixels, film: Film, saved: Saved) -> None:
    with pytest.raises(FilmError) as caught:
        shown(film(np.full_like(bone, 7), PixelPaddingValue=7), saved)
    assert caught.value.refusal.code is ReasonCode.UNREADABLE_EXPOSURE


def test_thirty_two_bits_are_read(bone: Pixels, film: Film, saved: Saved) -> None:
    deep = bone.astype(np.uint32) * 100_000
    pixels, _ = shown(film(deep), saved)
    np.testing.assert_allclose(pixels, shown(film(bone), saved)[0], atol=1e-4)


def test_nearly_grey_screenshot_is_its_luma(bone: Pixels, film: Film, saved: Saved) -> None:
    grey = (bone >> 4).astype(np.uint8)
    colour = np.stack([grey, grey, np.minimum(grey, 250)], axis=-1)
    pixels, flags = shown(film(colour, Modality="OT"), saved)
    np.testing.assert_allclose(pixels, grey / 255, atol=0.01)
    assert not flags


def test_colour_by_plane_is_the_same_picture(bone: Pixels, film: Film, saved: Saved) -> None:
    grey = (bone >> 4).astype(np.uint8)
    by_plane = film(np.stack([grey] * 3, axis=-1), Modality="OT", PlanarConfiguration=1, PixelData=grey.tobytes() * 3)
    np.testing.assert_allclose(shown(by_plane, saved)[0], grey / 255, atol=1e-6)


def test_luma_of_ybr_is_its_first_component(bone: Pixels, film: Film, saved: Saved) -> None:
    grey = (bone >> 4).astype(np.uint8)
    ybr = np.stack([grey, np.full_like(grey, 128), np.full_like(grey, 128)], axis=-1)
    pixels, _ = shown(film(ybr, Modality="OT", PhotometricInterpretation="YBR_FULL"), saved)
    np.testing.assert_allclose(pixels, grey / 255, atol=1e-6)


def test_large_film_is_reduced_by_block_means(bone: Pixels, monkeypatch: pytest.MonkeyPatch) -> None:
    whole, _ = displayed(Stored(bone, 12, 0, signed=False), Elements())
    monkeypatch.setattr(dicom_grey, "FULL_SIZE_PIXELS", bone.size // 4)
    reduced, flags = displayed(Stored(bone, 12, 0, signed=False), Elements())
    np.testing.assert_allclose(reduced, whole.reshape(24, 2, 20, 2).mean(axis=(1, 3)), atol=1e-6)
    assert "reduced" in flags
