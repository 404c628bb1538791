"""Films come in, results come out, once each, whatever goes wrong."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Iterator
from pathlib import Path
from threading import Event

import pytest
from tests.serving.pipeline.many_films import with_other_patient, with_other_pixels, write_films
from tests.serving.pipeline.scripted import ScriptedGrading, service_on, settings_for, settle, wait_for

from kneeoa.serving.correcting import CorrectionRequest
from kneeoa.serving.grading import GradingClosedError, GradingError, InProcessGrading
from kneeoa.serving.pipeline import workflow
from kneeoa.serving.pipeline.admission import BusyError
from kneeoa.serving.pipeline.intake import ReceiptState
from kneeoa.serving.pipeline.owner import AlreadyOwnedError
from kneeoa.serving.pipeline.rework import NotFoundError
from kneeoa.serving.service import KneeService
from kneeoa.serving.store.reading import EventRow, StudyFilter, StudyOrder
from kneeoa.serving.store.tables import FilmState


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return write_films(tmp_path_factory.mktemp("films"), 8)


@pytest.fixture
def grading() -> ScriptedGrading:
    return ScriptedGrading()


@pytest.fixture
def service(tmp_path: Path, grading: ScriptedGrading) -> Iterator[KneeService]:
    with service_on(tmp_path / "data", grading) as running:
        yield running


def send(service: KneeService, film: Path, priority: int = 5) -> str:
    receipt = service.receive(film, sender="upload", priority=priority)
    assert receipt.film_id is not None, receipt
    return receipt.film_id


def events(service: KneeService) -> list[EventRow]:
    return list(service._events_after(0))


def test_a_film_is_received_graded_and_told_about_once_however_often_it_is_sent(
    service: KneeService, grading: ScriptedGrading, films: list[Path], tmp_path: Path
) -> None:
    first = service.receive(io.BytesIO(films[0].read_bytes()), sender="stow")
    settle(service)
    again = service.receive(films[0], sender="upload")
    renamed = service.receive(with_other_patient(films[0], tmp_path / "renamed.dcm"), sender="upload")
    settle(service)
    assert [r.state for r in (first, again, renamed)] == [ReceiptState.ACCEPTED, *[ReceiptState.DUPLICATE] * 2]
    assert first.film_id is not None
    (result,) = service.results(first.film_id)
    assert grading.calls == {first.film_id: 1}
    assert [event.kind for event in events(service)] == ["film_received", "result"]
    assert service.film_path(first.film_id).read_bytes() == films[0].read_bytes()
    assert result.result_uid.startswith("2.25.")
    assert result.report["film"]["source"] == f"{first.film_id}.dcm"  # type: ignore[index,call-overload]


def test_the_real_network_grades_what_comes(films: list[Path], tmp_path: Path) -> None:
    settings = settings_for(tmp_path / "data")
    with KneeService(settings, InProcessGrading(settings.release, "cpu")) as service:
        film_id = send(service, films[0])
        settle(service)
        (result,) = service.results(film_id)
    assert result.report["refusal"] is None
    assert len(result.report["knees"]) == 1  # type: ignore[arg-type]
    assert result.release_sha256 == service.release.sha256


def test_other_pixels_under_one_uid_are_kept_as_another_film_and_both_are_flagged(
    service: KneeService, films: list[Path], tmp_path: Path
) -> None:
    other = with_other_pixels(films[0], tmp_path / "other.dcm")
    first, second = service.receive(films[0], sender="stow"), service.receive(other, sender="stow")
    third = service.receive(other, sender="stow")
    settle(service)
    assert [r.state for r in (first, second, third)] == ["accepted", "uid_reused", "duplicate"]
    assert first.film_id != second.film_id == third.film_id
    assert first.film_id is not None
    assert second.film_id is not None
    assert service.film(first.film_id).uid_reused
    assert service.film(second.film_id).uid_reused
    uids = {service.results(film_id)[0].result_uid for film_id in (first.film_id, second.film_id)}
    assert len(uids) == 2
    assert service.results(second.film_id)[0].report["flags"] == ["uid_reused"]


def test_what_is_no_film_is_refused_and_leaves_nothing(service: KneeService, tmp_path: Path) -> None:
    receipt = service.receive(io.BytesIO(b"Dear colleague, ..."), sender="upload")
    assert (receipt.state, receipt.reason) == (ReceiptState.REFUSED, "not_dicom")
    assert not [path for path in (tmp_path / "data" / "films").rglob("*") if path.is_file()]
    assert not list((tmp_path / "data" / "incoming").iterdir())
    assert events(service) == []


def test_a_film_whose_turn_comes_when_grading_is_closed_is_left_to_the_next_start(
    tmp_path: Path, films: list[Path]
) -> None:
    grading = ScriptedGrading()
    with service_on(tmp_path / "data", grading) as service:
        grading.open.clear()
        film_id = send(service, films[0])
        grading.failures[film_id] = [GradingClosedError("Stopping.")]
        grading.open.set()
        wait_for(lambda: grading.calls[film_id] == 1 and not service._work.pending())
        assert service.dead_letters() == ()
        assert service.queue().depth == 1
    with service_on(tmp_path / "data", ScriptedGrading()) as service:
        settle(service)
        assert len(service.results(film_id)) == 1
        assert service.dead_letters() == ()


def test_a_film_whose_decoder_dies_twice_is_a_dead_letter_that_can_be_replayed(
    service: KneeService, grading: ScriptedGrading, films: list[Path]
) -> None:
    grading.open.clear()
    film_id = send(service, films[0])
    grading.failures[film_id] = [GradingError("decoder_crashed", "It died.")] * 2
    grading.open.set()
    wait_for(lambda: bool(service.dead_letters()))
    settle(service)
    (letter,) = service.dead_letters()
    assert (letter.film_id, letter.reason) == (film_id, "decoder_crashed")
    assert grading.calls[film_id] == 2
    assert service.queue().dead_letters == 1
    assert service.receive(films[0], sender="upload").state == ReceiptState.DUPLICATE
    service.replay(film_id)
    settle(service)
    assert not service.dead_letters()
    assert len(service.results(film_id)) == 1
    with pytest.raises(NotFoundError):
        service.replay(film_id)
    assert [event.kind for event in events(service)] == ["film_received", "dead_letter", "result"]


def test_a_report_that_says_that_the_decoder_crashed_is_no_result(
    service: KneeService, grading: ScriptedGrading, films: list[Path]
) -> None:
    grading.open.clear()
    film_id = send(service, films[0])
    grading.grade_of[film_id] = -1
    grading.open.set()
    wait_for(lambda: bool(service.dead_letters()))
    assert service.dead_letters()[0].reason == "decoder_crashed"
    assert service.results(film_id) == ()


def test_a_dropped_film_is_gone_from_the_study_and_taken_again_when_it_is_sent_again(
    service: KneeService, grading: ScriptedGrading, films: list[Path]
) -> None:
    grading.open.clear()
    film_id = send(service, films[0])
    grading.failures[film_id] = [GradingError("decoder_timeout", "It hung.")] * 2
    grading.open.set()
    wait_for(lambda: bool(service.dead_letters()))
    service.drop(film_id)
    study = service.film(film_id).study_uid
    assert service.study(study)["films"] == []
    assert service.receive(films[0], sender="upload").state == ReceiptState.ACCEPTED
    settle(service)
    assert len(service.results(film_id)) == 1


def test_urgent_films_are_graded_first(service: KneeService, grading: ScriptedGrading, films: list[Path]) -> None:
    grading.open.clear()
    held = [send(service, film) for film in films[:2]]  # as many as are worked on at once
    wait_for(lambda: len(grading.order) == 2)
    late = [send(service, films[2], 9), send(service, films[3], 5), send(service, films[4], 1)]
    wait_for(lambda: service._work.pending() == 5)
    first, grading.open = grading.open, Event()
    first.set()
    # Two are worked on at once: the two most urgent begin together, in either order, and are held up likewise, so that
    # the third cannot begin while one of them is still on its way.
    wait_for(lambda: len(grading.order) == 4)
    assert set(grading.order[:2]) == set(held)
    assert set(grading.order[2:]) == set(late[1:])
    grading.open.set()
    settle(service)
    assert grading.order[4:] == late[:1]


def test_a_full_queue_takes_no_film_until_it_has_fallen_to_its_low_mark(
    tmp_path: Path, grading: ScriptedGrading, films: list[Path]
) -> None:
    grading.open.clear()
    with service_on(tmp_path / "data", grading, queue={"high_films": 3, "low_films": 0}) as service:
        for film in films[:3]:
            send(service, film)
        with pytest.raises(BusyError) as busy:
            send(service, films[3])
        assert busy.value.reason == "queue_full"
        assert busy.value.retry_after_seconds > 0
        grading.open.set()
        settle(service)
        wait_for(lambda: _taken(service, films[3]))
        settle(service)
        assert service.studies().total == 4


def _taken(service: KneeService, film: Path) -> bool:
    try:
        send(service, film)
    except BusyError:
        return False
    return True


def test_a_disk_that_is_nearly_full_takes_no_film(tmp_path: Path, grading: ScriptedGrading, films: list[Path]) -> None:
    with service_on(tmp_path / "data", grading, queue={"free_bytes": 1 << 60}) as service:
        with pytest.raises(BusyError) as busy:
            send(service, films[0])
        assert busy.value.reason == "disk_low"
        assert service.studies().total == 0


def test_a_second_service_on_the_data_folder_is_refused(service: KneeService, grading: ScriptedGrading) -> None:
    with pytest.raises(AlreadyOwnedError, match="--data"):
        service_on(service.settings.data, grading).start()
    assert service.ready()


def test_a_new_release_grades_what_is_stored_beside_the_old_results(
    tmp_path: Path, grading: ScriptedGrading, films: list[Path]
) -> None:
    with service_on(tmp_path / "data", grading) as service:
        ids = [send(service, film) for film in films[:3]]
        settle(service)
        assert service.regrade() == 0
    newer = ScriptedGrading("b" * 64)
    newer.grade_of = dict.fromkeys(ids, 4)
    with service_on(tmp_path / "data", newer) as service:
        assert service.regrade() == 3
        settle(service)
        assert service.regrade() == 0
        for film_id in ids:
            new, old = service.results(film_id)
            assert (new.release_sha256, old.release_sha256) == ("b" * 64, "a" * 64)
            assert new.result_uid != old.result_uid
        knees = service.study(service.film(ids[0]).study_uid)["knees"]
        assert knees[0]["kl"]["grade"] == 4  # type: ignore[index,call-overload]
        assert [event.kind for event in events(service)].count("result") == 6


def test_old_originals_go_and_their_results_stay(tmp_path: Path, grading: ScriptedGrading, films: list[Path]) -> None:
    with service_on(tmp_path / "data", grading) as service:
        film_id = send(service, films[0])
        settle(service)
        assert service.film_path(film_id).is_file()
    with service_on(tmp_path / "data", grading, retention_days=0) as service:
        wait_for(lambda: service.film(film_id).removed is not None)
        with pytest.raises(NotFoundError, match="removed"):
            service.film_path(film_id)
        assert len(service.results(film_id)) == 1
        assert service.receive(films[0], sender="upload").state == ReceiptState.DUPLICATE
    assert not [path for path in (tmp_path / "data" / "films").rglob("*") if path.is_file()]


def test_the_original_of_a_dropped_film_goes_too_and_a_dead_letter_keeps_its_own(
    tmp_path: Path, grading: ScriptedGrading, films: list[Path]
) -> None:
    with service_on(tmp_path / "data", grading) as service:
        grading.open.clear()
        dropped, dead = (send(service, film) for film in films[:2])
        for film_id in (dropped, dead):
            grading.failures[film_id] = [GradingError("decoder_crashed", "It died.")] * 2
        grading.open.set()
        wait_for(lambda: len(service.dead_letters()) == 2)
        service.drop(dropped)
    with service_on(tmp_path / "data", grading, retention_days=0) as service:
        wait_for(lambda: service.film(dropped).removed is not None)
        assert service.film_path(dead).is_file()
        assert service.receive(films[0], sender="upload").state == ReceiptState.ACCEPTED
        settle(service)
        assert len(service.results(dropped)) == 1


def test_records_of_finished_work_are_collected(tmp_path: Path, grading: ScriptedGrading, films: list[Path]) -> None:
    with service_on(tmp_path / "data", grading, queue={"keep_finished_hours": 0}) as service:
        ids = [send(service, film) for film in films[:3]]
        settle(service)
        wait_for(lambda: service._work.recorded() > 0)
        wait_for(lambda: service._work.collect() == 0 and service._work.recorded() == 0)
        assert all(len(service.results(film_id)) == 1 for film_id in ids)


def test_work_of_another_version_is_finished_by_the_next_one(
    tmp_path: Path, grading: ScriptedGrading, films: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    grading.open.clear()
    with service_on(tmp_path / "data", grading, stop_seconds=0) as service:
        ids = [send(service, film) for film in films[:5]]
        wait_for(lambda: service._work.pending() == 5)
    monkeypatch.setattr(workflow, "WORKFLOW_VERSION", "later")
    newer = ScriptedGrading()
    with service_on(tmp_path / "data", newer) as service:
        settle(service)
        assert [len(service.results(film_id)) for film_id in ids] == [1] * 5
        assert [event.kind for event in events(service)].count("result") == 5
        wait_for(lambda: service._work.pending() == 0)  # a workflow ends after its result is there


def test_the_list_of_studies_is_filtered_sorted_and_paged(service: KneeService, films: list[Path]) -> None:
    for film in films[:5]:
        send(service, film)
    settle(service)
    everything = service.studies(limit=10)
    assert everything.total == len(everything.rows) == 5
    oldest = service.studies(order=StudyOrder.OLDEST, offset=1, limit=2)
    assert [row.study_uid for row in oldest.rows] == [row.study_uid for row in everything.rows[::-1][1:3]]
    assert oldest.total == 5
    assert everything.rows[0].films == {"done": 1}
    assert service.studies(StudyFilter(state=FilmState.DEAD)).total == 0
    assert service.studies(StudyFilter(source="upload", state=FilmState.DONE)).total == 5
    assert service.studies(StudyFilter(received_from=everything.rows[1].last_received)).total == 2
    assert service.studies(StudyFilter(received_to=everything.rows[1].last_received)).total == 3
    with pytest.raises(NotFoundError):
        service.study("1.2.3")


def test_a_readers_grade_is_kept_beside_the_networks(service: KneeService, films: list[Path]) -> None:
    film_id = send(service, films[0])
    settle(service)
    study = service.film(film_id).study_uid
    first = service.add_correction(study, CorrectionRequest("R", "key-7", 3, "osteophytes"))
    assert (first.grade, first.network_grade, first.film_id) == (3, 2, film_id)
    service.add_correction(study, CorrectionRequest("R", "key-8", None, "cast", film_id))
    table = service.corrections()
    assert [row.reader for row in table.rows] == ["key-7", "key-8"]
    assert [reader.knees for reader in table.readers] == [1, 0]
    with pytest.raises(NotFoundError):
        service.add_correction(study, CorrectionRequest("L", "key-7", 3, "no such knee"))
    with pytest.raises(ValueError, match="KL grade"):
        service.add_correction(study, CorrectionRequest("R", "key-7", 5, "no such grade"))
    assert events(service)[-1].kind == "correction"


def test_listeners_hear_what_happens_and_what_they_missed(service: KneeService, films: list[Path]) -> None:
    async def hear(after: int | None, count: int, act: bool) -> list[EventRow]:
        heard: list[EventRow] = []
        if act:
            asyncio.get_running_loop().call_later(
                0.3, lambda: asyncio.ensure_future(asyncio.to_thread(send, service, films[1]))
            )
        async for event in service.subscribe(after):
            heard.append(event)
            if len(heard) == count:
                break
        return heard

    send(service, films[0])
    settle(service)
    wait_for(lambda: len(events(service)) == 2)
    live = asyncio.run(asyncio.wait_for(hear(None, 2, act=True), 30))
    assert [event.kind for event in live] == ["film_received", "result"]
    missed = asyncio.run(asyncio.wait_for(hear(1, 3, act=False), 30))
    assert [event.sequence for event in missed] == [2, 3, 4]


def test_nothing_of_a_patient_is_in_the_names_and_the_database(
    service: KneeService, films: list[Path], tmp_path: Path
) -> None:
    send(service, with_other_patient(films[0], tmp_path / "Panza-Sancho.dcm"))
    settle(service)
    data = service.settings.data
    for path in data.rglob("*"):
        assert "Panza" not in path.name
        assert path.parent.parent.name == "films" or not path.is_file() or b"Panza" not in path.read_bytes()
