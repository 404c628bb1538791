"""Codestreams are looked through before native code sees them, and what native code says is heard."""

from __future__ import annotations

import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from pydicom import Dataset
from pydicom.encaps import encapsulate, generate_frames

from kneeoa.datasets.transfer_syntax import encode
from kneeoa.model.dicom import read_radiograph
from kneeoa.model.dicom_jpeg import SCANS, frame_of
from kneeoa.model.dicom_jpeg_2000 import refuse_shredded
from kneeoa.model.errors import FilmError, ReasonCode

Film = Callable[..., Dataset]
Pixels = npt.NDArray[np.uint16]
SYNTAX = "1.2.840.10008.1.2.4."


def codestream_of(film: Dataset, uid: str) -> bytes:
    return next(generate_frames(encode(film, uid).PixelData, number_of_frames=1))


def with_codestream(film: Dataset, uid: str, codestream: bytes, folder: Path) -> Path:
    changed = encode(film, uid)
    changed.PixelData = encapsulate([codestream])
    changed.save_as(folder / "film.dcm", enforce_file_format=True)
    return folder / "film.dcm"


def jpeg_header(marker: int, bits: int) -> bytes:
    return b"\xff\xd8\xff" + bytes((marker,)) + struct.pack(">HBHHB", 11, bits, 48, 40, 1) + b"\x01\x11\x00" + bytes(8)


@pytest.mark.parametrize("uid", [SYNTAX + "51", SYNTAX + "57", SYNTAX + "70"])
def test_decoding_is_silent(
    bone: Pixels, film: Film, tmp_path: Path, capfd: pytest.CaptureFixture[str], uid: str
) -> None:
    read_radiograph(with_codestream(film(bone), uid, codestream_of(film(bone), uid), tmp_path))
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("uid", [SYNTAX + "51", SYNTAX + "70"])
def test_codes_that_end_early_are_corrupt_and_not_painted_over(
    bone: Pixels, film: Film, tmp_path: Path, capfd: pytest.CaptureFixture[str], uid: str
) -> None:
    whole = codestream_of(film(bone), uid)
    cut = whole[: len(whole) * 3 // 4].rstrip(b"\xff") + b"\xff\xd9"
    with pytest.raises(FilmError) as caught:
        read_radiograph(with_codestream(film(bone), uid, cut, tmp_path))
    assert caught.value.refusal.code is ReasonCode.CORRUPT_PIXELS
    assert "damaged" in caught.value.refusal.message
    assert capfd.readouterr() == ("", "")


def test_padding_before_the_end_of_a_jpeg_is_no_damage(bone: Pixels, film: Film, tmp_path: Path) -> None:
    whole = codestream_of(film(bone), SYNTAX + "70").rstrip(b"\0")
    assert whole.endswith(b"\xff\xd9")
    padded = whole[:-2] + b"\0\0\0" + b"\xff\xd9"
    truth = read_radiograph(with_codestream(film(bone), SYNTAX + "70", whole, tmp_path)).pixels
    again = read_radiograph(with_codestream(film(bone), SYNTAX + "70", padded, tmp_path)).pixels
    np.testing.assert_array_equal(again, truth)


def test_an_rle_segment_that_runs_over_is_corrupt_in_silence(
    bone: Pixels, film: Film, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    whole = bytearray(codestream_of(film(bone), "1.2.840.10008.1.2.5"))
    whole[64:] = b"\x81\x01" * ((len(whole) - 64) // 2)
    with pytest.raises(FilmError) as caught:
        read_radiograph(with_codestream(film(bone), "1.2.840.10008.1.2.5", bytes(whole), tmp_path))
    assert caught.value.refusal.code is ReasonCode.CORRUPT_PIXELS
    assert capfd.readouterr() == ("", "")


def test_thirty_two_bits_are_the_same_film_compressed(film: Film, tmp_path: Path) -> None:
    deep = (np.arange(48 * 40, dtype=np.uint32) * 1_000_003).reshape(48, 40)
    deep_film = film(deep, BitsStored=32, HighBit=31)
    encode(deep_film, "1.2.840.10008.1.2.1").save_as(tmp_path / "plain.dcm", enforce_file_format=True)
    encode(deep_film, "1.2.840.10008.1.2.5").save_as(tmp_path / "rle.dcm", enforce_file_format=True)
    plain, rle = (read_radiograph(tmp_path / name).pixels for name in ("plain.dcm", "rle.dcm"))
    np.testing.assert_array_equal(rle, plain)


@pytest.mark.parametrize(
    ("marker", "bits"), [(0xC3, 2), (0xC3, 7), (0xC3, 17), (0xC0, 9), (0xC1, 16), (0xC5, 8), (0xC9, 8), (0xCB, 12)]
)
def test_jpeg_processes_that_no_film_uses_never_reach_gdcm(marker: int, bits: int) -> None:
    with pytest.raises(FilmError, match="unused JPEG process"):
        frame_of(jpeg_header(marker, bits))


@pytest.mark.parametrize(("marker", "bits"), [(0xC0, 8), (0xC1, 12), (0xC2, 8), (0xC3, 8), (0xC3, 16), (0xF7, 2)])
def test_jpeg_processes_of_films_are_let_in(marker: int, bits: int) -> None:
    frame = frame_of(jpeg_header(marker, bits))
    assert (frame.rows, frame.columns, frame.samples, frame.bits) == (48, 40, 1, bits)


def test_a_codestream_of_many_scans_is_not_decoded() -> None:
    with pytest.raises(FilmError, match="scans"):
        frame_of(jpeg_header(0xC2, 8) + b"\xff\xda" * (SCANS + 1))


@pytest.fixture
def j2k(bone: Pixels, film: Film) -> bytes:
    return codestream_of(film(bone), SYNTAX + "90")


def test_an_honest_jpeg_2000_passes(j2k: bytes) -> None:
    refuse_shredded(j2k, 48 * 40)
    refuse_shredded(b"\0\0\0\x0cjP  \r\n\x87\n" + bytes(70) + j2k, 64 << 20)


def test_tiles_of_one_pixel_are_refused(j2k: bytes) -> None:
    harmed = j2k[:8] + struct.pack(">2L", 8192, 8192) + j2k[16:24] + struct.pack(">2L", 33, 33) + j2k[32:]
    with pytest.raises(FilmError, match="tiles"):
        refuse_shredded(harmed, 64 << 20)


@pytest.mark.parametrize("part", ["main header", "tile-part"])
def test_tiny_blocks_are_refused_wherever_they_are_set(j2k: bytes, part: str) -> None:
    place = j2k.index(b"\xff\x52")
    style = bytearray(j2k[place : place + 2 + int.from_bytes(j2k[place + 2 : place + 4], "big")])
    style[10:12] = b"\0\0"
    if part == "main header":
        harmed = j2k[:place] + bytes(style) + j2k[place + len(style) :]
    else:
        tile = j2k.index(b"\xff\x90") + 12
        harmed = j2k[:tile] + bytes(style) + j2k[tile:]
    refuse_shredded(harmed, 48 * 40)
    with pytest.raises(FilmError, match="blocks"):
        refuse_shredded(harmed, 64 << 20)


def test_tile_parts_that_point_at_themselves_end(j2k: bytes) -> None:
    tile = j2k.index(b"\xff\x90")
    head = j2k[:tile] + b"\xff\x90\x00\x0a\0\0" + struct.pack(">L", 14) + b"\0\1\xff\x93"
    refuse_shredded(head + b"\xff\x93" * 9, 48 * 40)
