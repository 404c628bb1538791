"""Polls by C-FIND with C-GET and C-MOVE, of an archive on loopback."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import datetime
from functools import partial
from pathlib import Path

import pydicom
import pytest
from tests.serving.pacs.archive_node import ArchiveNode
from tests.serving.pipeline.many_films import write_films
from tests.serving.pipeline.scripted import ScriptedGrading, service_on, wait_for

from kneeoa.serving.pacs.archive import PullError
from kneeoa.serving.pacs.pull_dimse import DimseArchive
from kneeoa.serving.pacs.pull_settings import DimsePull
from kneeoa.serving.pacs.pulling import Pulling
from kneeoa.serving.pacs.store_scp import StorageScp
from kneeoa.serving.settings import PacsSettings

RULES = [{"name": "ankles", "when": [{"tag": "BodyPartExamined", "equals": "ANKLE"}], "decide": "ignore"}]


def today() -> str:
    return f"{datetime.now().astimezone():%Y%m%d}"


@pytest.fixture
def films(tmp_path: Path) -> list[Path]:
    """Four knees, one of them years old, and an ankle; each a study of its own."""
    made = write_films(tmp_path / "films", 5)
    for place, path in enumerate(made):
        film = pydicom.dcmread(path)
        film.StudyDate = "20200101" if place == 3 else today()
        film.BodyPartExamined = "ANKLE" if place == 4 else "KNEE"
        film.StudyInstanceUID = f"1.2.826.0.1.3680043.8.498.7{place}"
        film.save_as(path)
    return made


@pytest.fixture
def archive(films: list[Path]) -> Iterator[ArchiveNode]:
    node = ArchiveNode(*films)
    yield node
    node.ae.shutdown()


def source(archive: ArchiveNode, via: str, **more: object) -> dict[str, object]:
    return {
        "name": "archive",
        "via": via,
        "ae_title": "ARCHIVE",
        "host": "127.0.0.1",
        "port": archive.port,
        "every_seconds": 0.3,
        "query": {"series": {"Modality": "DX"}},
        **more,
    }


class Watch:
    """Counts polls and what they brought."""

    def __init__(self) -> None:
        self.outcomes: list[str] = []
        self.states: Counter[str] = Counter()

    def polled(self, archive: str, outcome: str, failures: int) -> None:  # noqa: ARG002 - the seam has them
        self.outcomes.append(outcome)

    def pulled(self, archive: str, state: str, count: int) -> None:  # noqa: ARG002 - likewise
        self.states[state] += count


@pytest.mark.parametrize("via", ["get", "move"])
def test_films_of_an_archive_come_once_and_the_rules_hold_for_them(
    archive: ArchiveNode, films: list[Path], via: str, tmp_path: Path
) -> None:
    uids = [str(pydicom.dcmread(film, stop_before_pixels=True).SOPInstanceUID) for film in films]
    given = {"port": 0, "rules": RULES, "pull": [source(archive, via)]}
    pacs = PacsSettings.model_validate(given)
    for again in range(2):  # the second time as after a restart
        scp, watch = StorageScp(pacs), Watch()
        archive.destination = partial(getattr, scp, "port")
        pulling = Pulling(pacs, watch)
        with service_on(tmp_path / "data", ScriptedGrading(), pacs=given) as service:
            scp.start(pulling.noting(service))
            pulling.start(service)
            wait_for(lambda watch=watch: len(watch.outcomes) >= 3)  # type: ignore[misc] # of this round
            pulling.stop()
            scp.stop()
            assert set(watch.outcomes) == {"success"}
            assert sorted(archive.given) == sorted([*uids[:3], uids[4]]), "all of today, once each"
            assert service.studies().total == 3
            assert watch.states == ({} if again else {"taken": 4})
    images = [asked for asked in archive.asked if asked.QueryRetrieveLevel == "IMAGE"]
    assert len(images) <= 4 * 3, "a study of which all is known is not looked at again"


def test_what_is_asked_for_is_in_the_question(archive: ArchiveNode) -> None:
    query = {"study": {"StudyDescription": "*KNEE*"}, "series": {"Modality": "DX"}, "instance": {"ViewPosition": "PA"}}
    settings = DimsePull.model_validate(source(archive, "get", query=query))
    with DimseArchive(settings, PacsSettings(seconds=5)).open() as asked:
        asked.studies()
        asked.instances(archive.films[min(archive.films)].StudyInstanceUID)
    study, series = archive.asked[0], archive.asked[1]
    assert (study.StudyDescription, study.ModalitiesInStudy) == ("*KNEE*", "DX")
    first, _, last = study.StudyDate.partition("-")
    assert first <= today() <= last
    assert series.Modality == "DX"
    assert all(one.ViewPosition == "PA" for one in archive.asked[2:])


def test_an_archive_that_refuses_is_told_by_a_code(archive: ArchiveNode) -> None:
    settings = DimsePull.model_validate(source(archive, "get"))
    archive.status = 0xA700
    with DimseArchive(settings, PacsSettings(seconds=5)).open() as asked, pytest.raises(PullError) as refused:
        asked.studies()
    assert (refused.value.reason, "0xA700" in str(refused.value)) == ("archive_refused", True)


# pynetdicom 3.0 leaves the socket of a refused connection to the garbage collector, which says so.
@pytest.mark.filterwarnings("ignore:Exception ignored in. <socket.socket:pytest.PytestUnraisableExceptionWarning")
def test_an_archive_that_is_not_there_is_told_as_such(archive: ArchiveNode) -> None:
    archive.ae.shutdown()
    settings = DimsePull.model_validate(source(archive, "move"))
    with pytest.raises(PullError) as away, DimseArchive(settings, PacsSettings(seconds=2)).open():
        pass
    assert away.value.reason == "archive_unreachable"
