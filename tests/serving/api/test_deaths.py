"""Films that kill or block their decoder become dead letters; the good ones among them are graded."""

from __future__ import annotations

import time
from pathlib import Path

from fastapi.testclient import TestClient
from tests.serving.service_films import ABORTS, SLEEPS, treacherous_decoder, write_film, write_treacherous

from kneeoa.serving.api.app import create_app
from kneeoa.serving.settings import Settings, WorkerSettings

GOOD = 6


def test_two_bad_films_among_good_ones_cost_nobody_a_result(tmp_path: Path) -> None:
    bad = [write_treacherous(tmp_path / f"{n}.dcm", n, seed=n) for n in (ABORTS, SLEEPS)]
    good = [write_film(tmp_path / f"good{n}.dcm", seed=n) for n in range(10, 10 + GOOD)]
    settings = Settings(data=tmp_path / "data", workers=WorkerSettings(count=2, seconds=6))
    with TestClient(create_app(settings, prepare=treacherous_decoder), base_url="http://localhost") as client:
        for path in [good[0], *bad, *good[1:]]:
            body = b"--x\r\n\r\n" + path.read_bytes() + b"\r\n--x--\r\n"
            kind = {"Content-Type": 'multipart/related; type="application/dicom"; boundary=x'}
            assert client.post("/dicomweb/studies", content=body, headers=kind).status_code == 200
        end = time.monotonic() + 120
        while len(client.get("/v1/dead-letters").json()) < 2:
            assert time.monotonic() < end, "the bad films are no dead letters"
            time.sleep(0.3)
        while client.get("/v1/studies", params={"state": "done"}).json()["total"] < GOOD:
            assert time.monotonic() < end, "good films have no result"
            time.sleep(0.3)
        assert {letter["reason"] for letter in client.get("/v1/dead-letters").json()} == {"decoder_crashed"}
        assert "kneeoa_workers_replaced_total 4.0" in client.get("/metrics").text
