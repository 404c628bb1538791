"""KneeOA asks Orthanc for films, by DICOMweb, by C-FIND with C-MOVE, and with C-GET.

Run by `test_orthanc` in a network of its own:

    unshare -n sh -c 'ip link set lo up && exec python -m tests.serving.pacs.orthanc_pull FOLDER'
"""

from __future__ import annotations

import json
import signal
import sys
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import httpx
import pydicom
from tests.serving.pacs.orthanc_loop import KNEEOA, ORTHANC, WEB, found, orthanc
from tests.serving.pipeline.many_films import write_films
from tests.serving.server import Server, until

RULES = [{"name": "ankles", "when": [{"tag": "BodyPartExamined", "equals": "ANKLE"}], "decide": "ignore"}]
NODE = {"ae_title": "ARCHIVE", "host": "127.0.0.1", "port": ORTHANC}
WAYS: dict[str, dict[str, object]] = {
    "dicomweb": {"url": f"http://127.0.0.1:{WEB}/dicom-web"},
    "move": NODE,
    "get": NODE,
}
GRACEFUL = {0, -signal.SIGTERM}
"""uvicorn ends by the signal that asked it to."""
DAY = f"{datetime.now().astimezone():%Y%m%d}"


@dataclass(frozen=True, slots=True)
class Films:
    """What there is, each list with one film for each way; each film is a study of its own."""

    early: list[Path]
    late: list[Path]
    ankles: list[Path]
    others: list[Path]
    """Knees of long ago, and tomograms: they match no query."""


def write(folder: Path) -> Films:
    """Films; a study's description names the way on which it shall come."""
    films = write_films(folder, 15)
    for place, path in enumerate(films):
        film, kind = pydicom.dcmread(path), place // 3
        film.StudyDescription = f"BY {list(WAYS)[place % 3].upper()}"
        film.StudyDate = "20200101" if kind == 3 else DAY
        film.BodyPartExamined = "ANKLE" if kind == 2 else "KNEE"
        film.Modality = "CT" if kind == 4 else "DX"
        film.SeriesInstanceUID = f"{film.StudyInstanceUID}.1"
        film.save_as(path)
    return Films(films[:3], films[3:6], films[6:9], films[9:])


def counted(server: Server, name: str) -> float:
    """The sum of a metric over all lines that begin so."""
    lines = server.client.get("/metrics").text.splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith(name))


def polls(server: Server, more: int) -> None:
    """Waits for so many further polls of each way that succeed."""
    names = [f'kneeoa_pull_polls_total{{archive="{via}",outcome="success"}}' for via in WAYS]
    ends = {name: counted(server, name) + more for name in names}
    until(lambda: all(counted(server, name) >= end for name, end in ends.items()), 200)


def each(server: Server, metric: str, labels: str = "") -> list[float]:
    """A metric of each way."""
    return [counted(server, f'{metric}{{archive="{via}"{labels}}}') for via in WAYS]


def pull(via: str) -> dict[str, object]:
    """The settings of one way."""
    query = {"series": {"Modality": "DX"}, "study": {"StudyDescription": f"*{via.upper()}"}}
    return {"name": via, "via": via, "every_seconds": 0.5, "query": query, **WAYS[via]}


def run(folder: Path) -> None:
    """Films come once, results go back, nothing is asked for again; a restart and an outage change nothing."""
    films = write(folder / "films")
    settings = {
        "KNEEOA_PACS__PORT": str(KNEEOA),
        "KNEEOA_PACS__DESTINATIONS": json.dumps([NODE]),
        "KNEEOA_PACS__RULES": json.dumps(RULES),
        "KNEEOA_PACS__PULL": json.dumps([pull(via) for via in WAYS]),
    }
    taken = ',state="taken"'
    with orthanc(folder / "orthanc", routes=False) as archive:
        _fill(archive, [*films.early, *films.ankles, *films.others])
        with Server(folder / "data", settings) as server:
            until(lambda: server.studies(state="done") == 3, 200)
            polls(server, 3)
            assert each(server, "kneeoa_pull_instances_total", taken) == [2, 2, 2], "a knee and an ankle each"
            assert counted(server, 'kneeoa_routed_total{decision="ignore",rule="ankles"}') == 3
            assert server.stop() in GRACEFUL
    with Server(folder / "data", settings) as server:
        until(lambda: min(each(server, "kneeoa_pull_failures")) >= 1, 200)
        with orthanc(folder / "orthanc", routes=False) as archive:
            polls(server, 2)
            assert each(server, "kneeoa_pull_instances_total", taken) == [0, 0, 0], "nothing is fetched a second time"
            _fill(archive, films.late)
            until(lambda: server.studies(state="done") == 6, 200)
            polls(server, 2)
            assert server.studies() == 6
            assert each(server, "kneeoa_pull_instances_total", taken) == [1, 1, 1]
            # A film is done when its result is there; the result is on its way then.
            wanted = (*films.early, *films.late)
            until(lambda: all(_reports(archive, film) for film in wanted), 200)
            assert [_reports(archive, film) for film in wanted] == [1] * 6
            assert not any(_reports(archive, film) for film in (*films.ankles, *films.others))
            assert server.stop() in GRACEFUL
    sys.stdout.write("films fetched once by each way, results in the archive\n")


def _reports(archive: httpx.Client, film: Path) -> int:
    return len(found(archive, str(pydicom.dcmread(film, stop_before_pixels=True).StudyInstanceUID), "SR"))


def _fill(archive: httpx.Client, films: list[Path]) -> None:
    for film in films:
        archive.post("/instances", content=film.read_bytes()).raise_for_status()


def _main() -> None:
    """All three ways at once."""
    run(Path(sys.argv[1]))


if __name__ == "__main__":
    _main()
