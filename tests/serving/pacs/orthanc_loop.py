"""KneeOA beside Orthanc: films go to the archive, which sends them on, and results come back.

Run by `test_orthanc` in a network of its own:

    unshare -n sh -c 'ip link set lo up && exec python -m tests.serving.pacs.orthanc_loop FOLDER'
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pydicom
from tests.serving.server import Server, until
from tests.serving.service_films import write_film

ORTHANC, KNEEOA, WEB = 4242, 11112, 8042
_PLUGINS = "/usr/share/orthanc/plugins/libOrthancDicomWeb.so"
_ROUTING = """
function OnStoredInstance(instance, tags, metadata, origin)
   SendToModality(instance, 'kneeoa')
end
"""
"""Everything, KneeOA's own results included: what comes back to it must not go round in a circle."""


@contextmanager
def orthanc(folder: Path, *, routes: bool = True) -> Iterator[httpx.Client]:
    """An archive that sends on what it stores, or keeps it to itself."""
    folder.mkdir(exist_ok=True)
    (folder / "routing.lua").write_text(_ROUTING)
    settings = {
        "Name": "ARCHIVE",
        "StorageDirectory": str(folder / "storage"),
        "IndexDirectory": str(folder / "storage"),
        "HttpPort": WEB,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "DicomAet": "ARCHIVE",
        "DicomPort": ORTHANC,
        "DicomModalities": {"kneeoa": ["KNEEOA", "127.0.0.1", KNEEOA]},
        "LuaScripts": [str(folder / "routing.lua")] if routes else [],
        "Plugins": [_PLUGINS],
        "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
    }
    (folder / "orthanc.json").write_text(json.dumps(settings))
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(["Orthanc", str(folder / "orthanc.json")], stdout=log, stderr=log)
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{WEB}", timeout=60) as client:
                until(lambda: _up(client), 60)
                yield client
        finally:
            process.terminate()
            process.wait(60)


def _up(client: httpx.Client) -> bool:
    try:
        return client.get("/system").is_success
    except httpx.HTTPError:
        return False


def found(archive: httpx.Client, study: str, modality: str) -> list[str]:
    """What QIDO-RS finds of a kind in a study, by SOP Instance UID."""
    answer = archive.get(f"/dicom-web/studies/{study}/instances", params={"Modality": modality})
    return [item["00080018"]["Value"][0] for item in answer.json()] if answer.status_code == httpx.codes.OK else []


def printed(archive: httpx.Client, study: str, folder: Path) -> str:
    """The study's Structured Report, as DCMTK prints it."""
    (uid,) = found(archive, study, "SR")
    (name,) = archive.post("/tools/lookup", content=uid).json()
    path = folder / "sr.dcm"
    path.write_bytes(archive.get(f"/instances/{name['ID']}/file").content)
    return subprocess.run(["dsrdump", str(path)], capture_output=True, text=True, check=True).stdout


def states(archive: httpx.Client) -> set[str]:
    """Of everything that the archive sends on."""
    return {archive.get(f"/jobs/{job}").json()["State"] for job in archive.get("/jobs").json()}


def way(folder: Path, name: str, destinations: dict[str, str]) -> None:
    """One film through both, with results on one way back."""
    place = folder / name
    place.mkdir()
    film = write_film(place / "film.dcm", 5)
    study = str(pydicom.dcmread(film, stop_before_pixels=True).StudyInstanceUID)
    settings = {"KNEEOA_PACS__PORT": str(KNEEOA), **destinations}
    with orthanc(place / "orthanc") as archive, Server(place / "data", settings) as server:
        for _ in range(2):  # sent again, nothing is doubled
            sent = ["/usr/bin/storescu", "-aec", "ARCHIVE", "127.0.0.1", str(ORTHANC), str(film)]
            subprocess.run(sent, check=True, timeout=60)
            until(lambda: len(found(archive, study, "SR")) > 0, 120)
            server.settle()
        until(lambda: states(archive) <= {"Success", "Failure"}, 120)
        assert states(archive) == {"Success"}, "something that was sent on was not taken"
        assert len(found(archive, study, "SR")) == 1
        counts = archive.get("/statistics").json()
        assert (counts["CountInstances"], counts["CountStudies"], counts["CountPatients"]) == (3, 1, 1), counts
        assert server.studies() == 1, "a result that came back was taken for a film"
        text = printed(archive, study, place)
        assert "Kellgren-Lawrence grade" in text, text
        sys.stdout.write(f"{name}: film, report and picture in one study\n")


def main() -> None:
    """Both ways back."""
    folder = Path(sys.argv[1])
    peer = json.dumps([{"ae_title": "ARCHIVE", "host": "127.0.0.1", "port": ORTHANC}])
    way(folder, "c-store", {"KNEEOA_PACS__DESTINATIONS": peer})
    web = json.dumps([{"name": "archive", "url": f"http://127.0.0.1:{WEB}/dicom-web"}])
    way(folder, "stow", {"KNEEOA_PACS__STOW": web})


if __name__ == "__main__":
    os.environ.pop("http_proxy", None)
    main()
