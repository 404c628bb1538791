"""Messages and films that are broken somewhere: each gets an answer that says so, and the next good film is graded."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass

import httpx
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.hostile.bases import base
from tests.serving.server import BOUNDARY, RELATED, Server, related

from kneeoa.serving.api.dicomweb import DICOM_JSON, Reason
from kneeoa.serving.api.problems import MEDIA_TYPE

EXPLICIT, LOSSLESS = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.4.70"
FORM = f"multipart/form-data; boundary={BOUNDARY}"
HUGE = [0, 1, 0x7FFF, 0xFFFF, 0x7FFFFFFF, 0xFFFFFFFE, 0xFFFFFFFF]
SIZES = [pytest.param(40, id="few"), pytest.param(1000, id="many", marks=pytest.mark.soak)]


def few(examples: int) -> settings:
    """So many examples, the same ones in every run."""
    return settings(
        max_examples=examples,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=list(HealthCheck),
    )


@dataclass(frozen=True, slots=True)
class Change:
    """One thing that went wrong with some bytes."""

    made: Callable[[bytes], bytes]
    said: str

    def __repr__(self) -> str:
        return self.said


def cut(at: int) -> Change:
    return Change(lambda raw: raw[: at % (len(raw) + 1)], f"cut after {at}")


def flipped(at: int, mask: int) -> Change:
    def made(raw: bytes) -> bytes:
        place = at % len(raw) if raw else 0
        return raw[:place] + bytes([byte ^ mask for byte in raw[place : place + 1]]) + raw[place + 1 :]

    return Change(made, f"bits {mask:#x} flipped at {at}")


def claimed(at: int, length: int) -> Change:
    """Four bytes in which a length may stand say something else."""
    return Change(lambda raw: raw[:at] + struct.pack("<L", length) + raw[at + 4 :], f"length {length} at {at}")


def put_in(at: int, what: bytes) -> Change:
    return Change(lambda raw: raw[: at % (len(raw) + 1)] + what + raw[at % (len(raw) + 1) :], f"{what!r} at {at}")


PLACES = st.integers(0, 1 << 22)
HEADER = st.integers(0, 1500)
"""Where the data elements before the pixels stand."""
FILM_CHANGES = st.one_of(
    st.builds(cut, PLACES | HEADER),
    st.builds(flipped, HEADER, st.integers(1, 255)),
    st.builds(flipped, PLACES, st.integers(1, 255)),
    st.builds(claimed, HEADER, st.sampled_from(HUGE) | st.integers(0, 0xFFFFFFFF)),
    st.builds(put_in, HEADER, st.binary(min_size=1, max_size=16)),
)
MESSAGE_CHANGES = st.one_of(
    st.builds(cut, PLACES),
    st.builds(flipped, st.integers(0, 120), st.integers(1, 255)),
    st.builds(put_in, st.integers(0, 120), st.sampled_from([b"\r\n", b"--", b"\r\n\r\n", b"\0", b":", b"x" * 20_000])),
    st.builds(put_in, PLACES, st.sampled_from([f"\r\n--{BOUNDARY}".encode(), f"--{BOUNDARY}--\r\n".encode()])),
)
BROKEN_FILMS = st.builds(
    lambda name, changes: changed(base(name).content, changes),
    st.sampled_from([f"knee R {EXPLICIT}", f"knee R {LOSSLESS}"]),
    st.lists(FILM_CHANGES, min_size=1, max_size=4),
)


def changed(raw: bytes, changes: list[Change]) -> bytes:
    for change in changes:
        raw = change.made(raw)
    return raw


def answered(answer: httpx.Response) -> None:
    """No failure of the service; an error is a problem, a store that failed is an answer of PS3.18."""
    assert answer.status_code < 500, answer.text
    kind = answer.headers["content-type"]
    if kind == DICOM_JSON:
        whole = answer.json()
        assert set(whole) <= {"00081190", "00081198", "00081199", "0008119A"}
        failed = [item for tag in ("00081198", "0008119A") for item in whole.get(tag, {}).get("Value", [])]
        assert all(item["00081197"]["Value"] == [Reason.CANNOT_UNDERSTAND] for item in failed)
        assert (answer.status_code == 409) == ("00081199" not in whole)
    elif answer.is_error:
        assert kind == MEDIA_TYPE
        assert set(answer.json()) == {"type", "title", "status", "detail", "code"}
    else:
        reports = answer.json()
        for report in reports if isinstance(reports, list) else [reports]:
            assert report["refusal"] is not None or report["knees"] is not None


def form(*films: bytes) -> bytes:
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="film"; filename="a.dcm"\r\n\r\n'.encode()
    return b"".join(head + film + b"\r\n" for film in films) + f"--{BOUNDARY}--\r\n".encode()


def good_film_is_graded(server: Server) -> None:
    report = server.grade(base(f"knee R {EXPLICIT}").content).json()
    assert report["refusal"] is None
    assert report["knees"][0]["kl"] is not None


@pytest.mark.parametrize("examples", SIZES)
def test_broken_films_are_refused_by_name_and_the_next_one_is_graded(server: Server, examples: int) -> None:
    @few(examples)
    @given(BROKEN_FILMS)
    def each(film: bytes) -> None:
        answered(server.grade(film))
        answered(server.stow(film))

    each()
    good_film_is_graded(server)
    server.settle()


@pytest.mark.parametrize("examples", SIZES)
def test_broken_messages_are_refused_by_name_and_the_next_one_is_read(server: Server, examples: int) -> None:
    good = base(f"knee R {LOSSLESS}").content

    @few(examples)
    @given(st.lists(MESSAGE_CHANGES, min_size=1, max_size=3), st.integers(0, 2))
    def each(changes: list[Change], films: int) -> None:
        for path, kind, body in (("/v1/grade", FORM, form), ("/dicomweb/studies", RELATED, related)):
            message = changed(body(*[good] * films), changes)
            answered(server.client.post(path, content=message, headers={"Content-Type": kind}))

    each()
    good_film_is_graded(server)
    server.settle()


@pytest.mark.parametrize("examples", SIZES)
def test_any_content_type_is_answered(server: Server, examples: int) -> None:
    text = st.text(st.characters(min_codepoint=32, max_codepoint=255, exclude_characters="\x7f"), max_size=60).map(
        str.strip
    )
    kinds = st.one_of(
        text,
        st.builds("multipart/form-data; boundary={}".format, text),
        st.builds('multipart/related; type="{}"; boundary={}'.format, text, text),
        st.builds("multipart/related; boundary={}".format, st.sampled_from(["", '""', "a" * 5000, '"a;b"', "ä"])),
    )

    @few(examples)
    @given(kinds, st.binary(max_size=200))
    def each(kind: str, body: bytes) -> None:
        for path in ("/v1/grade", "/dicomweb/studies"):
            answered(
                server.client.post(path, content=body, headers=[(b"Content-Type", kind.strip().encode("latin-1"))])
            )

    each()
    good_film_is_graded(server)
