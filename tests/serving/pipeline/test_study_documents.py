"""When a study gets a report of its own, of which films, and that it survives whatever ends the service."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import select
from tests.serving.pipeline.many_films import write_films
from tests.serving.pipeline.paper_archive import PaperArchive, Press
from tests.serving.pipeline.scripted import ScriptedGrading, service_on, settle, wait_for

from kneeoa.serving.pipeline.destinations import Outgoing
from kneeoa.serving.service import KneeService
from kneeoa.serving.store.tables import Study, StudyDocument


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Three films of one study."""
    return write_films(tmp_path_factory.mktemp("films"), 3, studies=1)


@pytest.fixture
def press(tmp_path: Path) -> Press:
    return Press(tmp_path)


@contextmanager
def running(
    data: Path, press: Press, archive: PaperArchive, quiet: float | None, grading: ScriptedGrading | None = None
) -> Iterator[KneeService]:
    outgoing = Outgoing((archive,), press, study_quiet_seconds=quiet)
    service = service_on(data, grading or ScriptedGrading(), outgoing)
    press.service = service
    with service:
        yield service


def send(service: KneeService, films: Sequence[Path]) -> None:
    for film in films:
        service.receive(film, sender="upload")
    settle(service)


def documents(service: KneeService) -> list[StudyDocument]:
    with service.database.read() as session:
        return list(session.scalars(select(StudyDocument).order_by(StudyDocument.created)))


def test_each_film_is_answered_at_once_and_the_study_after_it_was_quiet(
    tmp_path: Path, films: list[Path], press: Press
) -> None:
    archive = PaperArchive()
    with running(tmp_path / "data", press, archive, 3.0) as service:
        send(service, films[:2])
        wait_for(lambda: archive.kinds == ["sc", "sc", "sr", "sr"])
        assert documents(service) == []
        wait_for(lambda: archive.kinds == ["sc", "sc", "sr", "sr", "study_sr"])
        (document,) = documents(service)
        assert (len(document.results), document.predecessor_uid) == (2, None)
        study = service.study(document.study_uid)
        wait_for(lambda: service.study(document.study_uid)["deliveries"][0]["state"] == "sent")  # type: ignore[index,call-overload]
        assert study["deliveries"][0]["object_uid"] == document.document_uid  # type: ignore[index,call-overload]


def test_a_late_film_makes_another_document_that_names_the_first(
    tmp_path: Path, films: list[Path], press: Press
) -> None:
    archive = PaperArchive()
    with running(tmp_path / "data", press, archive, 0.5) as service:
        send(service, films[:2])
        wait_for(lambda: "study_sr" in archive.kinds)
        send(service, films[2:])
        wait_for(lambda: archive.kinds.count("study_sr") == 2)
        first, second = documents(service)
        assert (len(second.results), second.predecessor_uid) == (3, first.document_uid)
        assert second.document_uid != first.document_uid
        send(service, films)  # again: nothing is new
        time.sleep(1.5)
        assert len(documents(service)) == 2


def test_a_quiet_time_that_was_begun_outlives_the_service(tmp_path: Path, films: list[Path], press: Press) -> None:
    archive = PaperArchive()
    with running(tmp_path / "data", press, archive, 3600.0) as service:
        send(service, films[:1])
        with service.database.write() as session:  # an hour later
            study = session.scalars(select(Study)).one()
            assert study.document_due is not None
            study.document_due -= 3600
    again = PaperArchive()
    with running(tmp_path / "data", press, again, 3600.0) as service:
        wait_for(lambda: "study_sr" in again.kinds)
        assert len(documents(service)) == 1


def test_a_study_of_which_a_film_is_still_in_work_waits_for_it(tmp_path: Path, films: list[Path], press: Press) -> None:
    archive, grading = PaperArchive(), ScriptedGrading()
    with running(tmp_path / "data", press, archive, 0.5, grading) as service:
        grading.open.clear()
        for film in films[:2]:
            service.receive(film, sender="upload")
        with service.database.write() as session:
            session.scalars(select(Study)).one().document_due = time.time() - 1
        time.sleep(1.5)
        assert documents(service) == []
        grading.open.set()
        wait_for(lambda: "study_sr" in archive.kinds)
        assert [len(document.results) for document in documents(service)] == [2]


def test_without_the_setting_there_is_none(tmp_path: Path, films: list[Path], press: Press) -> None:
    archive = PaperArchive()
    with running(tmp_path / "data", press, archive, None) as service:
        send(service, films[:1])
        wait_for(lambda: archive.kinds == ["sc", "sr"])
        with service.database.read() as session:
            assert session.scalars(select(Study)).one().document_due is None


def test_another_release_makes_another_document_in_a_series_of_its_own(
    tmp_path: Path, films: list[Path], press: Press
) -> None:
    with running(tmp_path / "data", press, PaperArchive(), 0.2) as service:
        send(service, films[:1])
        wait_for(lambda: len(documents(service)) == 1)
    with running(tmp_path / "data", press, PaperArchive(), 0.2, ScriptedGrading("b" * 64)) as service:
        assert service.regrade() == 1
        wait_for(lambda: len(documents(service)) == 2)
        old, new = documents(service)
        assert (new.predecessor_uid, new.predecessor_sha256) == (old.document_uid, old.release_sha256)
        assert new.release_sha256 != old.release_sha256
