"""What goes into a transfer syntax comes out of the reader."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from pydicom import Dataset, dcmread

from kneeoa.datasets.transfer_syntax import ENCODABLE, HTJ2K, LOSSY, NARROW, NEAR_LOSSLESS_ERROR, encode
from kneeoa.model.dicom_codecs import COMPRESSED
from kneeoa.model.dicom_header import read_header
from kneeoa.model.dicom_pixels import stored_pixels
from kneeoa.model.dicom_rules import checked_geometry
from kneeoa.model.errors import DatasetError

JPEG_BASELINE = "1.2.840.10008.1.2.4.50"
LOSSY_BOUNDS = {
    JPEG_BASELINE: 8,
    "1.2.840.10008.1.2.4.51": 12,
    "1.2.840.10008.1.2.4.81": NEAR_LOSSLESS_ERROR,
    "1.2.840.10008.1.2.4.91": 60,
}
"""Largest error of a pixel, of 255 (.50) or 4095."""


def object_of(pixels: npt.NDArray[np.generic], bits: int) -> Dataset:
    film = Dataset()
    film.SOPClassUID = "1.2.840.10008.5.1.4.1.1.1.1"
    film.SOPInstanceUID = "1.2.3"
    film.Modality = "DX"
    film.Rows, film.Columns = pixels.shape
    film.SamplesPerPixel = 1
    film.PhotometricInterpretation = "MONOCHROME2"
    film.BitsAllocated = 8 * pixels.dtype.itemsize
    film.BitsStored = bits
    film.HighBit = bits - 1
    film.PixelRepresentation = int(pixels.dtype.kind == "i")
    film.PixelData = pixels.tobytes()
    film["PixelData"].VR = "OW"
    return film


def scene(bits: int) -> npt.NDArray[np.uint16]:
    rows, columns = np.mgrid[:64, :80]
    noise = np.random.default_rng(0).normal(0, 0.002, rows.shape)
    smooth = 0.5 + 0.2 * np.sin(columns / 9) + 0.2 * np.cos(rows / 7) + noise
    pixels: npt.NDArray[np.uint16] = np.rint(smooth * ((1 << bits) - 1)).astype(np.uint16)
    return pixels


def read_back(dataset: Dataset, uid: str, folder: Path) -> npt.NDArray[np.int64]:
    path = folder / "film.dcm"
    encode(dataset, uid).save_as(path, enforce_file_format=True)
    with path.open("rb") as stream:
        header = read_header(stream, path.stat().st_size)
        assert header.transfer_syntax == uid
        stored = stored_pixels(header, checked_geometry(header))
    values = stored.pixels.astype(np.int64) & ((1 << stored.bits) - 1)
    return np.where(values >> (stored.bits - 1), values - (1 << stored.bits), values) if stored.signed else values


@pytest.mark.parametrize("uid", sorted(ENCODABLE - LOSSY))
@pytest.mark.parametrize("bits", [8, 12, 16])
def test_lossless_pixels_come_back_identical(uid: str, bits: int, tmp_path: Path) -> None:
    pixels = scene(bits).astype(np.uint8 if bits == 8 else np.uint16)
    np.testing.assert_array_equal(read_back(object_of(pixels, bits), uid, tmp_path), pixels)


@pytest.mark.parametrize("uid", sorted(ENCODABLE - LOSSY))
def test_negative_pixels_come_back_identical(uid: str, tmp_path: Path) -> None:
    pixels = (scene(12).astype(np.int16) - 2048).astype(np.int16)
    assert pixels.min() < 0 < pixels.max()
    np.testing.assert_array_equal(read_back(object_of(pixels, 12), uid, tmp_path), pixels)


@pytest.mark.parametrize("uid", sorted(LOSSY))
def test_lossy_pixels_stay_within_their_bound(uid: str, tmp_path: Path) -> None:
    bits = 8 if uid == JPEG_BASELINE else 12
    pixels = scene(bits).astype(np.uint8 if bits == 8 else np.uint16)
    back = read_back(object_of(pixels, bits), uid, tmp_path)
    error = np.abs(back - pixels.astype(np.int64))
    assert 0 < error.max() <= LOSSY_BOUNDS[uid]


def test_extended_jpeg_is_truly_of_twelve_bits() -> None:
    film = encode(object_of(scene(12), 12), "1.2.840.10008.1.2.4.51")
    frame_header = film.PixelData.index(b"\xff\xc1")
    assert film.PixelData[frame_header + 4] == 12


def test_every_readable_syntax_but_htj2k_can_be_written() -> None:
    assert COMPRESSED - ENCODABLE == HTJ2K


@pytest.mark.parametrize(("uid", "bits"), [("1.2.840.10008.1.2.4.201", 12), (JPEG_BASELINE, 12)])
def test_what_cannot_be_written_is_said(uid: str, bits: int) -> None:
    with pytest.raises(DatasetError, match="choose"):
        encode(object_of(scene(bits), bits), uid)


@pytest.mark.parametrize("uid", sorted(COMPRESSED & ENCODABLE))
def test_colours_are_not_compressed_as_if_they_were_grey(uid: str) -> None:
    film = object_of(scene(8).astype(np.uint8), 8)
    film.SamplesPerPixel = 3
    with pytest.raises(DatasetError, match="Only grey"):
        encode(film, uid)


@pytest.mark.parametrize("uid", sorted(NARROW))
def test_eight_bits_in_sixteen_are_refused_where_the_codec_cannot(uid: str) -> None:
    with pytest.raises(DatasetError, match="allocate 8"):
        encode(object_of(scene(8), 8), uid)


@pytest.mark.parametrize("bits", [8, 12])
def test_tables_are_swapped_with_the_pixels(bits: int, tmp_path: Path) -> None:
    film = object_of(scene(bits).astype(np.uint8 if bits == 8 else np.uint16), bits)
    item = Dataset()
    item.add_new(0x00283006, "OW", np.arange(300, dtype="<u2").tobytes())
    film.VOILUTSequence = [item]
    encode(film, "1.2.840.10008.1.2.2").save_as(tmp_path / "film.dcm", enforce_file_format=True)
    table = dcmread(tmp_path / "film.dcm").VOILUTSequence[0][0x00283006].value
    np.testing.assert_array_equal(np.frombuffer(table, dtype=">u2"), np.arange(300))


def test_original_is_left_alone() -> None:
    film = object_of(scene(12), 12)
    before = film.to_json()
    encode(film, "1.2.840.10008.1.2.2")
    assert film.to_json() == before
