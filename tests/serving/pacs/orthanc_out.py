"""Results into Orthanc: committed and verified, a study's own reports, and a stream of films under kill -9.

Run by `test_orthanc_out` in a network of its own:

    unshare -n sh -c 'ip link set lo up && exec python -m tests.serving.pacs.orthanc_out MODE FOLDER FILMS KILLS'
"""

from __future__ import annotations

import json
import os
import random
import re
import sys
import time
from collections import Counter
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from threading import Event

import httpx
import pydicom
from pydicom.uid import UID
from tests.serving.pacs.fault_table import FaultRow, write_table
from tests.serving.pacs.orthanc_loop import KNEEOA, ORTHANC, WEB, found, orthanc
from tests.serving.results.made import graded_film, write_small_film
from tests.serving.server import Server, until
from tests.serving.test_kill_server import ROOT as UIDS
from tests.serving.test_kill_server import Senders, send_and_kill, small_films

from kneeoa.serving.pacs.commitment import Reports
from kneeoa.serving.pacs.store_scp import StorageScp
from kneeoa.serving.pacs.store_scu import DicomDestination
from kneeoa.serving.pipeline.destinations import SentObject
from kneeoa.serving.pipeline.identity import capture_uid
from kneeoa.serving.pipeline.intake import Receipt, ReceiptState
from kneeoa.serving.pipeline.outbox import described
from kneeoa.serving.results.objects import Form, Request, result_objects
from kneeoa.serving.settings import PacsPeer, PacsSettings

SR, SC = "1.2.840.10008.5.1.4.1.1.88.33", "1.2.840.10008.5.1.4.1.1.7"
PEER = {"ae_title": "ARCHIVE", "host": "127.0.0.1", "port": ORTHANC}


def settings(peer: dict[str, object], **more: str) -> dict[str, str]:
    return {
        "KNEEOA_PACS__PORT": str(KNEEOA),
        "KNEEOA_PACS__COMMITMENT_SECONDS": "20",
        "KNEEOA_PACS__DESTINATIONS": json.dumps([peer]),
        "KNEEOA_QUEUE__LONGEST_WAIT_SECONDS": "2",
        **more,
    }


def states(server: Server) -> dict[tuple[str, str], int]:
    """How many objects stand where, by destination and state."""
    line = re.compile(r'^kneeoa_deliveries\{destination="([^"]+)",state="([^"]+)"\} (\S+)$', re.MULTILINE)
    found = line.findall(server.client.get("/metrics").text)
    counted = {(destination, state): round(float(count)) for destination, state, count in found}
    return {key: count for key, count in counted.items() if count}


def classes(archive: httpx.Client) -> Counter[str]:
    """What the archive has, by SOP Class."""
    query = {"Level": "Instance", "Query": {}, "Expand": False}
    names = archive.post("/tools/find", json=query).json()
    return Counter(archive.get(f"/instances/{name}/metadata/SopClassUid").text for name in names)


def committed(folder: Path) -> None:
    """C-STORE with commitment and C-FIND, STOW-RS with QIDO-RS, into one Orthanc; what it does not have, it says."""
    web = json.dumps([{"name": "web", "url": f"http://127.0.0.1:{WEB}/dicom-web", "verify": "qido"}])
    peer = {**PEER, "commitment": "required", "verify": "find"}
    count = 3
    with orthanc(folder / "orthanc", routes=False) as archive:
        with Server(folder / "data", settings(peer, KNEEOA_PACS__STOW=web)) as server:
            for film in small_films(count):
                assert server.stow(film).status_code == 200
            wanted = {("dicom:ARCHIVE", "verified"): 2 * count, ("stow:web", "verified"): 2 * count}
            until(lambda: states(server) == wanted, 120)
            assert classes(archive) == {SR: count, SC: count}
        sys.stdout.write("committed and verified\n")
        refused(archive, folder)


def refused(archive: httpx.Client, folder: Path) -> None:
    """Orthanc reports on an association of its own which of two objects it keeps."""
    film = write_small_film(folder / "film.dcm", SOPInstanceUID="1.2.3.99", StudyInstanceUID="1.2.3.98")
    made = result_objects(film, graded_film(), None, Request((Form.STRUCTURED_REPORT,)))[Form.STRUCTURED_REPORT]
    told: dict[str, dict[str, bool]] = {}
    came = Event()

    def take(transaction: str, kept: Mapping[str, bool]) -> bool:
        told[transaction] = dict(kept)
        came.set()
        return True

    reports = Reports(take)
    own = PacsSettings(port=KNEEOA)
    scp = StorageScp(own, reports)
    scp.start(lambda source, *, sender: Receipt(ReceiptState.REFUSED))  # noqa: ARG005 - called by these names
    try:
        peer = PacsPeer.model_validate({**PEER, "commitment": "required", "verify": "find"})
        one = described(made)
        never = SentObject(one.study_uid, one.series_uid, one.sop_class_uid, "1.2.3.4.5")
        with DicomDestination(peer, own, reports).visit() as visit:
            visit.store(made)
            visit.request_commitment([one, never], "2.25.77")
            assert came.wait(30), "no report has come"
            assert told == {"2.25.77": {one.sop_uid: True, never.sop_uid: False}}, told
            assert (visit.finds(one), visit.finds(never)) == (True, False)
    finally:
        scp.stop()
    assert found(archive, one.study_uid, "SR") == [one.sop_uid]
    sys.stdout.write("commitment refused of what is not there\n")


