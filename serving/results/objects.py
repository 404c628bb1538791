"""All forms of one film's result, made together: Structured Report, Secondary Capture, FHIR."""

from __future__ import annotations

import struct
import warnings
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from pathlib import Path

from kneeoa.model.grades import FilmGrades
from kneeoa.model.radiograph import FloatImage
from kneeoa.serving.results.codes import load_codes


class Form(StrEnum):
    """What a result is printed as."""

    STRUCTURED_REPORT = "sr"
    SECONDARY_CAPTURE = "sc"
    FHIR = "fhir"


@dataclass(frozen=True, slots=True)
class Request:
    """Which forms of a result are wanted, and what is fixed of it already.

    Attributes:
        forms: which.
        codes: a site's file of codes, or None.
        uid: of the result, or None: as it is for a film that came first.
        made: when it was made, seconds since 1970, or None: now.
    """

    forms: tuple[Form, ...]
    codes: str | None = None
    uid: str | None = None
    made: float | None = None


def result_objects(path: Path, grades: FilmGrades, pixels: FloatImage | None, request: Request) -> dict[Form, bytes]:
    """The forms asked for.

    Args:
        path: the film, a DICOM file.
        grades: its report.
        pixels: (rows, columns) float32 in [0, 1], the film as displayed; None where it cannot be read, which has no
            Secondary Capture.
        request: what is wanted.

    Raises:
        NoSourceError: the file is no DICOM object with its UIDs.
        ConfigError: the site's file of codes is not valid.
    """
    from kneeoa.serving.results.capture_picture import capture_picture
    from kneeoa.serving.results.fhir import fhir_bundle
    from kneeoa.serving.results.result_object import result_source
    from kneeoa.serving.results.secondary_capture import secondary_capture
    from kneeoa.serving.results.structured_report import structured_report

    made = None if request.made is None else datetime.fromtimestamp(request.made).astimezone()
    codes = load_codes(None if request.codes is None else Path(request.codes))
    found: dict[Form, bytes] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom's warnings quote the values of headers
        of = result_source(path, grades, codes, made, request.uid)
        if Form.STRUCTURED_REPORT in request.forms:
            found[Form.STRUCTURED_REPORT] = structured_report(of, capture=pixels is not None)
        if Form.SECONDARY_CAPTURE in request.forms and pixels is not None:
            found[Form.SECONDARY_CAPTURE] = secondary_capture(of, capture_picture(pixels, grades, of.made))
        if Form.FHIR in request.forms:
            found[Form.FHIR] = fhir_bundle(of)
    return found


def pack(objects: dict[Form, bytes], forms: Collection[Form]) -> bytes:
    """Objects as one message: of each form asked for its length and its bytes; 0 where there is none."""
    pieces = [objects.get(form, b"") for form in forms]
    return struct.pack(f">{len(pieces)}Q", *(len(piece) for piece in pieces)) + b"".join(pieces)


def unpack(message: bytes, forms: Collection[Form]) -> dict[Form, bytes]:
    """What `pack` packed.

    Raises:
        ValueError: the message is not as long as it says.
    """
    head = struct.calcsize(f">{len(forms)}Q")
    if len(message) < head:
        raise ValueError("A message of results is too short.")
    sizes = struct.unpack_from(f">{len(forms)}Q", message)
    if head + sum(sizes) != len(message):
        raise ValueError("A message of results is not as long as it says.")
    found: dict[Form, bytes] = {}
    for form, size in zip(forms, sizes, strict=True):
        if size:
            found[form] = message[head : head + size]
        head += size
    return found
