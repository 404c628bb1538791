"""A real server is killed while films are posted; whatever it had answered for has exactly one result in the end."""

from __future__ import annotations

import contextlib
import json
import random
import shutil
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import numpy as np
import pydicom
import pytest
from pydicom.uid import UID
from tests.hostile.bases import base
from tests.serving.postgres import PostgresCluster
from tests.serving.server import RELATED, Server, related, until

from kneeoa.model.release import DEFAULT_RELEASE, MANIFEST, release_folder

ANSWERED = frozenset({200, 202})
ROOT = "1.2.826.0.1.3680043.9.99."
AT_ONCE = 3
"""Clients that post at the same time."""


@pytest.fixture(params=["sqlite", "postgresql"])
def environment(request: pytest.FixtureRequest, postgres: PostgresCluster) -> dict[str, str]:
    if request.param == "sqlite":
        return {}
    return {"KNEEOA_DATABASE_URL": postgres.new_database()}


def small_films(count: int) -> list[bytes]:
    """Films of a tenth of a megabyte, each of a study of its own."""
    pattern = pydicom.dcmread(pydicom.filebase.DicomBytesIO(base("knee R 1.2.840.10008.1.2.1").content))
    pixels = np.array(pattern.pixel_array)
    films = []
    for number in range(count):
        pattern.SOPInstanceUID = pattern.file_meta.MediaStorageSOPInstanceUID = UID(
            f"1.2.826.0.1.3680043.9.99.5.{number}"
        )
        pattern.StudyInstanceUID = UID(f"1.2.826.0.1.3680043.9.99.6.{number}")
        pixels[0, :2] = number % 256, number // 256
        pattern.PixelData = pixels.tobytes()
        stream = pydicom.filebase.DicomBytesIO()
        pattern.save_as(stream, enforce_file_format=True)
        films.append(stream.getvalue())
    return films


