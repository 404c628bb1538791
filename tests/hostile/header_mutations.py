"""Lies about values: attributes of an intact object rewritten to what no honest writer says."""

from __future__ import annotations

import io
import random
import struct
import warnings
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Literal, TypeAlias

from pydicom import Dataset, Sequence, dcmread
from pydicom.dataelem import RawDataElement
from pydicom.tag import Tag
from tests.hostile.bases import CANARY, saved
from tests.hostile.byte_mutations import flip_header

HeaderMutation: TypeAlias = Callable[[Dataset, random.Random], None]

_NUMBERS = (0, 1, 2, 3, 7, 8, 9, 12, 15, 16, 17, 24, 31, 32, 33, 64, 255, 319, 321, 640, 4096, 32768, 65534, 65535)
_DECIMALS = (
    *("0", "-0", "1", "-1", "1e-30", "-4096", "32768", "-32768", "65536", "1e30", "-1e30", "1e308", "1e400", "NaN"),
    *("nan", "Inf", "-inf", "Infinity", "1_000", "0x10", "1,5", "", " ", "\\", "\\\\1", "1\\2\\3", "--1", "1e", "٣"),
    *("9" * 4000, "0." + "0" * 4000 + "1", "1\\" * 9000),
)
_CHARACTER_SETS = (
    "ISO_IR 192",
    "ISO 2022 IR 87\\ISO 2022 IR 159",
    "GB18030",
    "ISO_IR 999",
    "\\\\\\",
    "\x1b$B",
    "é" * 40,
)
_PHOTOMETRIC = (
    *(
        "MONOCHROME1",
        "MONOCHROME2",
        "RGB",
        "YBR_FULL",
        "YBR_FULL_422",
        "YBR_RCT",
        "PALETTE COLOR",
        "HSV",
        "",
        "monochrome1",
    ),
    *("ALONSO", "MONOCHROME2\\MONOCHROME1", "MONOCHROME"),
)


def set_raw(film: Dataset, tag: int, vr: str, value: bytes) -> None:
    """An element whose value is these bytes, whatever they are."""
    implicit, little = film.original_encoding[0], film.original_encoding[1]
    if len(value) % 2:
        value += b"\0" if vr in {"UI", "OB"} else b" "
    film._dict[Tag(tag)] = RawDataElement(
        Tag(tag), vr, len(value), value, 0, bool(implicit), little is not False, is_raw=True
    )


def _short(film: Dataset, tag: int, *values: int) -> None:
    order = ">" if film.original_encoding[1] is False else "<"
    set_raw(film, tag, "US", struct.pack(f"{order}{len(values)}H", *(value & 0xFFFF for value in values)))


def _text(film: Dataset, tag: int, vr: str, value: str) -> None:
    set_raw(film, tag, vr, value.encode("utf-8"))


def bit_depth(film: Dataset, rng: random.Random) -> None:
    """Bits Allocated, Bits Stored, High Bit and Pixel Representation that are not the pixels'."""
    for tag in rng.sample((0x00280100, 0x00280101, 0x00280102, 0x00280103), rng.randint(1, 4)):
        _short(film, tag, rng.choice(_NUMBERS))


def sign(film: Dataset, _rng: random.Random) -> None:
    """The other Pixel Representation."""
    _short(film, 0x00280103, 1 - int(film.get("PixelRepresentation") or 0))


def samples_and_planes(film: Dataset, rng: random.Random) -> None:
    """Samples per Pixel and Planar Configuration that are not the pixels'."""
    _short(film, 0x00280002, rng.choice((0, 1, 2, 3, 4, 65535)))
    _short(film, 0x00280006, rng.choice((0, 1, 2)))


