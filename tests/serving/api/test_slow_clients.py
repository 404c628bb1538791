"""Slow, broken and too many clients, on real sockets: nobody else notices."""

from __future__ import annotations

import contextlib
import json
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.serving.running_service import RunningService
from tests.serving.service_films import write_film
from tests.serving.slow_clients import SlowClients

CONNECTIONS = 230
GOOD = 4


@pytest.fixture(scope="module")
def service(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningService]:
    settings = {"KNEEOA_LIMITS__CONNECTIONS": str(CONNECTIONS), "KNEEOA_WORKERS__COUNT": "1"}
    with RunningService(tmp_path_factory.mktemp("data"), settings) as running:
        yield running


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return write_film(tmp_path_factory.mktemp("films") / "film.dcm", seed=3).read_bytes()


@pytest.mark.parametrize(("slow", "films"), [(20, 3), pytest.param(200, 25, marks=pytest.mark.soak)])
def test_good_clients_are_served_beside_slow_and_broken_ones(
    service: RunningService, film: bytes, slow: int, films: int
) -> None:
    def grade(_number: int) -> tuple[int, bool]:
        answer = service.ask("POST", "/v1/grade", film, seconds=120)
        return answer.status, json.loads(answer.body)["refusal"] is None

    with SlowClients(service.port, slow) as crowd, ThreadPoolExecutor(GOOD) as good:
        answers = list(good.map(grade, range(GOOD * films)))
        opened = crowd.opened
    assert answers == [(200, True)] * (GOOD * films)
    assert opened > slow, "the broken ones should have come again"
    assert service.ask("GET", "/readyz").status == 200


def test_too_many_connections_are_told_as_a_problem_and_not_for_ever(service: RunningService) -> None:
    with contextlib.ExitStack() as idle:
        for _ in range(CONNECTIONS):
            idle.enter_context(socket.create_connection(("127.0.0.1", service.port), timeout=10))
        connection = service.connection()
        connection.request("GET", "/healthz")
        answer = connection.getresponse()
        problem = json.loads(answer.read())
        assert (answer.status, problem["code"]) == (503, "too_many_connections")
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.headers["Retry-After"]
        assert answer.headers["Cache-Control"] == "no-store"
    end = time.monotonic() + 30
    while service.ask("GET", "/healthz").status != 200:
        assert time.monotonic() < end, "it does not take anybody any more"
        time.sleep(0.1)


def test_a_client_that_resets_leaves_no_upload_behind(service: RunningService) -> None:
    with SlowClients(service.port, 5, seconds=0.05):
        time.sleep(2)
    uploads = Path(service.data / "uploads")
    end = time.monotonic() + 60
    while list(uploads.iterdir()):
        assert time.monotonic() < end, "what was torn off is still there"
        time.sleep(0.2)
