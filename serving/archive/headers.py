"""What the first pass reads of a file: its head, up to the pixels and never into them."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import date
from typing import BinaryIO

from kneeoa.model.candidate import refuse_by_head
from kneeoa.model.dicom_elements import Elements
from kneeoa.model.dicom_facts import age_years, body_part, film_facts, side_of
from kneeoa.model.dicom_header import WANTED_TAGS, Header, read_header
from kneeoa.model.errors import FilmError, ReasonCode, Refusal
from kneeoa.model.picture import PICTURE_MAGICS
from kneeoa.model.radiograph import FilmFacts, Side
from kneeoa.serving.archive.fates import Fate
from kneeoa.serving.archive.manifest_schema import ManifestRow

_STATION, _MANUFACTURER, _MODEL, _INSTITUTION = 0x00081010, 0x00080070, 0x00081090, 0x00080080
_SERIES, _SEX, _PATIENT_ID, _ISSUER, _STUDY_DATE = 0x0020000E, 0x00100040, 0x00100020, 0x00100021, 0x00080020
HEAD_TAGS = (*WANTED_TAGS, _STATION, _MANUFACTURER, _MODEL, _INSTITUTION, _SERIES, _SEX, _PATIENT_ID, _ISSUER)
_LONGEST_WORDS = 64
"""Letters of a Long String, PS3.5 section 6.2; what is longer is none."""
_UID = re.compile(r"[0-9.]{1,64}")
_MOST_YEARS = 150


def row_of_head(stream: BinaryIO, size: int | None, source: str, member: str | None = None) -> ManifestRow:
    """The manifest's row of one file, by its header alone; number, shard and doubles are decided later.

    Args:
        stream: the file or member, at its first byte; seeking forward in it need not be cheap.
        size: in bytes; None where the source does not tell it.
        source: path or URL.
        member: name in the archive that `source` is.

    Returns:
        A row whose `patient` is still the Patient ID with its issuer: see `pseudonyms`.

    Raises:
        OSError: the source cannot be read on.
    """
    row = ManifestRow(-1, source, member, bytes=size)
    head = stream.read(132)
    stream.seek(0)
    if head.startswith(PICTURE_MAGICS) and head[128:] != b"DICM":
        return replace(row, fate=Fate.FILM)
    try:
        header = read_header(stream, 1 << 62 if size is None else size, HEAD_TAGS)
        facts = film_facts(source, header.elements, None)
    except FilmError as error:
        return refused(row, error.refusal)
    except (ValueError, ArithmeticError, LookupError):
        return refused(row, Refusal.because(ReasonCode.NOT_DICOM, "The object contradicts itself."))
    return refused(_described(row, header, facts), refuse_by_head(header, facts))


def refused(row: ManifestRow, refusal: Refusal | None) -> ManifestRow:
    """The row with the fate that follows from a refusal, or from none.

    An object without pixels, such as a report, was read and is no film: in an archive that is no failure.
    """
    if refusal is None:
        return replace(row, fate=Fate.FILM)
    other = not refusal.is_read_error or refusal.code is ReasonCode.NO_PIXELS
    return replace(row, fate=Fate.OTHER if other else Fate.UNREADABLE, reason=refusal.code.value)


def unreadable(source: str, member: str | None, reason: str, size: int | None = None) -> ManifestRow:
    """The row of a file that cannot be read.

    Args:
        source: path or URL.
        member: see `row_of_head`.
        reason: a code.
        size: in bytes, where it is known.
    """
    return ManifestRow(-1, source, member, Fate.UNREADABLE, reason, bytes=size)


def _described(row: ManifestRow, header: Header, facts: FilmFacts) -> ManifestRow:
    elements = header.elements
    years = age_years(elements)
    side = side_of(elements, None)[0]
    sex = elements.text(_SEX).upper()
    return replace(
        row,
        sop_instance_uid=facts.sop_instance_uid,
        study_instance_uid=facts.study_instance_uid,
        series_instance_uid=_uid(elements.text(_SERIES)),
        patient=_patient(elements),
        modality=facts.modality,
        study_date=day(elements.text(_STUDY_DATE)),
        station=_words(elements, _STATION),
        manufacturer=_words(elements, _MANUFACTURER),
        model=_words(elements, _MODEL),
        institution=_words(elements, _INSTITUTION),
        sex=sex if sex in {"M", "F", "O"} else None,
        age_years=int(years) if years is not None and 0 <= years < _MOST_YEARS else None,
        body_part=(body_part(elements) or "")[:_LONGEST_WORDS] or None,
        view=facts.view,
        laterality=None if side is Side.UNKNOWN else side.value,
        rows=facts.rows,
        columns=facts.columns,
        transfer_syntax=_uid(header.transfer_syntax),
    )


def day(text: str) -> date | None:
    """A DICOM date, PS3.5 section 6.2 (DA), or None where it is none."""
    digits = text.replace(".", "")
    if not re.fullmatch(r"\d{8}", digits, re.ASCII):
        return None
    try:
        return date(int(digits[:4]), int(digits[4:6]), int(digits[6:]))
    except ValueError:
        return None


def _patient(elements: Elements) -> str | None:
    identity = elements.text(_PATIENT_ID)
    return f"{elements.text(_ISSUER)}\\{identity}" if identity else None


def _words(elements: Elements, tag: int) -> str | None:
    """The first value as text: UTF-8 where it is that, else Latin-1; without control characters."""
    content = elements.content(tag)[: 4 * _LONGEST_WORDS].split(b"\\")[0]
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        text = content.decode("latin-1")
    return "".join(c for c in text if c.isprintable()).strip()[:_LONGEST_WORDS] or None


def _uid(text: str) -> str | None:
    return text if _UID.fullmatch(text) else None
