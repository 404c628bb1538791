"""A server on a small disk of its own that fills up: run by `test_trouble_server` where the disk is a tmpfs.

unshare -m sh -c 'mount -t tmpfs -o size=40m none DISK && python -m tests.serving.full_disk DISK'
"""

from __future__ import annotations

import shutil
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

from tests.serving.server import Server
from tests.serving.test_kill_server import small_films

from kneeoa.serving.store.database import SQLITE_NAME

COUNT = 24


def fill_and_free(disk: Path) -> tuple[int, int]:
    """Sends films until the disk is full and beyond, frees it, and sends them all again.

    Args:
        disk: a folder of a disk of its own, which is empty.

    Returns:
        How many films were stored, and how many were not, while the disk was full.
    """
    films = small_films(COUNT)
    stored, refused = 0, 0
    with Server(disk / "data", {"KNEEOA_WORKERS__COUNT": "1"}) as server:
        for number in range(8):  # the first files of the database, the journal and the log are written
            assert server.stow(films[number % 2]).status_code == 200
        server.settle()
        blocker = disk / "blocker"
        blocker.write_bytes(bytes(shutil.disk_usage(disk).free - 6 * len(films[0])))
        for film in films:
            answer = server.stow(film)
            if answer.status_code == 200:
                stored += 1
                continue
            refused += 1
            assert (answer.status_code, answer.json()["code"]) == (503, "disk_full"), answer.text
            assert int(answer.headers["retry-after"]) > 0
        answer = server.grade(films[0])
        assert answer.status_code == 200 or answer.json()["code"] == "disk_full", answer.text
        assert server.client.get("/healthz").status_code == 200
        assert server.client.get("/v1/studies").status_code == 200, "what is there can be read"
        blocker.unlink()
        assert all(server.stow(film).status_code == 200 for film in films)
        server.settle()
        assert server.studies() == COUNT
        assert server.studies(state="done") == COUNT, server.client.get("/v1/studies").text
        with closing(sqlite3.connect(server.data / SQLITE_NAME)) as database:
            counts = database.execute("SELECT count(*) FROM results GROUP BY film_id").fetchall()
        assert counts == [(1,)] * COUNT, counts
        left = [path for name in ("incoming", "uploads") for path in (server.data / name).iterdir()]
        assert not left, f"{len(left)} files were left behind"
        assert server.grade(films[0]).status_code == 200
    assert stored
    assert refused
    return stored, refused


if __name__ == "__main__":
    taken, full = fill_and_free(Path(sys.argv[1]))
    sys.stdout.write(f"stored {taken}, refused {full}, recovered\n")