def study_reports(folder: Path) -> None:
    """Two films, a study's report; a third film, another report in the same series, which names the first."""
    films = [with_study(film, "1.2.826.0.1.3680043.9.99.9") for film in small_films(3)]
    more = {"KNEEOA_PACS__STUDY_REPORT__ON": "true", "KNEEOA_PACS__STUDY_REPORT__QUIET_SECONDS": "2"}
    with (
        orthanc(folder / "orthanc", routes=False) as archive,
        Server(folder / "data", settings(PEER, **more)) as server,
    ):
        for film in films[:2]:
            assert server.stow(film).status_code == 200
        until(lambda: classes(archive) == {SR: 3, SC: 2}, 120)
        (first,) = documents(archive)
        assert server.stow(films[2]).status_code == 200
        until(lambda: classes(archive) == {SR: 5, SC: 3}, 120)
        one, two = sorted(documents(archive), key=lambda document: "PredecessorDocumentsSequence" in document)
        assert one.SOPInstanceUID == first.SOPInstanceUID
        assert one.SeriesInstanceUID == two.SeriesInstanceUID
        (before,) = two.PredecessorDocumentsSequence[0].ReferencedSeriesSequence[0].ReferencedSOPSequence
        assert before.ReferencedSOPInstanceUID == first.SOPInstanceUID
        time.sleep(4)
        assert classes(archive) == {SR: 5, SC: 3}, "nothing new has come, and there is a new report"
    sys.stdout.write("study reports follow each other\n")


def documents(archive: httpx.Client) -> list[pydicom.Dataset]:
    """Structured Reports of the study as a whole."""
    query = {"Level": "Instance", "Query": {"SeriesDescription": "KneeOA study report*"}, "Expand": False}
    names = archive.post("/tools/find", json=query).json()
    return [pydicom.dcmread(BytesIO(archive.get(f"/instances/{name}/file").content)) for name in names]


def with_study(film: bytes, study: str) -> bytes:
    """The film as one of a study."""
    changed = pydicom.dcmread(BytesIO(film))
    changed.StudyInstanceUID = UID(study)
    stream = BytesIO()
    changed.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def kills(folder: Path, count: int, times: int) -> None:
    """A stream of films into Orthanc while our process is killed at random moments."""
    chance = random.Random(count)  # noqa: S311 - moments, not secrets
    senders, share, began = Senders(small_films(count)), count // (times + 1), time.monotonic()
    more = {"KNEEOA_PACS__STUDY_REPORT__ON": "true", "KNEEOA_PACS__STUDY_REPORT__QUIET_SECONDS": "1"}
    peer = {**PEER, "commitment": "required"}
    with orthanc(folder / "orthanc", routes=False) as archive:
        for _ in range(times):
            with Server(folder / "data", settings(peer, **more)) as server:
                send_and_kill(server, senders, max(1, round(share * chance.uniform(0.3, 1))), chance.uniform(0, 2))
        with Server(folder / "data", settings(peer, **more)) as server:
            senders.send(server)
            until(lambda: states(server) == {("dicom:ARCHIVE", "committed"): 3 * count}, 300 + 15 * count)
            row = judged(archive, server, count, times)
    write_table(f"pacs-kills-{count}", [row], time.monotonic() - began)
    assert (row.results_out, row.lost, row.doubled) == (3 * count, 0, 0), row
    sys.stdout.write(f"{count} films survive {times} kills\n")


def judged(archive: httpx.Client, server: Server, count: int, times: int) -> FaultRow:
    """One picture, one report, and one report of the study a film, each with its UID."""
    wanted, shown = set[str](), Counter[str]()
    for number in range(count):
        study = server.client.get(f"/v1/studies/{UIDS}6.{number}").json()
        (film,) = study["films"]
        (document,) = study["deliveries"]
        wanted |= {film["result_uid"], capture_uid(film["result_uid"]), document["object_uid"]}
        shown.update(row["state"] for row in (*film["deliveries"], document))
    query = {"Level": "Instance", "Query": {}, "Expand": True}
    there = [item["MainDicomTags"]["SOPInstanceUID"] for item in archive.post("/tools/find", json=query).json()]
    return FaultRow(
        fault=f"kill -9 of our process at {times} random moments, into Orthanc",
        films_in=count,
        results_out=len(wanted & set(there)),
        lost=len(wanted - set(there)),
        doubled=len(there) - len(wanted & set(there)),
        sent_again=0,
        shown_as=dict(shown),
        truly=True,
    )


def main() -> None:
    """One of the modes."""
    mode, folder = sys.argv[1], Path(sys.argv[2])
    if mode == "kills":
        kills(folder, int(sys.argv[3]), int(sys.argv[4]))
    else:
        {"committed": committed, "study": study_reports}[mode](folder)


if __name__ == "__main__":
    os.environ.pop("http_proxy", None)
    main()
