"""Whatever cannot be read says why by name, early, silently and without a word about the patient."""

from __future__ import annotations

import os
import re
import struct
import time
import tracemalloc
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydicom import Dataset
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import UID

from kneeoa.datasets.transfer_syntax import encode
from kneeoa.model.dicom import read_radiograph
from kneeoa.model.dicom_terms import MODALITIES
from kneeoa.model.errors import FilmError, ReasonCode

Film = Callable[..., Dataset]
Saved = Callable[..., Path]
Pixels = npt.NDArray[np.uint16]
EXPLICIT, DEFLATED, LOSSLESS = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.1.99", "1.2.840.10008.1.2.4.70"
CLASSES = "1.2.840.10008.5.1.4.1.1."


def refused(path: Path) -> FilmError:
    with pytest.raises(FilmError) as caught:
        read_radiograph(path)
    assert caught.value.facts is not None
    assert caught.value.facts.source == str(path)
    return caught.value


BY_HEADER = [
    (ReasonCode.WRONG_MODALITY, {"Modality": "CT"}, "CT"),
    (ReasonCode.WRONG_MODALITY, {"Modality": "MR"}, "MR"),
    (ReasonCode.WRONG_MODALITY, {"Modality": "US"}, "ultrasound"),
    (ReasonCode.WRONG_MODALITY, {"Modality": "NM"}, "nuclear medicine"),
    (ReasonCode.WRONG_MODALITY, {"Modality": "MG"}, "mammography"),
    (ReasonCode.WRONG_MODALITY, {"Modality": "XA"}, "angiography"),
    (ReasonCode.WRONG_MODALITY, {"Modality": "", "SOPClassUID": CLASSES + "2"}, "CT"),
    (ReasonCode.WRONG_MODALITY, {"Modality": "ZZ"}, "another kind"),
    (ReasonCode.ENCAPSULATED_DOCUMENT, {"SOPClassUID": CLASSES + "104.1"}, "document"),
    (ReasonCode.ENCAPSULATED_DOCUMENT, {"EncapsulatedDocument": b"%PDF"}, "document"),
    (ReasonCode.MULTI_FRAME, {"NumberOfFrames": 12}, "12 frames"),
    (ReasonCode.PALETTE, {"PhotometricInterpretation": "PALETTE COLOR"}, "palette"),
    (ReasonCode.NO_PIXELS, {"PixelData": None}, "no pixel data"),
    (ReasonCode.NO_PIXELS, {"PixelData": b""}, "empty"),
    (ReasonCode.NO_PIXELS, {"Modality": "SR", "PixelData": None}, "no pixel data"),
    (ReasonCode.NO_PIXELS, {"Modality": "PR", "PixelData": None}, "no pixel data"),
    (ReasonCode.NO_PIXELS, {"Modality": "KO", "PixelData": None}, "no pixel data"),
    (ReasonCode.BAD_GEOMETRY, {"Rows": 0}, "0"),
    (ReasonCode.BAD_GEOMETRY, {"Columns": 0}, "0"),
    (ReasonCode.BAD_GEOMETRY, {"Rows": 65535}, "65535"),
    (ReasonCode.BAD_GEOMETRY, {"Rows": None}, "None"),
    (ReasonCode.BAD_GEOMETRY, {"BitsStored": 17}, "17"),
    (ReasonCode.BAD_GEOMETRY, {"HighBit": 3}, "High Bit 3"),
    (ReasonCode.BAD_GEOMETRY, {"HighBit": 16}, "High Bit 16"),
    (ReasonCode.BAD_GEOMETRY, {"BitsAllocated": 1, "BitsStored": 1, "HighBit": 0}, "Bits Allocated 1"),
    (ReasonCode.BAD_GEOMETRY, {"SamplesPerPixel": 3}, "samples"),
    (ReasonCode.TOO_LARGE, {"Rows": 20000, "Columns": 20000}, "20000 x 20000"),
    (ReasonCode.TRUNCATED, {"Rows": 49}, "shorter"),
    (ReasonCode.UNREADABLE_EXPOSURE, {"PixelData": b"\x10\x02" * 48 * 40}, "even grey"),
    (ReasonCode.UNREADABLE_EXPOSURE, {"PixelData": (b"\0\0" * 20 + b"\xff\x0f" * 20) * 48}, "saturated"),
]


