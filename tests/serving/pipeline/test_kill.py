"""The service is killed while films come in; whatever it had answered for has exactly one result in the end."""

from __future__ import annotations

import contextlib
import json
import random
import subprocess
import sys
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tests.serving.pipeline.many_films import write_films
from tests.serving.pipeline.scripted import ScriptedGrading, service_on
from tests.serving.postgres import PostgresCluster


@dataclass
class Child:
    """A running `child.py`.

    Attributes:
        data: its data folder.
        url: of its database, "" for SQLite.
        version: of its workflow.
        milliseconds: that grading a film takes.
    """

    data: Path
    url: str = ""
    version: str = "1"
    milliseconds: float = 20
    process: subprocess.Popen[str] = field(init=False)

    def __post_init__(self) -> None:
        command = [sys.executable, Path(__file__).with_name("child.py"), self.data, self.url, self.version]
        self.process = subprocess.Popen(
            [*map(str, command), str(self.milliseconds)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        assert self.answer() == "ready"

    def answer(self) -> str:
        """The next line, "" when it was killed."""
        assert self.process.stdout is not None
        return self.process.stdout.readline().rstrip("\n")

    def ask(self, line: str) -> str:
        """Sends a line and waits for the answer, "" when it was killed."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(f"{line}\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            return ""
        return self.answer()

    def kill(self) -> None:
        """kill -9."""
        self.process.kill()
        self._closed()

    def stop(self) -> None:
        """A graceful stop."""
        assert self.process.stdin is not None
        self.process.stdin.close()
        assert self.process.wait(60) == 0
        self._closed()

    def _closed(self) -> None:
        self.process.wait(60)
        for pipe in (self.process.stdin, self.process.stdout):
            assert pipe is not None
            with contextlib.suppress(BrokenPipeError):
                pipe.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, postgres: PostgresCluster) -> str:
    return postgres.new_database() if request.param == "postgresql" else ""


def results_of(data: Path, url: str, film_ids: set[str]) -> dict[str, int]:
    """How many results each film has; every result was told to the listeners once."""
    service = service_on(data, ScriptedGrading(), database_url=url or None)
    told, last = [], 0
    try:
        while events := service._events_after(last):
            told += [str(event.film_id) for event in events if event.kind == "result"]
            last = events[-1].sequence
        assert sorted(told) == sorted(film_ids)
        assert not service.dead_letters()
        assert service.studies().total == len(film_ids)
        return {film_id: len(service.results(film_id)) for film_id in film_ids}
    finally:
        service.database.close()


def kill_and_resume(data: Path, url: str, films: list[Path], kills: int, seed: int) -> set[str]:
    """Sends films one after another, kills at random moments, and sends again what was not answered for."""
    chance = random.Random(seed)  # noqa: S311 - moments, not secrets
    left, answered, share = list(films), set[str](), len(films) // (kills + 1)
    for _ in range(kills):
        child = Child(data, url)
        # Counted in films, not in seconds: however quick the machine, the kill finds films still coming.
        for film in left[: chance.randint(1, share - 1)]:
            answered.add(str(json.loads(child.ask(str(film)))["film_id"]))
            left.remove(film)
        killer = threading.Timer(chance.uniform(0, 0.02), child.process.kill)
        killer.start()
        for film in list(left):
            if not (line := child.ask(str(film))):
                break
            answered.add(str(json.loads(line)["film_id"]))
            left.remove(film)
        killer.join()
        child.kill()
        assert left, "no kill came while films did"
    child = Child(data, url)
    for film in [*left, *films[:3]]:
        answered.add(str(json.loads(child.ask(str(film)))["film_id"]))
    assert child.ask("settle") == "settled"
    child.stop()
    return answered


def test_every_film_that_was_answered_for_has_one_result_after_two_kills(tmp_path: Path, url: str) -> None:
    films = write_films(tmp_path / "films", 30)
    answered = kill_and_resume(tmp_path / "data", url, films, 2, seed=6)
    assert len(answered) == 30
    assert set(results_of(tmp_path / "data", url, answered).values()) == {1}


@pytest.mark.soak
def test_every_film_that_was_answered_for_has_one_result_after_twenty_kills(tmp_path: Path, url: str) -> None:
    films = write_films(tmp_path / "films", 300)
    answered = kill_and_resume(tmp_path / "data", url, films, 20, seed=7)
    assert len(answered) == 300
    assert set(results_of(tmp_path / "data", url, answered).values()) == {1}


def test_work_that_a_kill_left_pending_is_finished_by_changed_code(tmp_path: Path, url: str) -> None:
    films = write_films(tmp_path / "films", 12)
    first = Child(tmp_path / "data", url, milliseconds=400)
    answered = {str(json.loads(first.ask(str(film)))["film_id"]) for film in films}
    time.sleep(0.5)
    first.kill()
    second = Child(tmp_path / "data", url, version="2")
    assert second.ask("settle") == "settled"
    second.stop()
    assert len(answered) == 12
    assert set(results_of(tmp_path / "data", url, answered).values()) == {1}


def test_a_second_process_is_refused_whichever_way_it_shares(tmp_path: Path, url: str) -> None:
    child = Child(tmp_path / "data", url)
    shared = [tmp_path / "data", *([tmp_path / "other"] if url else [])]
    for data in shared:
        command = [sys.executable, str(Path(__file__).with_name("child.py")), str(data), url, "1", "1"]
        second = subprocess.run(command, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
        assert second.returncode != 0
        assert "AlreadyOwnedError" in second.stderr
    assert child.ask("settle") == "settled"
    child.stop()
