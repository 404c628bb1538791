"""Instances of a DICOMweb server: found by QIDO-RS, fetched by WADO-RS.

References:
    PS3.18 sections 10.6 (search) and 10.4 (retrieve).
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from typing import BinaryIO, TypeVar
from urllib.parse import parse_qsl, urlsplit

from dicomweb_client.api import DICOMwebClient
from requests.exceptions import HTTPError

from kneeoa.model.errors import ConfigError, FilmError, ReasonCode
from kneeoa.serving.archive.access import SourceError, again
from kneeoa.serving.archive.fates import SourceReason
from kneeoa.serving.archive.listed import Listed

T = TypeVar("T")
PAGE = 500
"""Studies asked for at once."""
_GONE = frozenset({404, 410})
_REFUSED = frozenset({401, 403})
_STUDY, _SERIES, _INSTANCE = "0020000D", "0020000E", "00080018"


def instances_of(url: str) -> Iterator[Listed]:
    """Every instance of the studies that the filter finds, in the server's order.

    Args:
        url: of the server, with the QIDO filter of studies as its query: `https://host/dicom-web?ModalitiesInStudy=DX`.

    Raises:
        ConfigError: the server cannot be asked.
    """
    parts = urlsplit(url)
    base = parts._replace(query="", fragment="").geturl().rstrip("/")
    client = DICOMwebClient(base)
    filters = dict(parse_qsl(parts.query))
    try:
        offset = 0
        while True:
            start = offset
            studies = _asked(lambda: client.search_for_studies(search_filters=filters, limit=PAGE, offset=start))  # noqa: B023
            for study in studies:
                yield from _of_study(client, base, _uid(study, _STUDY))
            offset += len(studies)
            if len(studies) < PAGE:
                return
    except SourceError as error:
        raise ConfigError(f"The DICOMweb server cannot be searched. {error}") from None


def fetched(url: str, limit: int) -> BinaryIO:
    """One instance as a file.

    Args:
        url: of the instance, as `instances_of` lists it.
        limit: most bytes.

    Raises:
        SourceError: the server does not give it.
        FilmError: `too_large`.
    """
    base, _, rest = url.partition("/studies/")
    study, _, series, _, instance = rest.split("/")
    film = again(lambda: _asked_once(lambda: DICOMwebClient(base).retrieve_instance(study, series, instance)))
    content = io.BytesIO()
    film.save_as(content, enforce_file_format=True)
    if content.tell() > limit:
        raise FilmError(ReasonCode.TOO_LARGE, "The file is larger than any film.")
    content.seek(0)
    return content


def _of_study(client: DICOMwebClient, base: str, study: str) -> Iterator[Listed]:
    for found in _asked(lambda: client.search_for_instances(study_instance_uid=study, get_remaining=True)):
        place = f"{base}/studies/{study}/series/{_uid(found, _SERIES)}/instances/{_uid(found, _INSTANCE)}"
        yield Listed(f"dicomweb+{place}")


def _asked(ask: Callable[[], list[dict[str, dict[str, object]]]]) -> list[dict[str, dict[str, object]]]:
    return again(lambda: _asked_once(ask))


def _asked_once(ask: Callable[[], T]) -> T:
    try:
        return ask()
    except HTTPError as error:
        status = 0 if error.response is None else error.response.status_code
        if status in _GONE:
            raise SourceError(SourceReason.VANISHED, "The server has it no longer.") from None
        if status in _REFUSED:
            raise SourceError(SourceReason.PERMISSION_DENIED, "The server wants a login.") from None
        raise


def _uid(found: dict[str, dict[str, object]], tag: str) -> str:
    values = found.get(tag, {}).get("Value")
    if not isinstance(values, list) or not values:
        raise SourceError(SourceReason.SERVER_ERROR, "The server's answer names no UID.")
    return str(values[0])
