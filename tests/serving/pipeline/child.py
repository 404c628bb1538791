"""A service in a process of its own, which tests kill: films by name on stdin, one answer a line on stdout.

Arguments: data folder, URL of the database or "", version of the workflow, milliseconds that grading takes.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

sys.path.append(str(Path(__file__).parents[3]))

from tests.serving.pipeline.scripted import ScriptedGrading, service_on, settle

from kneeoa.model.grades import JSON
from kneeoa.model.radiograph import Side
from kneeoa.serving.pipeline import workflow


class SlowGrading(ScriptedGrading):
    """Takes its time."""

    def __init__(self, milliseconds: float) -> None:
        super().__init__()
        self._seconds = milliseconds / 1000

    def grade(self, path: Path, side: Side | None = None, spacing_mm: float | None = None) -> dict[str, JSON]:
        time.sleep(self._seconds)
        return super().grade(path, side, spacing_mm)


def main(data: str, url: str, version: str, milliseconds: str) -> None:
    """Serves until stdin ends."""
    workflow.WORKFLOW_VERSION = version
    with service_on(Path(data), SlowGrading(float(milliseconds)), database_url=url or None) as service:
        print("ready", flush=True)
        for line in sys.stdin:
            if line == "settle\n":
                settle(service, 300)
                print("settled", flush=True)
                continue
            receipt = service.receive(Path(line.rstrip("\n")), sender="upload")
            print(json.dumps({"film_id": receipt.film_id, "state": receipt.state}), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
