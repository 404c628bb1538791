"""The Storage SCP among peers that misbehave: it stays up, and has exactly what it said it has."""

from __future__ import annotations

import copy
import os
import socket
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pydicom
import pytest
from pydicom import Dataset
from pynetdicom import AE
from tests.serving.pacs.kept import Kept
from tests.serving.pacs.rude_peers import RUDE, Said, Silent, drip, flood, listen_to, misbehave
from tests.serving.results.made import write_small_film
from tests.serving.server import Server

LOOPBACK = "127.0.0.1"
SECONDS = 1.0
"""The longest silence; the service's default is 30."""


@pytest.fixture
def kept() -> Iterator[Kept]:
    node = Kept(SECONDS)
    yield node
    node.scp.stop()


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    return pydicom.dcmread(write_small_film(tmp_path_factory.mktemp("film") / "film.dcm"))


def store(port: int, film: Dataset) -> int | None:
    """The status of a film sent properly; None without an association."""
    ae = AE("MODALITY")
    ae.add_requested_context(film.SOPClassUID, film.file_meta.TransferSyntaxUID)
    association = ae.associate(LOOPBACK, port, ae_title="KNEEOA")
    if not association.is_established:
        return None
    answer = association.send_c_store(film)
    association.release()
    return int(answer.Status) if "Status" in answer else None


@pytest.mark.parametrize("number", range(len(RUDE)), ids=[way.__name__.strip("_") for way in RUDE])
def test_one_that_misbehaves_leaves_nothing_and_the_next_is_served(kept: Kept, film: Dataset, number: int) -> None:
    said = listen_to(kept.scp.port, film)
    kept.films.clear()
    for _ in range(3):
        misbehave(kept.scp.port, said, number)
    assert kept.films == {}
    assert store(kept.scp.port, film) == 0
    assert list(kept.films) == [film.SOPInstanceUID]


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5])
def test_places_held_by_those_who_fall_silent_come_free(kept: Kept, film: Dataset, share: float) -> None:
    said = listen_to(kept.scp.port, film)
    beginning = said.request[: 3 if share == 0.01 else int(len(said.request) * share)]
    before = threading.active_count()
    with Silent(kept.scp.port, beginning, 30):
        end = time.monotonic() + 20 * SECONDS
        while store(kept.scp.port, film) != 0:
            assert time.monotonic() < end, "nobody else is served any more"
            time.sleep(0.2)
        while threading.active_count() > before + 4:
            assert time.monotonic() < end, "threads still wait for them"
            time.sleep(0.2)


def test_a_pdu_without_end_is_cut_off_before_it_fills_the_memory(kept: Kept, film: Dataset) -> None:
    said = listen_to(kept.scp.port, film)
    assert flood(kept.scp.port, said, 1 << 28) < 1 << 26


def test_a_slow_line_is_waited_for_while_it_moves(kept: Kept, film: Dataset) -> None:
    said = listen_to(kept.scp.port, film)
    kept.films.clear()
    assert drip(kept.scp.port, said, 4 * SECONDS) == b"\x04"
    assert list(kept.films) == [film.SOPInstanceUID]


@pytest.mark.parametrize("count", [100, pytest.param(1000, marks=pytest.mark.soak)])
def test_among_many_associations_it_has_what_it_acknowledged_and_its_memory_is_flat(
    count: int, film: Dataset, tmp_path: Path
) -> None:
    """Every other connection misbehaves; a real service, whose films are read back by its own list."""
    port = free_port()
    with Server(tmp_path / "data", {"KNEEOA_PACS__PORT": str(port), "KNEEOA_PACS__SECONDS": "5"}) as server:
        said = listen_to(port, film)
        acknowledged = 1
        memory = list[int]()
        for first in range(0, count, count // 4):
            with ThreadPoolExecutor(8) as senders:
                numbers = range(first, first + count // 4)
                acknowledged += sum(senders.map(lambda number: one_of_many(port, film, said, number), numbers))
            server.settle()
            memory.append(resident_bytes(server.process.pid))
        assert server.studies() == acknowledged
        assert acknowledged > count // 3, "hardly anybody was served"
        assert memory[-1] - memory[1] < 30_000_000, memory
        server.client.get("/readyz").raise_for_status()
    sys.stdout.write(f"{count} associations: {acknowledged} films, MB by quarter {[m // 1_000_000 for m in memory]}\n")


def one_of_many(port: int, film: Dataset, said: Said, number: int) -> bool:
    """A film of its own, or one of the ways to misbehave; whether a film was acknowledged."""
    if number % 2:
        misbehave(port, said, number // 2)
        return False
    own = copy.deepcopy(film)
    for name in ("SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"):
        setattr(own, name, f"{film[name].value}.{number}")
    own.file_meta.MediaStorageSOPInstanceUID = own.SOPInstanceUID
    return store(port, own) == 0


def resident_bytes(pid: int) -> int:
    """Memory of one process that is in use (proc(5))."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((LOOPBACK, 0))
        return int(probe.getsockname()[1])
