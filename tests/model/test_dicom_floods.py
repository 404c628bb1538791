"""Headers that hold too much, say the wrong thing, or have two faces."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image
from pydicom import Dataset

from kneeoa.model.dicom import read_radiograph
from kneeoa.model.dicom_elements import VALUE_BYTES, Elements
from kneeoa.model.dicom_terms import OTHER_VIEW, known_modality, known_view
from kneeoa.model.dicom_walk import Element, Layout
from kneeoa.model.errors import FilmError, ReasonCode

Film = Callable[..., Dataset]
Saved = Callable[..., Path]
Pixels = npt.NDArray[np.uint16]
ITEM = struct.pack("<HHL", 0xFFFE, 0xE000, 0)


def refused(path: Path) -> FilmError:
    with pytest.raises(FilmError) as caught:
        read_radiograph(path)
    return caught.value


def before_rows(path: Path, raw: bytes) -> None:
    content = path.read_bytes()
    place = content.index(struct.pack("<HH2s", 0x0028, 0x0002, b"US"))
    path.write_bytes(content[:place] + raw + content[place:])


def test_a_header_of_a_million_elements_is_left_early(bone: Pixels, film: Film, saved: Saved) -> None:
    path = saved(film(bone))
    before_rows(path, struct.pack("<HH2sH", 0x0019, 0x1010, b"LO", 0) * 300_000)
    assert refused(path).refusal.code is ReasonCode.TOO_LARGE


def test_of_a_million_items_a_few_are_looked_at() -> None:
    for vr, content in (("SQ", ITEM * 100_000), ("SQ", struct.pack("<HHL", 0xFFFE, 0xE000, 0xFFFFFFFF) * 100_000)):
        elements = Elements({0x00082218: Element(vr, content, Layout())})
        assert len(elements.items(0x00082218)) <= 64


def test_an_item_that_claims_too_much_is_still_read() -> None:
    code = struct.pack("<HH2sH", 0x0008, 0x0104, b"LO", 4) + b"Knee"
    content = struct.pack("<HHL", 0xFFFE, 0xE000, len(code) + 50) + code
    (item,) = Elements({0x00082218: Element("SQ", content, Layout())}).items(0x00082218)
    assert item.text(0x00080104) == "Knee"


def test_of_an_overlong_value_the_beginning_is_read() -> None:
    elements = Elements({0x00281050: Element("DS", b"7\\" * 1_000_000, Layout())})
    assert len(elements.numbers(0x00281050)) == VALUE_BYTES // 2
    assert elements.integer(0x00281050, "DS") == 7


@pytest.mark.parametrize(
    "preamble", [b"\xff\xd8\xff\xe0\x00\x10JFIF", b"\x89PNG\r\n\x1a\n", b"II*\0", b"\x7fELF", b"%PDF-1.7"]
)
def test_an_object_is_an_object_whatever_its_preamble_is(
    bone: Pixels, film: Film, saved: Saved, preamble: bytes
) -> None:
    path = saved(film(bone))
    truth = read_radiograph(path).pixels
    path.write_bytes(preamble.ljust(128, b"\0") + path.read_bytes()[128:])
    np.testing.assert_array_equal(read_radiograph(path).pixels, truth)


def test_a_name_that_is_no_text_can_be_reported(bone: Pixels, film: Film, saved: Saved, tmp_path: Path) -> None:
    odd = tmp_path / os.fsdecode(b"knee\xff.dcm")
    saved(film(bone)).rename(odd)
    assert read_radiograph(odd).facts.source.encode("utf-8").endswith(b"knee\\udcff.dcm")


def test_pixel_data_of_another_film_s_length_are_refused(bone: Pixels, film: Film, saved: Saved) -> None:
    longer = film(bone)
    longer.PixelData += bytes(4096 + 80)
    error = refused(saved(longer))
    assert error.refusal.code is ReasonCode.BAD_GEOMETRY
    assert "longer" in error.refusal.message


def test_a_film_padded_to_a_block_is_read(bone: Pixels, film: Film, saved: Saved) -> None:
    padded = film(bone)
    padded.PixelData += bytes(-len(padded.PixelData) % 4096)
    assert read_radiograph(saved(padded)).pixels.shape == bone.shape


def test_a_lost_sign_is_refused(saved: Saved, film: Film) -> None:
    rows, columns = np.mgrid[:200, :200]
    grey = (2048 + 900 * np.sin(rows / 9) * np.cos(columns / 7)).astype(np.uint16)
    assert read_radiograph(saved(film(grey))).pixels.shape == grey.shape
    error = refused(saved(film(grey, PixelRepresentation=1)))
    assert error.refusal.code is ReasonCode.UNREADABLE_EXPOSURE
    assert "sign" in error.refusal.message


def test_a_burnt_in_ruler_on_a_noisy_film_is_no_lost_sign(saved: Saved, film: Film) -> None:
    # Neither its white nor the air's black is one value, so that neither is the film's extreme.
    rng = np.random.default_rng(0)
    rows, columns = np.mgrid[:400, :300]
    flesh = 3200 * np.exp(-(((columns - 150) / 60) ** 2)) + 20
    ruler = (columns < 60) & (columns % 12 < 6) & (rows > 50)
    values = np.where(ruler, 4050, flesh) + rng.normal(0, 6, flesh.shape)
    pixels = np.clip(values, 0, 4095).astype(np.uint16)
    assert read_radiograph(saved(film(pixels))).pixels.shape == (400, 300)


def test_edges_from_black_to_white_are_no_lost_sign(saved: Saved, film: Film) -> None:
    columns = np.mgrid[:100, :100][1]
    grey = np.where((columns // 5) % 2 == 0, 0, 4095).astype(np.uint16)
    grey[:, 40:60] = 300 + 30 * (columns[:, 40:60] - 40)
    assert read_radiograph(saved(film(grey))).pixels.shape == grey.shape


@pytest.mark.parametrize(
    ("stated", "known"),
    [
        ("pa", "PA"),
        ("AP WEIGHT BEARING", "AP WEIGHT BEARING"),
        ("QUIXOTE^ALONSO", OTHER_VIEW),
        ("AP QUIXOTE", "AP"),
        ("LATERALE", "LATERAL"),
        ("AP LATERALE", "AP LATERAL"),
        ("19470929", OTHER_VIEW),
        ("PA 30", "PA 30"),
        ("postero-anterior", "POSTERO-ANTERIOR"),
        ("\\" * 5000, OTHER_VIEW),
    ],
)
def test_a_view_is_told_in_known_words_only(stated: str, known: str) -> None:
    assert known_view(stated) == known


def test_a_modality_is_a_defined_term_or_nothing() -> None:
    assert known_modality("dx") == "DX"
    assert known_modality("QUIXOTE") is None


@pytest.mark.parametrize("attribute", ["Modality", "ViewPosition", "BodyPartExamined", "PresentationIntentType"])
def test_a_name_in_the_wrong_place_goes_no_further(bone: Pixels, film: Film, saved: Saved, attribute: str) -> None:
    path = saved(film(bone, **{attribute: "QUIXOTE"}))
    try:
        said = repr(read_radiograph(path).facts)
    except FilmError as error:
        said = f"{error} {error.facts}"
    assert "QUIXOTE" not in said


@pytest.mark.parametrize("shape", [(1, 400), (400, 2)])
def test_a_line_of_pixels_is_no_film(saved: Saved, film: Film, tmp_path: Path, shape: tuple[int, int]) -> None:
    line = np.arange(shape[0] * shape[1], dtype=np.uint16).reshape(shape)
    assert refused(saved(film(line))).refusal.code is ReasonCode.BAD_GEOMETRY
    Image.fromarray((line % 256).astype(np.uint8)).save(tmp_path / "line.png")
    assert refused(tmp_path / "line.png").refusal.code is ReasonCode.BAD_GEOMETRY
