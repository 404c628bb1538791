"""A real server whose store is in trouble says so to whoever asks, and goes on when the trouble is over."""

from __future__ import annotations

import sqlite3
import sys
from contextlib import closing
from pathlib import Path

from tests.serving.apart import on_own_disk
from tests.serving.server import Server
from tests.serving.test_kill_server import small_films

from kneeoa.serving.store.database import SQLITE_NAME


def test_a_data_folder_that_cannot_be_written_is_told_in_words(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    serve = [sys.executable, "-m", "kneeoa", "serve", "--port", "0", "--data", str(disk / "data")]
    done = on_own_disk(disk, "ro", serve)
    assert done.returncode not in {0, 1}
    assert "The data folder cannot be written" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_full_disk_is_an_answer_too_and_all_films_are_taken_when_there_is_room(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    done = on_own_disk(disk, "size=40m", [sys.executable, "-m", "tests.serving.full_disk", str(disk)])
    assert done.returncode == 0, done.stderr[-3000:]
    assert "recovered" in done.stdout


def test_a_locked_database_is_an_answer_with_a_time_to_come_back_and_the_film_is_taken_then(server: Server) -> None:
    (film,) = small_films(1)
    server.settle()
    with closing(sqlite3.connect(server.data / SQLITE_NAME, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        answer = server.stow(film)
        assert (answer.status_code, answer.json()["code"]) == (503, "locked")
        assert int(answer.headers["retry-after"]) > 0
        assert server.client.get("/v1/studies").status_code == 200, "readers wait for no writer"
        other.execute("ROLLBACK")
    assert server.stow(film).status_code == 200
    server.settle()
    assert not [path for name in ("incoming", "uploads") for path in (server.data / name).iterdir()]
