"""What becomes of a result that its destination does not take at once."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.serving.pipeline.many_films import write_films
from tests.serving.pipeline.scripted import ScriptedGrading, service_on, settle

from kneeoa.serving.store.tables import FilmState


class Moody:
    """A destination that fails so many times."""

    name = "moody"

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.brought: list[str] = []

    def deliver(self, result_id: str) -> str:
        if self.failures:
            self.failures -= 1
            raise ConnectionError("not now")
        self.brought.append(result_id)
        return "sent"


@pytest.mark.parametrize(("failures", "state"), [(2, FilmState.DONE), (3, FilmState.DEAD)])
def test_a_destination_is_tried_again_and_then_given_up(tmp_path: Path, failures: int, state: FilmState) -> None:
    (film,) = write_films(tmp_path / "films", 1)
    grading, moody = ScriptedGrading(), Moody(failures)
    with service_on(tmp_path / "data", grading, (moody,)) as service:
        film_id = service.receive(film, sender="upload").film_id
        assert film_id is not None
        settle(service)
        assert service.film(film_id).state == state
        if state is FilmState.DEAD:
            assert service.dead_letters()[0].reason == "internal_error"
            service.replay(film_id)
            settle(service)
        assert [r.result_id for r in service.results(film_id)] == moody.brought
    assert grading.calls[film_id] == 1 + failures // 3