@dataclass
class Senders:
    """Clients that post films by STOW-RS, and some also for an answer at once, until all are answered for.

    Attributes:
        left: films that nobody has been answered for.
        stored: SOP Instance UIDs that an answer has named as stored, with how often.
        graded: reports that came at once.
        broken: requests that got no answer.
    """

    left: list[bytes]
    stored: Counter[str] = field(default_factory=Counter)
    graded: int = 0
    broken: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def send(self, server: Server) -> None:
        """Posts what is left, from several threads; ends when all is sent or the server is gone."""
        films = iter(list(self.left))
        threads = [threading.Thread(target=self._send, args=(server, films)) for _ in range(AT_ONCE)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

    def _send(self, server: Server, films: Iterator[bytes]) -> None:
        with httpx.Client(base_url=server.client.base_url, timeout=120) as client:
            while True:
                with self._lock:
                    film = next(films, None)
                if film is None:
                    return
                try:
                    self._post(client, film)
                except httpx.TransportError:
                    with self._lock:
                        self.broken += 1
                    return

    def _post(self, client: httpx.Client, film: bytes) -> None:
        stored = client.post("/dicomweb/studies", content=related(film), headers={"Content-Type": RELATED})
        assert stored.status_code in ANSWERED, stored.text
        (item,) = stored.json()["00081199"]["Value"]
        with self._lock:
            self.stored[item["00081155"]["Value"][0]] += 1
            self.left.remove(film)
            at_once = len(self.left) % 5 == 0
        if at_once:
            report = client.post("/v1/grade", content=film, headers={"Content-Type": "application/dicom"})
            assert report.status_code == 200, report.text
            assert report.json()["refusal"] is None
            with self._lock:
                self.graded += 1


def descendants(pid: int) -> list[int]:
    """Processes that a process has started, and those that they have."""
    parents = {}
    for place in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            parents[int(place.parent.name)] = int(place.read_text().rpartition(")")[2].split()[1])
    found = [child for child, parent in parents.items() if parent == pid]
    return found + [grandchild for child in found for grandchild in descendants(child)]


def alive(pid: int) -> bool:
    """Whether a process still runs; one that only waits to be buried does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in {"Z", "X"}
    except FileNotFoundError:
        return False


def results(server: Server, uids: Counter[str]) -> dict[str, int]:
    """How many results each stored film has."""
    found = {}
    for uid in uids:
        study = uid.replace(f"{ROOT}5.", f"{ROOT}6.")
        (film,) = server.client.get(f"/v1/studies/{study}").json()["films"]
        assert film["film"]["sop_instance_uid"] == uid
        found[uid] = len(server.client.get(f"/v1/studies/{study}/films/{film['film_id']}/results").json())
    return found


def told(server: Server, count: int) -> Counter[str]:
    """How often each kind of event was told of each film."""
    told: Counter[str] = Counter()
    with server.client.stream("GET", "/v1/events", params={"most": count}, headers={"Last-Event-ID": "0"}) as answer:
        told.update(line for line in answer.iter_lines() if line.startswith("event: "))
    return told


def send_and_kill(server: Server, senders: Senders, answers: int, delay: float) -> None:
    """Kills a server after so many answers more, and a moment; its workers end by themselves."""
    workers = descendants(server.process.pid)
    assert workers
    before = len(senders.left)
    sending = threading.Thread(target=senders.send, args=(server,))
    sending.start()
    until(lambda: before - len(senders.left) >= answers or not sending.is_alive())
    time.sleep(delay)
    server.kill()
    sending.join()
    until(lambda: not any(alive(pid) for pid in workers))


def every_film_has_one_result(server: Server, senders: Senders, count: int) -> None:
    """Neither lost nor doubled, in the store and in what listeners are told."""
    server.settle()
    assert not senders.left
    assert len(senders.stored) == server.studies() == server.studies(state="done") == count
    assert set(results(server, senders.stored).values()) == {1}
    assert server.client.get("/v1/dead-letters").json() == []
    assert told(server, 2 * count) == {"event: film_received": count, "event: result": count}


def kill_and_resume(data: Path, environment: dict[str, str], count: int, kills: int, seed: int) -> None:
    """Posts films while the server is killed so often, at moments that the seed decides."""
    chance = random.Random(seed)  # noqa: S311 - moments, not secrets
    senders = Senders(small_films(count))
    first = senders.left[:3]
    share = count // (kills + 1)
    for _ in range(kills):
        with Server(data, environment) as server:
            send_and_kill(server, senders, max(1, round(share * chance.uniform(0.3, 1))), chance.uniform(0, 0.2))
    with Server(data, environment) as server:
        senders.send(server)
        assert all(server.stow(film).status_code == 200 for film in first)  # answered for already
        every_film_has_one_result(server, senders, count)
    assert senders.broken, "no kill came while films were sent"
    assert not [path for name in ("incoming", "uploads") for path in (data / name).rglob("*") if path.is_file()]


def test_thirty_films_survive_two_kills(tmp_path: Path, environment: dict[str, str]) -> None:
    kill_and_resume(tmp_path / "data", environment, 30, 2, seed=61)


@pytest.mark.soak
def test_three_hundred_films_survive_twenty_kills(tmp_path: Path, environment: dict[str, str]) -> None:
    kill_and_resume(tmp_path / "data", environment, 300, 20, seed=62)


def test_a_later_version_with_another_release_finishes_what_a_kill_left_pending(
    tmp_path: Path, environment: dict[str, str]
) -> None:
    count = 12
    release = shutil.copytree(release_folder(DEFAULT_RELEASE), tmp_path / "later")
    manifest = json.loads((release / MANIFEST).read_text())
    (release / MANIFEST).write_text(json.dumps({**manifest, "name": "later"}))
    senders = Senders(small_films(count))
    with Server(tmp_path / "data", environment) as server:
        senders.send(server)
        server.kill()
    program = (str(Path(__file__).with_name("changed_server.py")),)
    with Server(tmp_path / "data", {**environment, "KNEEOA_RELEASE": str(release)}, program) as server:
        assert server.client.get("/version").json()["release"] == "later"
        every_film_has_one_result(server, senders, count)
        newest = server.client.get(f"/v1/studies/{ROOT}6.{count - 1}").json()["films"][0]
        assert newest["release"]["name"] == "later", "nothing was pending when the kill came"


def test_a_second_server_on_the_data_folder_is_refused_and_the_first_goes_on(server: Server) -> None:
    words = ["-m", "kneeoa", "serve", "--data", str(server.data), "--port", "0"]
    second = subprocess.run([sys.executable, *words], capture_output=True, text=True, timeout=300, check=False)
    assert second.returncode == 3
    assert "Another KneeOA process" in second.stderr
    assert server.client.get("/readyz").status_code == 200
    assert server.grade(small_films(1)[0]).json()["refusal"] is None