@pytest.mark.parametrize(("code", "attributes", "words"), BY_HEADER)
def test_header_is_refused_by_name(
    bone: Pixels, film: Film, saved: Saved, code: ReasonCode, attributes: dict[str, object], words: str
) -> None:
    error = refused(saved(film(bone, **attributes)))
    assert error.refusal.code is code
    assert words in error.refusal.message
    assert error.facts is not None
    stated = attributes.get("Modality", "DX")
    assert error.facts.modality == (stated if stated in MODALITIES else None)


def relabelled(dataset: Dataset, uid: str, folder: Path) -> Path:
    """An encapsulated or native object that claims another transfer syntax."""
    path = folder / "film.dcm"
    dataset.file_meta.TransferSyntaxUID = UID(uid)
    dataset.save_as(path, enforce_file_format=True)
    return path


@pytest.mark.parametrize("uid", ["1.2.840.10008.1.2.4.100", "1.2.840.10008.1.2.4.92", "1.2.840.10008.1.2.4.52"])
def test_unknown_transfer_syntax_is_named(bone: Pixels, film: Film, tmp_path: Path, uid: str) -> None:
    error = refused(relabelled(encode(film(bone), LOSSLESS), uid, tmp_path))
    assert error.refusal.code is ReasonCode.UNKNOWN_TRANSFER_SYNTAX
    assert uid in error.refusal.message


CODECS = [f"1.2.840.10008.1.2.4.{n}" for n in (51, 57, 70, 80, 81, 90, 91)] + ["1.2.840.10008.1.2.5"]


@pytest.mark.parametrize("uid", [*CODECS, "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.201"])
@pytest.mark.parametrize("junk", [b"\0" * 64, b"\xff\xd8\xff\xc0" + b"\xff" * 60, bytes(range(256))])
def test_junk_for_a_codestream_is_corrupt(bone: Pixels, film: Film, tmp_path: Path, uid: str, junk: bytes) -> None:
    broken = encode(film(bone), LOSSLESS)
    broken.PixelData = encapsulate([junk])
    assert refused(relabelled(broken, uid, tmp_path)).refusal.code is ReasonCode.CORRUPT_PIXELS


@pytest.mark.parametrize("uid", CODECS[:-1])
def test_codestream_of_another_size_is_never_decoded(bone: Pixels, film: Film, saved: Saved, uid: str) -> None:
    lying = encode(film(bone), uid)
    lying.Rows = 24
    path = saved(film(bone))
    lying.save_as(path, enforce_file_format=True)
    error = refused(path)
    assert error.refusal.code is ReasonCode.BAD_GEOMETRY
    assert "48 x 40" in error.refusal.message


def test_large_compressed_film_is_refused_by_its_header(bone: Pixels, film: Film, tmp_path: Path) -> None:
    huge = encode(film(bone), LOSSLESS)
    huge.Rows = huge.Columns = 9000
    assert refused(relabelled(huge, LOSSLESS, tmp_path)).refusal.code is ReasonCode.TOO_LARGE


