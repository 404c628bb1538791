"""Films by DICOMweb: found by QIDO-RS, level by level, and fetched by WADO-RS, one by one.

References:
    DICOM PS3.18 sections 10.4 (Retrieve Transaction) and 10.6 (Search Transaction).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from io import BytesIO

import requests
import structlog
from dicomweb_client.web import DICOMwebClient
from pydicom import Dataset

from kneeoa.serving.pacs.archive import MOST_LISTED, ListedInstance, ListedStudy, PullError, Take, study_filters
from kneeoa.serving.pacs.pull_settings import WebPull
from kneeoa.serving.pacs.web_client import web_client

_PAGE = 500
_STUDY, _SERIES, _INSTANCE, _COUNT = "0020000D", "0020000E", "00080018", "00201208"
_NO_ENTRY = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})
_LOG = structlog.get_logger("kneeoa.pull")
_Found = Mapping[str, Mapping[str, object]]
_Page = Callable[[int, int], list[dict[str, dict[str, object]]]]


class WebArchive:
    """`archive.Archive` by DICOMweb.

    Args:
        settings: of the archive.
        seconds: its longest silence.
    """

    def __init__(self, settings: WebPull, seconds: float) -> None:
        self._settings, self._seconds = settings, seconds

    @contextmanager
    def open(self) -> Iterator[_AskedWeb]:
        """See `archive.Archive`."""
        with web_client(self._settings, self._seconds) as client:
            yield _AskedWeb(client, self._settings)


class _AskedWeb:
    """`archive.Asked` by DICOMweb."""

    def __init__(self, client: DICOMwebClient, settings: WebPull) -> None:
        self._client, self._settings = client, settings

    def studies(self) -> list[ListedStudy]:
        filters = study_filters(self._settings.query)

        def page(limit: int, offset: int) -> list[dict[str, dict[str, object]]]:
            return self._client.search_for_studies(limit=limit, offset=offset, search_filters=filters)

        return [ListedStudy(uid, _count(found)) for uid, found in self._all(page, _STUDY).items()]

    def instances(self, study: str) -> list[ListedInstance]:
        query = self._settings.query

        def series_page(limit: int, offset: int) -> list[dict[str, dict[str, object]]]:
            filters = dict(query.series)
            return self._client.search_for_series(study, limit=limit, offset=offset, search_filters=filters)

        listed: list[ListedInstance] = []
        for series in self._all(series_page, _SERIES):

            def page(limit: int, offset: int, series: str = series) -> list[dict[str, dict[str, object]]]:
                filters = dict(query.instance)
                return self._client.search_for_instances(
                    study, series, limit=limit, offset=offset, search_filters=filters
                )

            listed += [ListedInstance(study, series, uid) for uid in self._all(page, _INSTANCE)]
        return listed

    def fetch(self, wanted: Iterable[ListedInstance], take: Take) -> None:
        for one in wanted:
            content = self._fetched(one)
            if content is not None:
                take(one.uid, content)

    def _fetched(self, one: ListedInstance) -> BytesIO | None:
        """The file as the archive has it, in its own transfer syntax; None where this one cannot be had."""
        try:
            with self._named():
                dataset = self._client.retrieve_instance(
                    one.study, one.series, one.uid, media_types=(("application/dicom", "*"),)
                )
                content = _file(dataset)
        except _NotGivenError as error:
            _LOG.warning("instance_not_given", archive=self._settings.name, status=error.status)
            return None
        except PullError as error:
            if error.reason != "archive_lost":
                raise
            _LOG.warning("instance_not_read", archive=self._settings.name)
            return None
        return content

    def _all(self, page: _Page, tag: str) -> dict[str, _Found]:
        """All pages of an answer, by UID. Some servers ignore limit or offset, or have a smaller limit of their own."""
        found: dict[str, _Found] = {}
        while len(found) < MOST_LISTED:
            with self._named():
                answers = page(_PAGE, len(found))
                new = {uid: answer for answer in answers if (uid := _text(answer, tag)) and uid not in found}
            found |= new
            if not new:
                return found
        raise PullError("archive_floods", f"{self._settings.name} lists more than {MOST_LISTED}. Narrow the query.")

    @contextmanager
    def _named(self) -> Iterator[None]:
        """Names what went wrong, without addresses and UIDs."""
        name = self._settings.name
        try:
            yield
        except requests.HTTPError as error:
            status = 0 if error.response is None else error.response.status_code
            if status in _NO_ENTRY:
                raise PullError("archive_refused", f"{name} does not let us in: {status}.") from None
            raise _NotGivenError(name, status) from None
        except (requests.ConnectionError, requests.Timeout):
            raise PullError("archive_unreachable", f"{name} is not there.") from None
        except Exception as error:  # whatever is made of an answer that is no DICOMweb
            why = type(error).__name__
            raise PullError("archive_lost", f"{name} did not answer as a DICOMweb server: {why}.") from None


class _NotGivenError(PullError):
    """A request was answered with a failure; of an instance, another may be given."""

    def __init__(self, name: str, status: int) -> None:
        super().__init__("archive_refused", f"{name} answered with {status or 'no status'}.")
        self.status = status


def _file(dataset: Dataset) -> BytesIO:
    # Elements that nobody has looked at are written as they were read: byte for byte.
    content = BytesIO()
    dataset.save_as(content, enforce_file_format=True)
    content.seek(0)
    return content


def _text(found: _Found, tag: str) -> str:
    values = found.get(tag, {}).get("Value")
    return str(values[0]) if isinstance(values, list) and values else ""


def _count(found: _Found) -> int | None:
    text = _text(found, _COUNT)
    return int(text) if text.isdecimal() else None
