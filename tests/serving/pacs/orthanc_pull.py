"""KneeOA asks Orthanc for films, by DICOMweb, by C-FIND with C-MOVE, and with C-GET.

Run by `test_orthanc` in a network of its own:

    unshare -n sh -c 'ip link set lo up && exec python -m tests.serving.pacs.orthanc_pull FOLDER'
"""

from __future__ import annotations

import json
import sys
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
DAY = f"{datetime.now().astimezone():%Y%m%d}"


def write(folder: Path) -> list[Path]:
    """Three knees of today and an ankle; a knee of long ago; a tomogram that is no film."""
    films = write_films(folder, 6)
    for place, path in enumerate(films):
        film = pydicom.dcmread(path)
        film.StudyDate = "20200101" if place == 4 else DAY
        film.BodyPartExamined = "ANKLE" if place == 3 else "KNEE"
        film.Modality = "CT" if place == 5 else "DX"
        film.SeriesInstanceUID = f"{film.StudyInstanceUID}.1"
        film.save_as(path)
    return films


def counted(server: Server, name: str) -> float:
    """The sum of a metric over its labels that contain a word."""
    lines = server.client.get("/metrics").text.splitlines()
    return sum(float(line.split()[-1]) for line in lines if line.startswith(name))


def polls(server: Server, more: int) -> None:
    """Waits for so many further polls that succeed."""
    name = 'kneeoa_pull_polls_total{archive="archive",outcome="success"}'
    end = counted(server, name) + more
    until(lambda: counted(server, name) >= end, 120)


def way(folder: Path, via: str, how: dict[str, object]) -> None:
    """Films come once, results go back, nothing is asked for again, a restart and an outage change nothing."""
    place = folder / via
    place.mkdir()
    films = write(place / "films")
    pull = {"name": "archive", "via": via, "every_seconds": 0.5, "query": {"series": {"Modality": "DX"}}, **how}
    settings = {
        "KNEEOA_PACS__PORT": str(KNEEOA),
        "KNEEOA_PACS__DESTINATIONS": json.dumps([NODE]),
        "KNEEOA_PACS__RULES": json.dumps(RULES),
        "KNEEOA_PACS__PULL": json.dumps([pull]),
    }
    taken = 'kneeoa_pull_instances_total{archive="archive",state="taken"}'
    with orthanc(place / "orthanc", routes=False) as archive:
        _fill(archive, films[:2] + films[3:])
        with Server(place / "data", settings) as server:
            until(lambda: server.studies(state="done") == 2, 120)
            polls(server, 3)
            assert counted(server, taken) == 3, "two knees and the ankle"
            assert counted(server, 'kneeoa_routed_total{decision="ignore",rule="ankles"}') == 1
            assert server.stop() == 0
    with Server(place / "data", settings) as server:
        until(lambda: counted(server, 'kneeoa_pull_failures{archive="archive"}') >= 2, 120)
        with orthanc(place / "orthanc", routes=False) as archive:
            polls(server, 3)
            assert counted(server, taken) == 0, "nothing is fetched a second time"
            _fill(archive, [films[2]])
            until(lambda: server.studies(state="done") == 3, 120)
            polls(server, 3)
            assert (server.studies(), counted(server, taken)) == (3, 1)
            studies = [str(pydicom.dcmread(film, stop_before_pixels=True).StudyInstanceUID) for film in films]
            reports = [len(found(archive, study, "SR")) for study in studies]
            assert reports == [1, 1, 1, 0, 0, 0], reports
            assert server.stop() == 0
    sys.stdout.write(f"{via}: films fetched once, results in the archive\n")


def _fill(archive: httpx.Client, films: list[Path]) -> None:
    for film in films:
        archive.post("/instances", content=film.read_bytes()).raise_for_status()


def main() -> None:
    """All three ways."""
    for via, how in WAYS.items():
        way(Path(sys.argv[1]), via, how)


if __name__ == "__main__":
    main()