def test_a_jpeg_ls_stream_without_its_end_is_not_searched_for_minutes(bone: Pixels, film: Film, tmp_path: Path) -> None:
    uid = "1.2.840.10008.1.2.4.80"
    whole = encode(film(bone), uid)
    (codestream,) = generate_frames(whole.PixelData, number_of_frames=1)
    whole.PixelData = encapsulate([codestream[: len(codestream) // 2]])
    error = refused(relabelled(whole, uid, tmp_path))
    assert error.refusal.code is ReasonCode.CORRUPT_PIXELS
    assert "no end" in error.refusal.message


@pytest.mark.parametrize(
    ("sop_class", "kind"),
    [
        ("1.2.1", "mammography"),
        ("13.1.3", "mammography"),
        ("6.2", "ultrasound"),
        ("5", "nuclear"),
        ("1.3.1", "intra-oral"),
    ],
)
def test_the_class_tells_what_a_wrong_modality_hides(
    bone: Pixels, film: Film, saved: Saved, sop_class: str, kind: str
) -> None:
    error = refused(saved(film(bone, SOPClassUID=f"1.2.840.10008.5.1.4.1.1.{sop_class}")))
    assert error.refusal.code is ReasonCode.WRONG_MODALITY
    assert kind in error.refusal.message


def test_colourful_picture_is_no_radiograph(film: Film, saved: Saved) -> None:
    rows, columns = np.mgrid[:48, :40]
    colours = np.stack([5 * rows, 6 * columns, 255 - 5 * rows], axis=-1).astype(np.uint8)
    error = refused(saved(film(colours, Modality="OT")))
    assert error.refusal.code is ReasonCode.WRONG_MODALITY
    assert "colour picture" in error.refusal.message


@pytest.mark.parametrize("uid", [EXPLICIT, "1.2.840.10008.1.2", "1.2.840.10008.1.2.2", DEFLATED, *CODECS])
@pytest.mark.parametrize("tenths", range(1, 10))
def test_cut_film_is_an_error(bone: Pixels, film: Film, saved: Saved, uid: str, tenths: int) -> None:
    path = saved(film(bone), uid)
    content = path.read_bytes()
    path.write_bytes(content[: len(content) * tenths // 10])
    code = refused(path).refusal.code
    # A cut between two elements leaves a well-formed object without pixels; a cut preamble is no DICOM.
    assert code in {ReasonCode.TRUNCATED, ReasonCode.NO_PIXELS, ReasonCode.NOT_DICOM}


def test_cut_within_the_pixels_is_truncated_and_keeps_the_facts(bone: Pixels, film: Film, saved: Saved) -> None:
    path = saved(film(bone))
    path.write_bytes(path.read_bytes()[:-2])
    error = refused(path)
    assert error.refusal.code is ReasonCode.TRUNCATED
    assert error.facts is not None
    assert (error.facts.rows, error.facts.modality, error.facts.view) == (48, "DX", "AP")


def test_header_cut_within_a_value_keeps_what_came_before(bone: Pixels, film: Film, saved: Saved) -> None:
    path = saved(film(bone))
    content = path.read_bytes()
    path.write_bytes(content[: content.index(b"MONOCHROME2") + 4])
    error = refused(path)
    assert error.refusal.code is ReasonCode.TRUNCATED
    assert error.facts is not None
    assert error.facts.modality == "DX"


def element(group: int, number: int, vr: bytes, value: bytes) -> bytes:
    return struct.pack("<HH2sHL", group, number, vr, 0, len(value)) + value


def with_private_element(content: bytes, raw: bytes) -> bytes:
    """The object with raw bytes put before Rows, where group 0019 belongs."""
    position = content.index(struct.pack("<HH2s", 0x0028, 0x0002, b"US"))
    return content[:position] + raw + content[position:]


@pytest.mark.parametrize("undefined", [True, False], ids=["undefined length", "defined length"])
def test_two_thousand_nested_sequences_do_no_harm(bone: Pixels, film: Film, saved: Saved, *, undefined: bool) -> None:
    path = saved(film(bone))
    nested = b""
    for _ in range(2000):
        if undefined:
            item = b"\xfe\xff\x00\xe0\xff\xff\xff\xff" + nested + b"\xfe\xff\x0d\xe0\0\0\0\0"
            head = struct.pack("<HH2sHL", 0x0019, 0x1010, b"SQ", 0, 0xFFFFFFFF)
            nested = head + item + b"\xfe\xff\xdd\xe0\0\0\0\0"
        else:
            nested = element(0x0019, 0x1010, b"SQ", b"\xfe\xff\x00\xe0" + struct.pack("<L", len(nested)) + nested)
    truth = read_radiograph(path).pixels
    path.write_bytes(with_private_element(path.read_bytes(), nested))
    np.testing.assert_array_equal(read_radiograph(path).pixels, truth)


def assert_truncated_cheaply(path: Path) -> None:
    tracemalloc.start()
    error = refused(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert error.refusal.code is ReasonCode.TRUNCATED
    assert peak < 32 << 20


@pytest.mark.parametrize("vr", [b"UN", b"OB", b"SQ"])
@pytest.mark.parametrize("claim", [0xFFFFFFFE, 0xFFFFFFFF, 0x7FFFFFFF])
def test_claimed_gigabytes_cost_nothing(bone: Pixels, film: Film, saved: Saved, vr: bytes, claim: int) -> None:
    path = saved(film(bone))
    head = struct.pack("<HH2sHL", 0x0019, 0x1010, vr, 0, claim)
    path.write_bytes(with_private_element(path.read_bytes(), head))
    assert_truncated_cheaply(path)


def test_claimed_gigabytes_of_pixels_cost_nothing(bone: Pixels, film: Film, saved: Saved) -> None:
    path = saved(film(bone, Rows=16000, Columns=16000))
    content = path.read_bytes()
    position = content.index(struct.pack("<HH2s", 0x7FE0, 0x0010, b"OW")) + 8
    path.write_bytes(content[:position] + struct.pack("<L", 0xFFFFFFFE) + content[position + 4 :])
    assert_truncated_cheaply(path)


def test_deflate_bomb_is_passed_through_a_small_window(bone: Pixels, film: Film, saved: Saved) -> None:
    path = saved(film(bone), DEFLATED)
    content = path.read_bytes()
    start = next(at for at in range(content.index(DEFLATED.encode()), len(content)) if _inflates(content[at:]))
    plain = zlib.decompressobj(-15).decompress(content[start:])
    bomb = with_private_element(plain, element(0x0019, 0x1010, b"OB", bytes(64 << 20)))
    deflater = zlib.compressobj(1, zlib.DEFLATED, -15)
    path.write_bytes(content[:start] + deflater.compress(bomb) + deflater.flush())
    del bomb
    assert path.stat().st_size < 4 << 20
    tracemalloc.start()
    radiograph = read_radiograph(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert radiograph.pixels.shape == bone.shape
    assert peak < 32 << 20


def _inflates(content: bytes) -> bool:
    try:
        return zlib.decompressobj(-15).decompress(content)[:2] == b"\x08\x00"
    except zlib.error:
        return False


@pytest.mark.parametrize(
    "content", [b"", b"\0" * 4096, b"\xff" * 4096, b"GIF89a" + bytes(200), b"%PDF-1.7\n" + b"x" * 300, b"DICM"]
)
def test_other_files_are_not_dicom(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    assert refused(path).refusal.code is ReasonCode.NOT_DICOM


def test_missing_file_and_folder_are_unreadable(tmp_path: Path) -> None:
    for path in (tmp_path / "absent.dcm", tmp_path, tmp_path / ("x" * 5000), Path("a\0b")):
        assert refused(path).refusal.code is ReasonCode.UNREADABLE_FILE


def test_pipes_and_devices_never_block(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    started = time.perf_counter()
    for path in (tmp_path / "pipe", Path(os.devnull)):
        assert refused(path).refusal.code is ReasonCode.UNREADABLE_FILE
    assert time.perf_counter() - started < 1


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(place=st.floats(0, 1), value=st.binary(min_size=1, max_size=8), uid=st.sampled_from([EXPLICIT, *CODECS]))
def test_damaged_bytes_end_in_a_film_or_an_error(
    bone: Pixels, film: Film, saved: Saved, place: float, value: bytes, uid: str
) -> None:
    path = saved(film(bone), uid)
    content = bytearray(path.read_bytes())
    start = int(place * (len(content) - len(value)))
    content[start : start + len(value)] = value
    path.write_bytes(content)
    try:
        pixels = read_radiograph(path).pixels
    except FilmError:
        return
    assert np.isfinite(pixels).all()


@pytest.mark.parametrize(("code", "attributes", "words"), BY_HEADER)
def test_no_message_names_the_patient(  # noqa: PLR0917 - fixtures and a table
    bone: Pixels,
    film: Film,
    saved: Saved,
    patient: dict[str, str],
    code: ReasonCode,
    attributes: dict[str, object],
    words: str,
) -> None:
    error = refused(saved(film(bone, **attributes)))
    said = f"{error} {error.refusal} {error.__cause__} {code} {words}"
    assert not [value for value in patient.values() if re.search(re.escape(value), said)]


def test_no_message_quotes_what_stands_in_the_wrong_place(bone: Pixels, film: Film, tmp_path: Path) -> None:
    swapped = encode(film(bone, Modality="QUIXOTE ALONSO"), LOSSLESS)
    assert "QUIXOTE" not in str(refused(relabelled(swapped, LOSSLESS, tmp_path)))
    path = relabelled(encode(film(bone), LOSSLESS), LOSSLESS, tmp_path)
    path.write_bytes(path.read_bytes().replace(LOSSLESS.encode(), b"1.2.3.7734012".ljust(22, b"\0"), 1))
    assert "7734012" not in str(refused(path))
