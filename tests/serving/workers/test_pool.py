"""Workers die, hang and dawdle, and nobody else notices."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.serving.service_films import (
    ABORTS,
    ASKED_PROVIDERS,
    SLEEPS,
    SLOW,
    pretended_cuda,
    treacherous_decoder,
    write_film,
    write_treacherous,
)

from kneeoa.model.grader import KneeGrader
from kneeoa.model.grades import JSON
from kneeoa.model.release import DEFAULT_RELEASE
from kneeoa.serving.api.app import create_app
from kneeoa.serving.settings import Settings, WorkerSettings
from kneeoa.serving.workers.grading import PooledGrading
from kneeoa.serving.workers.jobs import Wanted
from kneeoa.serving.workers.pool import PoolClosedError, WorkerPool
from kneeoa.serving.workers.worker import DecoderCrashedError, WorkerStartError

SECONDS = 12.0


@pytest.fixture(scope="module")
def grading() -> Iterator[PooledGrading]:
    with WorkerPool(WorkerSettings(count=2, seconds=SECONDS), DEFAULT_RELEASE, treacherous_decoder) as pool:
        pool.wait_until_ready()
        yield PooledGrading(pool, DEFAULT_RELEASE)


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_film(tmp_path_factory.mktemp("films") / "good.dcm", seed=3)


def probabilities(report: dict[str, JSON]) -> list[float]:
    knees = report["knees"]
    assert isinstance(knees, list)
    knee = knees[0]
    assert isinstance(knee, dict)
    assert isinstance(knee["kl"], dict)
    numbers = knee["kl"]["probabilities"]
    assert isinstance(numbers, list)
    return [float(str(number)) for number in numbers]


def test_a_worker_agrees_with_the_command_line(grading: PooledGrading, film: Path) -> None:
    here = KneeGrader.load(device="cpu", threads=1).grade_file(film).to_json()
    there = grading.grade(film)
    np.testing.assert_allclose(probabilities(there), probabilities(here), atol=1e-5)
    assert there["film"] == {**here["film"], "source": "good.dcm"}  # type: ignore[dict-item]
    assert there["release"] == here["release"]


def test_a_film_that_cannot_be_read_is_a_report_and_costs_no_worker(grading: PooledGrading, tmp_path: Path) -> None:
    (tmp_path / "notes.dcm").write_text("no film")
    before = grading.pool.state.replaced
    report = grading.grade(tmp_path / "notes.dcm")
    assert isinstance(report["refusal"], dict)
    assert report["refusal"]["code"] == "not_dicom"
    assert grading.draw(tmp_path / "notes.dcm", Wanted.FILM) is None
    assert grading.pool.state.replaced == before


def test_a_film_that_aborts_its_decoder_is_named_and_the_next_is_graded(
    grading: PooledGrading, film: Path, tmp_path: Path
) -> None:
    before = grading.pool.state.replaced
    with pytest.raises(DecoderCrashedError, match="has died") as caught:
        grading.grade(write_treacherous(tmp_path / "abort.dcm", ABORTS))
    assert caught.value.reason == "decoder_crashed"
    assert grading.grade(film)["refusal"] is None
    assert grading.pool.state.replaced == before + 1
    grading.pool.wait_until_ready()


def test_a_film_that_never_ends_is_given_up_and_holds_up_nobody(
    grading: PooledGrading, film: Path, tmp_path: Path
) -> None:
    hangs = write_treacherous(tmp_path / "hang.dcm", SLEEPS)
    with ThreadPoolExecutor(1) as thread:
        started = time.monotonic()
        hung = thread.submit(grading.grade, hangs)
        while time.monotonic() - started < SECONDS / 3:
            assert grading.grade(film)["refusal"] is None
        assert not hung.done()
        with pytest.raises(DecoderCrashedError, match="longer than is allowed"):
            hung.result(SECONDS * 2)
    grading.pool.wait_until_ready()


def test_a_slow_film_does_not_hold_up_others(grading: PooledGrading, film: Path, tmp_path: Path) -> None:
    slow = write_treacherous(tmp_path / "slow.dcm", SLOW)
    with ThreadPoolExecutor(1) as thread:
        waits = thread.submit(grading.grade, slow)
        time.sleep(0.2)
        assert grading.grade(film)["refusal"] is None
        assert not waits.done(), "the good film came after the slow one"
        assert waits.result(60)["film"]


@pytest.mark.parametrize(("wanted", "mode"), [(Wanted.FILM, "L"), (Wanted.OVERLAY, "RGB")])
def test_a_worker_draws(grading: PooledGrading, film: Path, tmp_path: Path, wanted: Wanted, mode: str) -> None:
    (tmp_path / "drawn.png").write_bytes(grading.draw(film, wanted) or b"")
    with Image.open(tmp_path / "drawn.png") as picture:
        assert picture.mode == mode
        assert np.asarray(picture).std() > 10


def test_memory_of_a_worker_is_bounded(grading: PooledGrading, film: Path, tmp_path: Path) -> None:
    large = tmp_path / "large.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 255, (7000, 7000)).astype(np.uint8)).save(large)
    assert grading.grade(film)["refusal"] is None
    # What a worker needs to be alive; the large film's floats do not fit on top of it, whoever asks for them.
    enough = max(_address_space(child.pid or 0) for child in multiprocessing.active_children())
    with WorkerPool(WorkerSettings(count=1, memory_bytes=enough + (100 << 20)), DEFAULT_RELEASE) as pool:
        bounded = PooledGrading(pool, DEFAULT_RELEASE)
        with contextlib.suppress(DecoderCrashedError):
            report = bounded.grade(large)
            assert isinstance(report["refusal"], dict)
            assert report["refusal"]["code"] == "too_large"
        assert bounded.grade(film)["refusal"] is None


def _address_space(pid: int) -> int:
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    return int(status.split("VmPeak:")[1].split()[0]) << 10


def test_a_release_that_is_not_there_is_told(tmp_path: Path) -> None:
    with (
        WorkerPool(WorkerSettings(count=1), str(tmp_path)) as pool,
        pytest.raises(WorkerStartError, match="do not come up"),
    ):
        pool.wait_until_ready(5.0)


def test_a_worker_runs_on_the_device_of_the_settings(tmp_path: Path, film: Path) -> None:
    asked = tmp_path / "asked.json"
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv(ASKED_PROVIDERS, str(asked))
        settings = Settings(data=tmp_path / "data", device="cuda", workers=WorkerSettings(count=1))
        with create_app(settings, prepare=pretended_cuda).state.shared.pool as pool:
            pool.wait_until_ready()
            assert PooledGrading(pool, DEFAULT_RELEASE).grade(film)["refusal"] is None
            assert pool.state.device == "cuda"
    assert json.loads(asked.read_text())[0] == "CUDAExecutionProvider"


def test_workers_are_started_once(film: Path) -> None:
    with WorkerPool(WorkerSettings(count=1), DEFAULT_RELEASE) as pool:
        pool.start()
        pool.wait_until_ready()
        assert PooledGrading(pool, DEFAULT_RELEASE).grade(film)["refusal"] is None
        assert (pool.state.alive, pool.state.device) == (1, "cpu")


def test_a_closed_pool_takes_no_film_and_leaves_no_process(film: Path) -> None:
    pool = WorkerPool(WorkerSettings(count=1), DEFAULT_RELEASE)
    pool.start()
    pool.wait_until_ready()
    grading = PooledGrading(pool, DEFAULT_RELEASE)
    grading.close()
    with pytest.raises(PoolClosedError):
        grading.grade(film)
    assert pool.state.alive == 0