def rows_and_columns(film: Dataset, rng: random.Random) -> None:
    """A size that is not the pixels': zero, swapped, one less, or of gigabytes."""
    rows, columns = int(film.get("Rows") or 1), int(film.get("Columns") or 1)
    sizes = ((0, columns), (rows, 0), (rows - 1, columns), (rows, columns - 1), (rows // 2, columns * 2))
    large = ((65535, 65535), (65534, 65534), (16384, 16384), (8192, 8192), (1, 65534), (rows * columns, 1))
    rows, columns = rng.choice((*sizes, *large))
    _short(film, 0x00280010, rows)
    _short(film, 0x00280011, columns)


def photometric(film: Dataset, rng: random.Random) -> None:
    """Another Photometric Interpretation."""
    _text(film, 0x00280004, "CS", rng.choice(_PHOTOMETRIC))


def inverted_twice(film: Dataset, rng: random.Random) -> None:
    """MONOCHROME1 and INVERSE both, or either, of pixels that need neither."""
    _text(film, 0x00280004, "CS", rng.choice(("MONOCHROME1", "MONOCHROME2")))
    _text(film, 0x20500020, "CS", rng.choice(("INVERSE", "IDENTITY", "inverse", "INVERSE\\IDENTITY")))


def rescale(film: Dataset, rng: random.Random) -> None:
    """A slope and an intercept out of nowhere, that of a lost sign among them."""
    _text(film, 0x00281052, "DS", rng.choice(_DECIMALS))
    if rng.random() < 0.5:
        _text(film, 0x00281053, "DS", rng.choice(_DECIMALS))


def window(film: Dataset, rng: random.Random) -> None:
    """Huge, negative, empty and unreadable windows."""
    _text(film, 0x00281050, "DS", rng.choice(_DECIMALS))
    _text(film, 0x00281051, "DS", rng.choice(_DECIMALS))
    if rng.random() < 0.3:
        _text(film, 0x00281056, "CS", rng.choice(("SIGMOID", "LINEAR_EXACT", "LINEAR", "ALONSO")))


def lookup_table(film: Dataset, rng: random.Random) -> None:
    """A modality or VOI LUT whose descriptor lies."""
    item = Dataset()
    # Its data are read as they lie, so that the descriptor may say what it will.
    order: Literal["big", "little"] = "big" if film.original_encoding[1] is False else "little"
    values = (rng.choice(_NUMBERS), rng.choice((0, 32768, 65535)), rng.choice((0, 7, 8, 12, 16, 17, 65535)))
    item.add_new(0x00283002, "OW", b"".join(value.to_bytes(2, order) for value in values))
    item.add_new(0x00283006, "OW", rng.randbytes(2 * rng.choice((0, 1, 2, 255, 4096, 65536))))
    film.add_new(rng.choice((0x00283000, 0x00283010)), "SQ", Sequence([item] * rng.randint(1, 3)))


def spacing(film: Dataset, rng: random.Random) -> None:
    """Pixel Spacing of any kind."""
    _text(film, rng.choice((0x00280030, 0x00181164)), "DS", rng.choice(_DECIMALS))


def padding(film: Dataset, rng: random.Random) -> None:
    """Pixel Padding Value and Range Limit."""
    _short(film, 0x00280120, rng.choice(_NUMBERS))
    _short(film, 0x00280121, rng.choice(_NUMBERS))


def frames(film: Dataset, rng: random.Random) -> None:
    """Number of Frames of any kind."""
    _text(film, 0x00280008, "IS", rng.choice(_DECIMALS))


def character_set(film: Dataset, rng: random.Random) -> None:
    """Private and odd character sets."""
    _text(film, 0x00080005, "CS", rng.choice(_CHARACTER_SETS))


def overlong(film: Dataset, rng: random.Random) -> None:
    """60 KB of text for a code of sixteen letters."""
    tag = rng.choice((0x00080060, 0x00180015, 0x00185101, 0x00200062, 0x00101010, 0x00080016, 0x0020000D, 0x00280004))
    _text(film, tag, "UT", rng.choice(("A", "KNEE ", "1.", "\\", "\x00", "R")) * 30000)


def patient_in_the_wrong_place(film: Dataset, rng: random.Random) -> None:
    """The patient's name where a code belongs."""
    tag = rng.choice(
        (0x00080060, 0x00080068, 0x00180015, 0x00185101, 0x00200060, 0x00200062, 0x00280004, 0x00281056, 0x20500020)
    )
    _text(film, tag, "CS", rng.choice((CANARY["PatientName"], "ALONSO", CANARY["PatientBirthDate"])))


def patient_in_a_code(film: Dataset, rng: random.Random) -> None:
    """The patient's name for the meaning of the view or of the region."""
    item = Dataset()
    item.add_new(0x00080104, "LO", CANARY["PatientName"])
    for tag in (0x00185101, 0x00180015):
        film.pop(tag, None)
    film.add_new(rng.choice((0x00540220, 0x00082218)), "SQ", Sequence([item]))


def other_side(film: Dataset, _rng: random.Random) -> None:
    """The other knee's laterality."""
    _text(film, 0x00200062, "CS", "L" if film.get("ImageLaterality") == "R" else "R")


def nested(film: Dataset, rng: random.Random) -> None:
    """A private sequence two thousand deep."""
    depth, item, close = 2000, b"\xfe\xff\x00\xe0\xff\xff\xff\xff", b"\xfe\xff\x0d\xe0\0\0\0\0\xfe\xff\xdd\xe0\0\0\0\0"
    head = struct.pack("<HHL", 0x0019, 0x1010, 0xFFFFFFFF)
    inside = (item + head) * depth + item + close * (depth + 1)
    set_raw(
        film,
        rng.choice((0x00191010, 0x00082218, 0x00283010, 0x00540220)),
        "UN",
        inside[: -rng.choice((0, 8))] or inside,
    )


def stray_group_length(film: Dataset, rng: random.Random) -> None:
    """Group lengths that lie."""
    for group in (0x0008, 0x0010, 0x0028):
        set_raw(film, group << 16, "UL", struct.pack("<L", rng.choice((0, 1, 0x7FFFFFFF, 0xFFFFFFFF))))


def empty_values(film: Dataset, rng: random.Random) -> None:
    """Half of what the header says is said without a value."""
    for tag in list(film.keys()):
        if rng.random() < 0.3 and tag != Tag(0x7FE00010):
            set_raw(film, int(tag), film[tag].VR if film[tag].VR != "SQ" else "OB", b"")


def missing_values(film: Dataset, rng: random.Random) -> None:
    """A few elements are not there."""
    for tag in rng.sample(list(film.keys()), min(4, len(film))):
        del film[tag]


def _all() -> Mapping[str, HeaderMutation]:
    mutations = (
        *(bit_depth, sign, samples_and_planes, rows_and_columns, photometric, inverted_twice, rescale, window),
        *(lookup_table, spacing, padding, frames, character_set, overlong, other_side, nested),
        *(patient_in_the_wrong_place, patient_in_a_code, stray_group_length, empty_values, missing_values),
    )
    return MappingProxyType({mutation.__name__: mutation for mutation in mutations})


HEADER_MUTATIONS = _all()


def with_header_mutation(content: bytes, mutation: HeaderMutation, rng: random.Random) -> bytes:
    """The object with its header mutated and its pixels left; what pydicom cannot rewrite loses some bits instead."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            film = dcmread(io.BytesIO(content), force=True)
            mutation(film, rng)
            return saved(film)
        except Exception:  # pydicom raises anything for what is not DICOM any more
            return flip_header(content, rng)
