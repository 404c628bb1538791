"""Logs are JSON lines; of an exception the place is told, never its words, and of other libraries the name alone."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

PROGRAM = """
import logging
import structlog
from kneeoa.serving.logs import configure_logs

configure_logs("INFO")
log = structlog.get_logger("kneeoa.test")
log.info("film_taken", film_id="f" * 40)
log.debug("too_fine")
try:
    raise ValueError("QUIJANO stands at /films/QUIJANO.dcm")
except ValueError:
    log.error("it_failed", exc_info=True)
    logging.getLogger("pydicom").error("cannot read %s", "QUIJANO", exc_info=True)
logging.getLogger("pydicom").warning("a value of QUIJANO is odd", extra={"patient": "QUIJANO"})
logging.getLogger("pydicom").info("not told")
from dbos._logger import init_logger
init_logger()
logging.getLogger("dbos").error("workflow of QUIJANO failed")
logging.getLogger("kneeoa.old").warning("worker_not_started", extra={"why": "it ended at once"})
"""


def test_every_line_is_json_and_none_quotes_a_patient(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    done = subprocess.run([sys.executable, str(program)], capture_output=True, text=True, check=True)
    assert done.stdout == ""
    assert "QUIJANO" not in done.stderr
    lines = [json.loads(line) for line in done.stderr.splitlines()]
    assert [line["event"] for line in lines] == [
        "film_taken",
        "it_failed",
        "other_library",
        "other_library",
        "other_library",
        "worker_not_started",
    ]
    taken, failed, foreign, odd, work, ours = lines
    assert taken["film_id"] == "f" * 40
    assert (taken["level"], taken["logger"]) == ("info", "kneeoa.test")
    assert taken["timestamp"].endswith("Z")
    assert failed["error"] == foreign["error"] == "ValueError"
    assert failed["where"][-1].startswith("program.py:")
    assert (odd["logger"], odd["level"]) == ("pydicom", "warning")
    assert (work["logger"], work["level"]) == ("dbos", "error")
    assert ours["why"] == "it ended at once"
