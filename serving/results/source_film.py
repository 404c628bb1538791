"""The film that a result is about, as its own header states it: whose it is, and which object.

Values are taken as they are stored, byte for byte, with the character set they are written in: a result must match its
patient in the archive whatever the header's faults. Nothing of it is ever logged.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from kneeoa.model.dicom_elements import Elements
from kneeoa.model.dicom_header import read_header
from kneeoa.model.errors import FilmError, KneeOAError

SPECIFIC_CHARACTER_SET = 0x00080005
PATIENT_ID, PATIENT_NAME, ACCESSION_NUMBER = 0x00100020, 0x00100010, 0x00080050
COPIED = {
    # Patient and Patient Study modules.
    PATIENT_NAME: "PN",
    PATIENT_ID: "LO",
    0x00100021: "LO",
    0x00100030: "DA",
    0x00100040: "CS",
    0x00101010: "AS",
    # General Study module.
    0x00080020: "DA",
    0x00080030: "TM",
    ACCESSION_NUMBER: "SH",
    0x00080090: "PN",
    0x00081030: "LO",
    0x00200010: "SH",
}
"""Attributes copied into results, by tag, with their VR."""
REQUIRED = frozenset(
    {PATIENT_NAME, PATIENT_ID, 0x00100030, 0x00100040, 0x00080020, 0x00080030, ACCESSION_NUMBER, 0x00080090, 0x00200010}
)
"""Type 2 (PS3.3 C.7.1.1, C.7.2.1): there even when empty."""
_CLASS, _INSTANCE, _STUDY, _SERIES = 0x00080016, 0x00080018, 0x0020000D, 0x0020000E
_ROWS, _COLUMNS = 0x00280010, 0x00280011
_WANTED = (SPECIFIC_CHARACTER_SET, _CLASS, _INSTANCE, _STUDY, _SERIES, _ROWS, _COLUMNS, *COPIED)
_UID = re.compile(r"[0-9]+(\.[0-9]+)+")
_DELIMITERS = "\\^="
"""At these an ISO 2022 code extension ends (PS3.5 6.1.2.5.3)."""
_LONGEST = 1 << 10
"""No copied value is longer (PN: three times 64 letters of up to four bytes); a hostile one has millions."""


class NoSourceError(KneeOAError):
    """A DICOM result can be about a DICOM object with its UIDs only."""


@dataclass(frozen=True, slots=True)
class SourceFilm:
    """What a result takes over from its film.

    Attributes:
        sop_class_uid, sop_instance_uid, study_instance_uid: of the film.
        series_instance_uid: likewise; "" where it states none.
        rows, columns: of its image, None where it states none.
        character_set: Specific Character Set (0008,0005), as stored; empty is the default repertoire.
        copied: values as stored, by tag (`COPIED`).
    """

    sop_class_uid: str
    sop_instance_uid: str
    study_instance_uid: str
    series_instance_uid: str
    rows: int | None
    columns: int | None
    character_set: bytes
    copied: Mapping[int, bytes]

    def text(self, tag: int) -> str:
        """A copied value as text, decoded by the film's character set; what cannot be decoded is replaced."""
        from pydicom.charset import convert_encodings, decode_bytes

        raw = self.copied.get(tag, b"")
        named = self.character_set.decode("ascii", "replace").strip(" \0").split("\\")
        try:
            encodings = convert_encodings([name.strip() for name in named])
            text = decode_bytes(raw, encodings, {ord(letter) for letter in _DELIMITERS})
        except (LookupError, UnicodeError, Warning):
            text = raw.decode("utf-8", "replace")
        return text.strip(" \0")


def read_source(path: Path) -> SourceFilm:
    """Reads a film's header; no pixel is decoded and pydicom is not asked, which would quote values in warnings.

    Args:
        path: a DICOM file.

    Raises:
        NoSourceError: it is a picture, or an object without SOP Class, SOP Instance or Study Instance UID.
    """
    try:
        with path.open("rb") as stream:
            elements = read_header(stream, path.stat().st_size, _WANTED).elements
    except FilmError:
        elements = Elements({})
    uids = [elements.text(tag) for tag in (_CLASS, _INSTANCE, _STUDY)]
    if not all(_UID.fullmatch(uid) and len(uid) <= 64 for uid in uids):
        raise NoSourceError(
            "A DICOM result refers to a DICOM film by its UIDs, and this file states none. Ask for JSON, or send the "
            "object itself."
        )
    series = elements.text(_SERIES)
    return SourceFilm(
        sop_class_uid=uids[0],
        sop_instance_uid=uids[1],
        study_instance_uid=uids[2],
        series_instance_uid=series if _UID.fullmatch(series) and len(series) <= 64 else "",
        rows=elements.integer(_ROWS),
        columns=elements.integer(_COLUMNS),
        character_set=elements.content(SPECIFIC_CHARACTER_SET)[:_LONGEST],
        copied={tag: elements.content(tag) for tag in COPIED if len(elements.content(tag)) <= _LONGEST},
    )
