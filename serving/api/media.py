"""What a client wants reports as, by its Accept header, and the answers that are no JSON report.

References:
    RFC 9110 section 12.5.1 (Accept); DICOM PS3.18 sections 8.6.1 (single part and multipart payload) and 8.7.5.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from types import MappingProxyType

from fastapi.responses import Response
from python_multipart.multipart import parse_options_header

from kneeoa.model.grades import JSON
from kneeoa.serving.api.problems import Problem
from kneeoa.serving.results.objects import Form

DICOM = "application/dicom"
FHIR = "application/fhir+json"
RELATED_DICOM = 'multipart/related; type="application/dicom"'
_ORDER = (Form.STRUCTURED_REPORT, Form.SECONDARY_CAPTURE)
_LONGEST = 2000
_MOST_RANGES = 20


class Media(Enum):
    """What reports are answered as."""

    JSON = "json"
    DICOM = "dicom"
    RELATED_DICOM = "related"
    FHIR = "fhir"

    @property
    def forms(self) -> tuple[Form, ...]:
        """The forms to make of each film."""
        return _FORMS.get(self, ())


_FORMS = MappingProxyType(
    {
        Media.DICOM: (Form.STRUCTURED_REPORT,),
        Media.RELATED_DICOM: (Form.STRUCTURED_REPORT, Form.SECONDARY_CAPTURE),
        Media.FHIR: (Form.FHIR,),
    }
)


@dataclass(frozen=True, slots=True)
class Answered:
    """One film's report and its other forms."""

    report: dict[str, JSON]
    objects: dict[Form, bytes]


def wanted_media(accept: str | None) -> Media:
    """The acceptable media type that the client likes best; JSON where it does not care.

    Args:
        accept: the Accept header, or None.

    Raises:
        Problem: 406, none of its types is one of ours.
    """
    if accept is None or not accept.strip():
        return Media.JSON
    ranges = [_range(part) for part in accept[:_LONGEST].split(",")[:_MOST_RANGES]]
    known = sorted(((-quality, i, media) for i, (quality, media) in enumerate(ranges) if media and quality > 0))
    if not known:
        detail = f"Accept application/json, {FHIR}, {DICOM} or {RELATED_DICOM}."
        raise Problem(406, "not_acceptable", detail)
    return known[0][2]


def answer_as(media: Media, films: Sequence[Answered]) -> Response:
    """The answer of films in a form that is no JSON report.

    Raises:
        Problem: 422, a film has no such form.
    """
    if any(form not in film.objects for film in films for form in media.forms if form is not Form.SECONDARY_CAPTURE):
        detail = "A film is no DICOM object with its UIDs, and no DICOM or FHIR result can be about it. Ask for JSON."
        raise Problem(422, "no_dicom_source", detail)
    if media is Media.FHIR:
        return Response(_joined([film.objects[Form.FHIR] for film in films]), media_type=FHIR)
    objects = [film.objects[form] for film in films for form in _ORDER if form in film.objects]
    if media is Media.DICOM and len(objects) == 1:
        return Response(objects[0], media_type=DICOM)
    boundary = uuid.uuid4().hex
    parts = [f"--{boundary}\r\nContent-Type: {DICOM}\r\n\r\n".encode() + part + b"\r\n" for part in objects]
    body = b"".join(parts) + f"--{boundary}--\r\n".encode()
    return Response(body, media_type=f"{RELATED_DICOM}; boundary={boundary}")


def _joined(bundles: Sequence[bytes]) -> bytes:
    """One Bundle of all films: the first one's, with the others' entries."""
    if len(bundles) == 1:
        return bundles[0]
    whole, *others = (json.loads(bundle) for bundle in bundles)
    seen = {entry["fullUrl"] for entry in whole["entry"]}
    for other in others:
        # All were made by one Device, which is there once.
        whole["entry"] += [entry for entry in other["entry"] if entry["fullUrl"] not in seen]
        seen |= {entry["fullUrl"] for entry in other["entry"]}
    whole["id"] = str(uuid.uuid4())
    return json.dumps(whole, ensure_ascii=False).encode()


def _range(part: str) -> tuple[float, Media | None]:
    """Quality and meaning of one media range."""
    name, options = parse_options_header(part.strip())
    try:
        quality = float(options.get(b"q", b"1"))
    except ValueError:
        quality = 0.0
    kind = name.decode("latin-1").lower()
    if kind in {"*/*", "application/*", "application/json"}:
        return quality, Media.JSON
    if kind == DICOM:
        return quality, Media.DICOM
    if kind == FHIR:
        return quality, Media.FHIR
    if kind == "multipart/related" and options.get(b"type", DICOM.encode()).decode("latin-1").lower() == DICOM:
        return quality, Media.RELATED_DICOM
    return quality, None
