"""A stop of the real service while films are graded: none is lost, doubled or called dead."""

from __future__ import annotations

import json
import os
import signal
import time
from pathlib import Path

from tests.serving.pipeline.many_films import write_films
from tests.serving.running_service import RunningService

BOUNDARY = b"film-boundary"
FILMS = 6


def stow(films: list[Path]) -> bytes:
    parts = [b"--" + BOUNDARY + b"\r\nContent-Type: application/dicom\r\n\r\n" + f.read_bytes() for f in films]
    return b"\r\n".join([*parts, b"--" + BOUNDARY + b"--\r\n"])


def test_a_stop_of_all_processes_at_once_makes_no_dead_letter(tmp_path: Path) -> None:
    """As systemd stops a service; with no time to finish, what is in flight is left to the next start."""
    settings = {"KNEEOA_STOP_SECONDS": "0", "KNEEOA_WORKERS__COUNT": "1", "KNEEOA_QUEUE__FREE_BYTES": "0"}
    kind = f'multipart/related; type="application/dicom"; boundary={BOUNDARY.decode()}'
    with RunningService(tmp_path / "data", settings) as service:
        sent = service.ask("POST", "/dicomweb/studies", stow(write_films(tmp_path / "films", FILMS)), kind)
        assert sent.status == 200, sent.body
        for process in service.processes():
            os.kill(process, signal.SIGTERM)
        assert service.process.wait(120) is not None
    with RunningService(tmp_path / "data", settings) as service:
        end = time.monotonic() + 300
        while "kneeoa_queue_films 0.0\n" not in service.ask("GET", "/metrics").body.decode():
            assert time.monotonic() < end, "films are not finished"
            time.sleep(0.2)
        assert json.loads(service.ask("GET", "/v1/dead-letters").body) == []
        assert json.loads(service.ask("GET", "/v1/studies?state=done").body)["total"] == FILMS
