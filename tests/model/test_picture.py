"""Pictures give the grey that a viewer would show, in [0, 1] of their own depth."""

from __future__ import annotations

import struct
import zlib
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from kneeoa.model.dicom import read_radiograph
from kneeoa.model.errors import FilmError, ReasonCode
from kneeoa.model.picture import CHUNKS, SCANS, read_grey
from kneeoa.model.radiograph import Side, SideSource, SpacingOrigin

Grey = npt.NDArray[np.uint8]


@pytest.fixture
def grey() -> Grey:
    """(48, 40) uint8 ramp, from black to white."""
    return np.linspace(0, 255, 48 * 40).reshape(48, 40).astype(np.uint8)


def saved(picture: Image.Image, path: Path) -> Path:
    picture.save(path)
    return path


def test_eight_bit_grey_is_scaled_by_its_depth(grey: Grey, tmp_path: Path) -> None:
    pixels = read_grey(saved(Image.fromarray(grey // 2), tmp_path / "a.png"))
    np.testing.assert_allclose(pixels, (grey // 2) / 255, atol=1e-6)
    assert pixels.dtype == np.float32


def test_sixteen_bit_grey_keeps_its_depth(grey: Grey, tmp_path: Path) -> None:
    deep = grey.astype(np.uint16) * 200 + 7
    np.testing.assert_allclose(read_grey(saved(Image.fromarray(deep), tmp_path / "a.png")), deep / 65535, atol=1e-6)


def test_jpeg_is_read(grey: Grey, tmp_path: Path) -> None:
    np.testing.assert_allclose(read_grey(saved(Image.fromarray(grey), tmp_path / "a.jpg")), grey / 255, atol=0.03)


@pytest.mark.parametrize(("colour", "luma"), [((255, 0, 0), 0.299), ((0, 255, 0), 0.587), ((0, 0, 255), 0.114)])
def test_colour_is_its_luma(tmp_path: Path, colour: tuple[int, int, int], luma: float) -> None:
    pixels = read_grey(saved(Image.new("RGB", (4, 4), colour), tmp_path / "a.png"))
    np.testing.assert_allclose(pixels, luma, atol=0.005)


def test_palette_is_looked_up(tmp_path: Path) -> None:
    picture = Image.new("RGB", (4, 4), (200, 200, 200)).convert("P", palette=Image.Palette.ADAPTIVE)
    np.testing.assert_allclose(read_grey(saved(picture, tmp_path / "a.png")), 200 / 255, atol=0.01)


@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_transparent_is_black(tmp_path: Path, mode: str) -> None:
    picture = Image.new("RGBA", (4, 4), (255, 255, 255, 128)).convert(mode)
    np.testing.assert_allclose(read_grey(saved(picture, tmp_path / "a.png")), 128 / 255, atol=0.01)


def test_side_and_spacing_are_the_users(grey: Grey, tmp_path: Path) -> None:
    path = saved(Image.fromarray(grey), tmp_path / "a.png")
    radiograph = read_radiograph(path, side=Side.LEFT, spacing_mm=0.2)
    assert (radiograph.side, radiograph.side_source) == (Side.LEFT, SideSource.USER)
    assert radiograph.facts.pixel_spacing_mm == (0.2, 0.2)
    assert radiograph.facts.spacing_origin is SpacingOrigin.USER
    assert (radiograph.facts.rows, radiograph.facts.columns, radiograph.facts.modality) == (48, 40, None)
    silent = read_radiograph(path)
    assert (silent.side, silent.side_source) == (Side.UNKNOWN, SideSource.NONE)
    assert silent.facts.spacing_origin is SpacingOrigin.NONE


def code_of(path: Path) -> ReasonCode:
    with pytest.raises(FilmError) as caught:
        read_radiograph(path)
    return caught.value.refusal.code


@pytest.mark.parametrize("level", [0, 90, 255])
def test_even_picture_is_unreadable(tmp_path: Path, level: int) -> None:
    path = saved(Image.new("L", (40, 48), level), tmp_path / "a.png")
    assert code_of(path) is ReasonCode.UNREADABLE_EXPOSURE


def test_small_file_that_claims_gigapixels_is_too_large(tmp_path: Path) -> None:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">L", len(content)) + kind + content + struct.pack(">L", zlib.crc32(kind + content))

    header = struct.pack(">LLBBBBB", 60000, 60000, 8, 0, 0, 0, 0)
    path = tmp_path / "a.png"
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")))
    assert code_of(path) is ReasonCode.TOO_LARGE


@pytest.mark.parametrize("suffix", ["png", "jpg"])
@pytest.mark.parametrize("tenths", range(1, 10))
def test_cut_picture_is_an_error(grey: Grey, tmp_path: Path, suffix: str, tenths: int) -> None:
    noisy = np.random.default_rng(0).integers(0, 255, grey.shape, dtype=np.uint8)
    path = saved(Image.fromarray(noisy), tmp_path / f"a.{suffix}")
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * tenths // 10])
    assert code_of(path) in {ReasonCode.TRUNCATED, ReasonCode.CORRUPT_PIXELS}


def test_a_jpeg_of_many_scans_is_not_decoded(grey: Grey, tmp_path: Path) -> None:
    path = saved(Image.fromarray(grey), tmp_path / "a.jpg")
    content = path.read_bytes()
    path.write_bytes(content[:-2] + b"\xff\xda\x00\x08\x01\x01\x00\x00\x3f\x00" * SCANS + content[-2:])
    with pytest.raises(FilmError, match="too many parts"):
        read_grey(path)


def test_a_progressive_jpeg_is_read(grey: Grey, tmp_path: Path) -> None:
    Image.fromarray(grey).save(tmp_path / "a.jpg", progressive=True)
    np.testing.assert_allclose(read_grey(tmp_path / "a.jpg"), grey / 255, atol=0.03)


def test_a_png_of_many_chunks_is_not_walked(grey: Grey, tmp_path: Path) -> None:
    path = saved(Image.fromarray(grey), tmp_path / "a.png")
    content = path.read_bytes()
    chunk = struct.pack(">I", 0) + b"teXt" + struct.pack(">I", zlib.crc32(b"teXt"))
    path.write_bytes(content[:33] + chunk * (CHUNKS + 1) + content[33:])
    with pytest.raises(FilmError, match="too many parts"):
        read_grey(path)


def test_pictures_taller_than_a_strip_are_whole(tmp_path: Path) -> None:
    tall = np.add.outer(np.arange(1200) % 251, np.arange(30)).astype(np.uint8)
    np.testing.assert_allclose(read_grey(saved(Image.fromarray(tall), tmp_path / "a.png")), tall / 255, atol=1e-6)
    clear = Image.fromarray(np.stack([tall] * 3 + [np.full_like(tall, 128)], axis=-1), "RGBA")
    np.testing.assert_allclose(read_grey(saved(clear, tmp_path / "b.png")), tall / 255 * 128 / 255, atol=0.01)
