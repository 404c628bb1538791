"""What the page asks the service for: short rows, counts over time, and events as soon as they happen."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.serving.pipeline.scripted import ScriptedGrading, service_on, settle, wait_for
from tests.serving.postgres import PostgresCluster
from tests.serving.service_films import write_film

from kneeoa.model.grades import JSON
from kneeoa.serving.correcting import CorrectionRequest
from kneeoa.serving.grading import GradingError
from kneeoa.serving.pipeline.rework import NotFoundError
from kneeoa.serving.service import KneeService
from kneeoa.serving.store.reading import StudyRow
from kneeoa.serving.worklist import worklist_row

HOUR = 3600.0


@pytest.fixture
def grading() -> ScriptedGrading:
    return ScriptedGrading()


@pytest.fixture(params=["sqlite", "postgresql"])
def service(
    request: pytest.FixtureRequest, tmp_path: Path, grading: ScriptedGrading, postgres: PostgresCluster
) -> Iterator[KneeService]:
    url = postgres.new_database() if request.param == "postgresql" else None
    with service_on(tmp_path / "data", grading, database_url=url) as running:
        yield running


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_film(tmp_path_factory.mktemp("films") / "film.dcm", seed=3)


def test_a_graded_film_is_a_row_and_is_counted(service: KneeService, film: Path) -> None:
    receipt = service.receive(film, sender="upload")
    settle(service)
    (row,) = service.worklist().rows
    assert [(knee.side, knee.kl_grade, knee.jsn) for knee in row.knees] == [("R", 2, None)]
    assert (row.study_uid, row.films, row.corrections) == (receipt.study_instance_uid, {"done": 1}, 0)
    service.add_correction(row.study_uid, CorrectionRequest("R", "r1", 3, "Sclerosis."))
    assert service.worklist_row(row.study_uid).corrections == 1
    with pytest.raises(NotFoundError):
        service.worklist_row("1.2.3")
    found = service.trends(time.time(), 24, HOUR)
    assert len(found.starts) == len(found.received) == len(found.grades["4"]) == 24
    assert (sum(found.received), sum(found.results), sum(found.grades["2"])) == (1, 1, 1)
    assert (sum(found.grades["3"]), found.refusals, found.complete) == (0, {}, True)
    later = service.trends(time.time() + 5 * HOUR, 24, HOUR)
    assert later.received.index(1) == found.received.index(1) - 5
    assert sum(service.trends(time.time() + 48 * HOUR, 24, HOUR).received) == 0


def test_who_listens_hears_of_a_dead_letter_though_nothing_follows(
    service: KneeService, grading: ScriptedGrading, film: Path
) -> None:
    async def first_dead_letter() -> str:
        async for event in service.subscribe(0):
            if event.kind == "dead_letter":
                return str(event.facts["reason"])
        raise AssertionError

    async def told() -> str:
        listening = asyncio.create_task(first_dead_letter())
        await asyncio.sleep(0)
        grading.open.clear()
        receipt = await asyncio.to_thread(service.receive, film, sender="upload")
        grading.failures[receipt.film_id or ""] = [GradingError("decoder_crashed", "Told to.")] * 4
        grading.open.set()
        return await asyncio.wait_for(listening, 30)

    assert asyncio.run(told()) == "decoder_crashed"
    wait_for(lambda: sum(service.trends(time.time(), 24, HOUR).dead_letters) == 1)


def part(jsn: int | None, narrowing: float, minimum: float) -> dict[str, JSON]:
    grade: JSON = None if jsn is None else {"grade": jsn}
    return {"jsn": grade, "narrowing_percent": narrowing, "minimum_mm": minimum, "minimum_percent_of_plateau": 5.0}


def test_a_row_tells_the_worse_compartment_and_each_remark_once() -> None:
    refusal: JSON = {"code": "implant"}
    knee: dict[str, JSON] = {
        "side": "L",
        "kl": {"grade": 3},
        "flags": ["unusual_film", "films_disagree"],
        "joint_space": {"medial": part(2, 63.0, 1.5), "lateral": part(0, -5.0, 5.0)},
    }
    both: JSON = {
        "refusal": None,
        "flags": ["bilateral"],
        "knees": [{**knee, "refusal": None}, {"side": "R", "refusal": refusal}],
    }
    one: JSON = {"refusal": refusal, "flags": ["bilateral", "no_window"], "knees": []}
    row = worklist_row(StudyRow("1.2", 1.0, 2.0, {"done": 2}, 3, True, {"knees": [knee], "films": [both, one]}), 0)
    (found,) = row.knees
    assert (found.jsn, found.narrowing_percent, found.minimum_mm) == (2, 63.0, 1.5)
    assert row.flags == ("unusual_film", "films_disagree", "bilateral", "no_window")
    assert (row.refusals, row.refused_sides) == (("implant",), ("R",))
    alone = worklist_row(StudyRow("1.2", 1.0, 2.0, {"done": 1}, 3, False, {"knees": [knee], "films": [both]}), 0)
    assert "bilateral" not in alone.flags, "that an object names both sides is no remark where both were found"


def test_a_study_in_work_has_a_row_without_knees() -> None:
    row = worklist_row(StudyRow("1.2", 1.0, 2.0, {"waiting": 1}, None, False, None), 0)
    assert (row.knees, row.flags, row.refusals) == ((), (), ())
