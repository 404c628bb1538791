"""What a film is called: ids that depend on nothing but what the film and the release are.

A film with a SOP Instance UID is that UID; a picture, or an object without one, is its bytes. A second film under a UID
that is taken, with other pixels, is the UID and its pixels together. A result is its film, the release and the settings
that change results. The same input therefore has the same ids on every machine and in every rerun.
"""

from __future__ import annotations

import hashlib
import json
import re
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from kneeoa.model.dicom_elements import Elements
from kneeoa.model.dicom_facts import film_facts
from kneeoa.model.dicom_header import DEFLATED, EXPLICIT_BIG, IMPLICIT_LITTLE, Header, read_header
from kneeoa.model.dicom_sources import BudgetedSource
from kneeoa.model.dicom_walk import Element, Layout, walk
from kneeoa.model.errors import FilmError
from kneeoa.model.grades import JSON
from kneeoa.model.picture import PICTURE_MAGICS

RESULT_SETTINGS: dict[str, JSON] = {"road": 1}
"""Settings that change results. Today there are none but the road itself; a new one belongs here."""
_CHUNK = 1 << 20
_DATE_TIME = re.compile(r"\d{8}(\d{2,6}(\.\d{1,6})?)?")
_DATES_AND_TIMES = ((0x00080022, 0x00080032), (0x00080023, 0x00080033))
"""Acquisition Date and Time, Content Date and Time."""
_ACQUISITION_DATE_TIME = 0x0008002A


@dataclass(frozen=True, slots=True)
class FilmIdentity:
    """What tells one film from another.

    Attributes:
        sop_uid: SOP Instance UID (0008,0018), or None.
        study_uid: Study Instance UID (0020,000D), or one made from the bytes.
        pixels_sha256: of Pixel Data (7FE0,0010) as encoded; of the whole file where there is none to be found.
        suffix: ".dcm", ".png" or ".jpg".
        acquired: date and time of acquisition, digits as in DICOM, or "".
    """

    sop_uid: str | None
    study_uid: str
    pixels_sha256: str
    suffix: str
    acquired: str = ""

    def film_id(self, *, reused: bool = False) -> str:
        """The film's id: 40 hexadecimal digits.

        Args:
            reused: whether the SOP Instance UID belongs to another film already.
        """
        if self.sop_uid is None:
            return _digest("film", "bytes", self.pixels_sha256)[:40]
        return _digest("film", "uid", self.sop_uid, *((self.pixels_sha256,) if reused else ()))[:40]


def identify(path: Path) -> FilmIdentity:
    """Reads what tells a film from others; no pixel is decoded.

    Args:
        path: a file that was received.

    Raises:
        FilmError: `not_dicom`: it is neither DICOM nor PNG nor JPEG.
    """
    with path.open("rb") as stream:
        head = stream.read(132)
        stream.seek(0)
        if head.startswith(PICTURE_MAGICS) and head[128:] != b"DICM":
            suffix = ".png" if head.startswith(PICTURE_MAGICS[0]) else ".jpg"
            content = _hash_rest(stream)
            return FilmIdentity(None, made_uid("study", content), content, suffix)
        size = path.stat().st_size
        header = read_header(stream, size)
        facts = film_facts("", header.elements, None)
        content = _pixels_sha256(header, stream)
        study = facts.study_instance_uid or made_uid("study", facts.sop_instance_uid or content)
        return FilmIdentity(facts.sop_instance_uid, study, content, ".dcm", _acquired(stream, size, header))


def result_id(film_id: str, release_sha256: str, settings: Mapping[str, JSON] = RESULT_SETTINGS) -> str:
    """A result's id: 40 hexadecimal digits.

    Args:
        film_id: of the film.
        release_sha256: of the release that grades.
        settings: those that change results.
    """
    return _digest("result", film_id, release_sha256, json.dumps(dict(settings), sort_keys=True))[:40]


def result_uid(result: str) -> str:
    """A result's UID: the SOP Instance UID of its Structured Report.

    Args:
        result: its id.
    """
    return made_uid("result", result)


def capture_uid(uid: str) -> str:
    """SOP Instance UID of the Secondary Capture beside a Structured Report.

    Args:
        uid: of the report.
    """
    return made_uid("secondary capture", uid)


def site_uid(uid: str, site: str) -> str:
    """A result's UID with a site's own codes: it is then another object.

    Args:
        uid: of the result with the private dictionary.
        site: digest of the site's codes, or "".
    """
    return made_uid("result with codes", uid, site) if site else uid


def document_series_uid(study_uid: str, release_sha256: str) -> str:
    """Series of a study's own Structured Reports: one a study and release, because a series has one equipment.

    Args:
        study_uid: Study Instance UID.
        release_sha256: of the release that was running.
    """
    return made_uid("study report series", study_uid, release_sha256)


def made_id(kind: str, *parts: str) -> str:
    """An id hashed from text: 40 hexadecimal digits.

    Args:
        kind: what it names.
        parts: what it depends on.
    """
    return _digest(kind, *parts)[:40]


def made_uid(kind: str, *parts: str) -> str:
    """A DICOM UID hashed from text.

    Args:
        kind: what it names: "study", "result", ...
        parts: what it depends on.

    References:
        PS3.5 section B.2 (UUID derived UID, root 2.25).
    """
    return f"2.25.{uuid.UUID(bytes=bytes.fromhex(_digest(kind, *parts))[:16], version=5).int}"


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(("kneeoa-1", *parts)).encode()).hexdigest()


def _hash_rest(stream: BinaryIO, count: int | None = None) -> str:
    digest = hashlib.sha256()
    while (chunk := stream.read(_CHUNK if count is None else min(_CHUNK, count))) != b"":
        digest.update(chunk)
        count = None if count is None else count - len(chunk)
    return digest.hexdigest()


def _pixels_sha256(header: Header, stream: BinaryIO) -> str:
    """Of the encoded pixels; of a deflated object its bytes, because inflating is not for this process."""
    if header.source is not stream:
        stream.seek(0)
        return _hash_rest(stream)
    return _hash_rest(stream, header.pixel_length)


def _acquired(stream: BinaryIO, size: int, header: Header) -> str:
    if header.transfer_syntax == DEFLATED:
        return ""
    stream.seek(128)
    start = 132 if stream.read(4) == b"DICM" else 0
    stream.seek(start)
    found: dict[int, Element] = {}
    wanted = {_ACQUISITION_DATE_TIME, *(tag for pair in _DATES_AND_TIMES for tag in pair)}
    order = ">" if header.transfer_syntax == EXPLICIT_BIG else "<"
    try:
        walk(BudgetedSource(stream, size), Layout("<", explicit=True), lambda tag: tag >> 16 != 2, (), {})
        layout = Layout(order, explicit=header.transfer_syntax != IMPLICIT_LITTLE)
        walk(BudgetedSource(stream, size), layout, lambda tag: tag > max(wanted), wanted, found)
    except FilmError:
        pass  # what was found before the fault still counts
    elements = Elements(found)
    stated = [elements.text(_ACQUISITION_DATE_TIME)]
    stated += [elements.text(date) + elements.text(time) for date, time in _DATES_AND_TIMES]
    return next((text[:32] for text in stated if _DATE_TIME.match(text)), "")
