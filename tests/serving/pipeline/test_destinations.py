"""What becomes of results that their destinations do not take at once, or report on late, badly, or never."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.serving.pipeline.many_films import write_films
from tests.serving.pipeline.paper_archive import PaperArchive, Press
from tests.serving.pipeline.scripted import ScriptedGrading, service_on, settle, wait_for
from tests.serving.postgres import PostgresCluster

from kneeoa.model.grades import JSON
from kneeoa.serving.grading import GradingError
from kneeoa.serving.pipeline.destinations import (
    LOST,
    REFUSED,
    UNREACHABLE,
    Commitment,
    Outgoing,
    Rules,
)
from kneeoa.serving.pipeline.rework import NotFoundError
from kneeoa.serving.service import KneeService
from kneeoa.serving.store.deliveries import open_consignments
from kneeoa.serving.store.tables import FilmState

COMMITTED = Rules(Commitment.REQUIRED, commitment_seconds=0.4)


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return write_films(tmp_path_factory.mktemp("films"), 6)


@pytest.fixture
def press(tmp_path: Path) -> Press:
    return Press(tmp_path)


@contextmanager
def running(data: Path, press: Press, archives: Sequence[PaperArchive], **options: object) -> Iterator[KneeService]:
    outgoing = Outgoing(tuple(archives), press)
    service = service_on(data, ScriptedGrading(), outgoing, **options)
    press.service = service
    with service:
        yield service


def send(service: KneeService, film: Path) -> str:
    film_id = service.receive(film, sender="upload").film_id
    assert film_id is not None
    return film_id


def is_over(service: KneeService) -> bool:
    with service.database.read() as session:
        return not open_consignments(session, lagging=False)


def delivered(service: KneeService) -> None:
    settle(service)
    wait_for(lambda: is_over(service))


def told(service: KneeService, film_id: str) -> list[dict[str, JSON]]:
    """Deliveries as the study tells them."""
    films = service.study(service.film(film_id).study_uid)["films"]
    assert isinstance(films, list)
    (film,) = (one for one in films if isinstance(one, dict) and one["film_id"] == film_id)
    rows = film["deliveries"]
    assert isinstance(rows, list)
    return [row for row in rows if isinstance(row, dict)]


def states(service: KneeService, film_id: str) -> dict[str, JSON]:
    return {str(row["kind"]): row["state"] for row in told(service, film_id)}


def test_results_are_sent_once_to_every_destination_and_made_once(
    tmp_path: Path, films: list[Path], press: Press
) -> None:
    one, two = PaperArchive("one"), PaperArchive("two")
    with running(tmp_path / "data", press, [one, two]) as service:
        ids = [send(service, film) for film in films[:3]]
        delivered(service)
        assert one.kinds == two.kinds == ["sc"] * 3 + ["sr"] * 3
        assert all(len(kinds) == 1 for kinds in one.arrived.values())
        assert set(one.arrived) == set(two.arrived)
        assert set(press.made.values()) == {1}
        for film_id in ids:
            assert states(service, film_id) == {"sc": "sent", "sr": "sent"}
        counts = {count.destination: count.states for count in service.deliveries()}
        assert counts == {"one": {"sent": 6}, "two": {"sent": 6}}
        assert not list((tmp_path / "data" / "outbox").iterdir()), "what has arrived is not kept twice"


def test_only_what_was_refused_is_sent_again(tmp_path: Path, films: list[Path], press: Press) -> None:
    archive = PaperArchive()
    archive.failures["sc"] = [REFUSED, REFUSED]
    with running(tmp_path / "data", press, [archive], queue={"delivery_attempts": 5}) as service:
        film_id = send(service, films[0])
        delivered(service)
        assert archive.kinds == ["sc", "sr"]
        assert {str(row["kind"]): row["attempts"] for row in told(service, film_id)} == {"sc": 3, "sr": 1}


def test_a_destination_that_was_lost_after_the_first_object_is_brought_the_second_alone(
    tmp_path: Path, films: list[Path], press: Press
) -> None:
    archive = PaperArchive()
    archive.failures["sr"] = [LOST]
    with running(tmp_path / "data", press, [archive]) as service:
        send(service, films[0])
        delivered(service)
        assert archive.kinds == ["sc", "sr"]
        assert archive.visits == 2


@pytest.mark.parametrize("reason", [REFUSED, UNREACHABLE])
def test_what_is_never_taken_is_a_dead_letter_that_can_be_replayed(
    tmp_path: Path, films: list[Path], press: Press, reason: str
) -> None:
    archive = PaperArchive()
    archive.failures["sr"] = [reason] * 3
    with running(tmp_path / "data", press, [archive]) as service:
        film_id = send(service, films[0])
        delivered(service)
        assert service.film(film_id).state == FilmState.DONE, "its result is there"
        assert states(service, film_id) == {"sc": "sent", "sr": "failed"}
        (letter,) = service.dead_letters()
        assert (letter.film_id, letter.reason, letter.destinations) == (film_id, reason, ("archive",))
        assert service.queue().dead_letters == 1
        service.replay(film_id)
        delivered(service)
        assert archive.kinds == ["sc", "sr"]
        assert service.dead_letters() == ()
        assert len(service.results(film_id)) == 1
        with pytest.raises(NotFoundError):
            service.replay(film_id)


def test_a_delivery_that_a_person_gives_up_is_shown_as_failed_and_waits_for_nobody(
    tmp_path: Path, films: list[Path], press: Press
) -> None:
    archive = PaperArchive()
    archive.failures["sr"] = [REFUSED] * 3
    with running(tmp_path / "data", press, [archive]) as service:
        film_id = send(service, films[0])
        delivered(service)
        service.drop(film_id)
        assert service.dead_letters() == ()
        assert states(service, film_id)["sr"] == "failed"
        assert service.film(film_id).state == FilmState.DONE
        with pytest.raises(NotFoundError):
            service.replay(film_id)


def test_a_destination_that_hangs_holds_up_neither_films_nor_other_destinations(
    tmp_path: Path, films: list[Path], press: Press
) -> None:
    hangs, works = PaperArchive("hangs"), PaperArchive("works")
    hangs.open.clear()
    with running(tmp_path / "data", press, [hangs, works]) as service:
        ids = [send(service, film) for film in films]
        settle(service, 30)
        wait_for(lambda: len(works.kinds) == 2 * len(films), 30)
        assert hangs.kinds == []
        assert all(service.film(film_id).state == FilmState.DONE for film_id in ids)
        waiting = next(count for count in service.deliveries() if count.destination == "hangs")
        assert waiting.states == {"waiting": 2 * len(films)}
        assert waiting.oldest is not None
        hangs.open.set()
        delivered(service)
        assert hangs.kinds == works.kinds


def test_a_destination_that_is_away_is_brought_everything_when_it_is_back(
    tmp_path: Path, films: list[Path], press: Press
) -> None:
    archive = PaperArchive()
    archive.failures["sc"] = [UNREACHABLE] * 20
    with running(tmp_path / "data", press, [archive], queue={"delivery_attempts": 100}) as service:
        for film in films[:3]:
            send(service, film)
        delivered(service)
        assert archive.kinds == ["sc"] * 3 + ["sr"] * 3
        assert all(len(kinds) == 1 for kinds in archive.arrived.values())


def test_a_committed_object_is_one_that_the_destination_has_reported(
    tmp_path: Path, films: list[Path], press: Press
) -> None:
    archive = PaperArchive(rules=Rules(Commitment.REQUIRED))
    with running(tmp_path / "data", press, [archive]) as service:
        film_id = send(service, films[0])
        wait_for(lambda: len(archive.asked) == 1)
        wait_for(lambda: states(service, film_id) == {"sc": "sent", "sr": "sent"})
        ((transaction, uids),) = archive.asked.items()
        assert not service.courier.reported("2.25.1", dict.fromkeys(uids, True)), "nobody has asked for that"
        assert service.courier.reported(transaction, {uids[0]: True})
        assert sorted(states(service, film_id).values()) == ["committed", "sent"]  # type: ignore[type-var]
        assert service.courier.reported(transaction, {uids[1]: True})
        assert not service.courier.reported(transaction, dict.fromkeys(uids, False)), "it was answered already"
        delivered(service)
        assert states(service, film_id) == {"sc": "committed", "sr": "committed"}
        assert archive.kinds == ["sc", "sr"]


def test_an_object_whose_commitment_fails_is_sent_again_alone(tmp_path: Path, films: list[Path], press: Press) -> None:
    archive = PaperArchive(rules=Rules(Commitment.REQUIRED))
    with running(tmp_path / "data", press, [archive]) as service:
        film_id = send(service, films[0])
        wait_for(lambda: len(archive.asked) == 1)
        ((transaction, (picture, report)),) = archive.asked.items()
        service.courier.reported(transaction, {picture: True, report: False})
        assert states(service, film_id) == {"sc": "committed", "sr": "waiting"}
        wait_for(lambda: len(archive.asked) == 2)
        assert archive.kinds == ["sc", "sr", "sr"]
        second = next(uid for uid in archive.asked if uid != transaction)
        assert archive.asked[second] == [report]
        service.courier.reported(second, {report: True})
        delivered(service)
        assert states(service, film_id) == {"sc": "committed", "sr": "committed"}


def test_a_report_that_never_comes_is_asked_for_again_and_is_then_a_dead_letter_of_its_own(
    tmp_path: Path, films: list[Path], press: Press
) -> None:
    archive = PaperArchive(rules=COMMITTED)
    with running(tmp_path / "data", press, [archive]) as service:
        film_id = send(service, films[0])
        delivered(service)
        assert archive.kinds == ["sc", "sr"], "what is stored is not sent again for want of a report"
        assert len(archive.asked) == 3
        assert service.dead_letters()[0].reason == "commitment_missing"
        assert states(service, film_id) == {"sc": "failed", "sr": "failed"}


@pytest.mark.parametrize(("commitment", "state"), [(Commitment.REQUIRED, "failed"), (Commitment.IF_OFFERED, "sent")])
def test_a_destination_without_commitment_is_done_only_where_none_is_required(
    tmp_path: Path, films: list[Path], press: Press, commitment: Commitment, state: str
) -> None:
    archive = PaperArchive(rules=Rules(commitment))
    archive.offers = False
    with running(tmp_path / "data", press, [archive]) as service:
        film_id = send(service, films[0])
        delivered(service)
        assert states(service, film_id) == {"sc": state, "sr": state}
        assert [letter.reason for letter in service.dead_letters()] == ["commitment_not_offered"] * (state == "failed")


def test_a_verified_object_is_one_that_a_query_has_found(tmp_path: Path, films: list[Path], press: Press) -> None:
    archive = PaperArchive(rules=Rules(verify=True))
    archive.hides = 3
    with running(tmp_path / "data", press, [archive], queue={"delivery_attempts": 5}) as service:
        film_id = send(service, films[0])
        delivered(service)
        assert states(service, film_id) == {"sc": "verified", "sr": "verified"}
        assert archive.kinds == ["sc", "sr"]
    blind = PaperArchive(rules=Rules(verify=True))
    blind.hides = 1000
    with running(tmp_path / "other", press, [blind]) as service:
        film_id = send(service, films[0])
        delivered(service)
        assert states(service, film_id) == {"sc": "failed", "sr": "failed"}
        assert service.dead_letters()[0].reason == "not_found_there"


def test_what_is_committed_is_verified_afterwards_where_both_are_asked(
    tmp_path: Path, films: list[Path], press: Press
) -> None:
    archive = PaperArchive(rules=Rules(Commitment.REQUIRED, verify=True))
    with running(tmp_path / "data", press, [archive]) as service:
        film_id = send(service, films[0])
        wait_for(lambda: len(archive.asked) == 1)
        ((transaction, uids),) = archive.asked.items()
        service.courier.reported(transaction, dict.fromkeys(uids, True))
        delivered(service)
        assert states(service, film_id) == {"sc": "verified", "sr": "verified"}
        assert archive.kinds == ["sc", "sr"]


def test_objects_that_cannot_be_made_are_tried_again_and_are_then_a_dead_letter(
    tmp_path: Path, films: list[Path], press: Press
) -> None:
    archive = PaperArchive()
    press.failures = [GradingError("decoder_crashed", "It died.")] * 3
    with running(tmp_path / "data", press, [archive]) as service:
        film_id = send(service, films[0])
        delivered(service)
        assert service.dead_letters()[0].reason == "decoder_crashed"
        service.replay(film_id)
        delivered(service)
        assert archive.kinds == ["sc", "sr"]


def test_results_of_a_film_go_where_the_rule_that_took_it_says(tmp_path: Path, films: list[Path], press: Press) -> None:
    one, two = PaperArchive("dicom:ONE"), PaperArchive("dicom:TWO")
    peers = [{"ae_title": name, "host": "127.0.0.1", "port": 11113} for name in ("ONE", "TWO")]
    rules = [{"name": "second", "decide": "grade", "destinations": ["TWO"]}]
    with running(tmp_path / "data", press, [one, two], pacs={"destinations": peers, "rules": rules}) as service:
        send(service, films[0])
        delivered(service)
        assert (one.kinds, two.kinds) == ([], ["sc", "sr"])


def test_what_waits_when_the_service_stops_is_brought_by_the_next_start(
    tmp_path: Path, films: list[Path], press: Press
) -> None:
    away = PaperArchive()
    away.failures["sc"] = [UNREACHABLE] * 1000
    with running(tmp_path / "data", press, [away], queue={"delivery_attempts": 1000}) as service:
        film_id = send(service, films[0])
        settle(service)
        wait_for(lambda: away.visits > 2)
        assert states(service, film_id) == {"sc": "waiting", "sr": "waiting"}
    back = PaperArchive()
    with running(tmp_path / "data", press, [back], queue={"delivery_attempts": 1000}) as service:
        delivered(service)
        assert back.kinds == ["sc", "sr"]
    with running(tmp_path / "data", press, []) as service:
        assert states(service, film_id) == {"sc": "sent", "sr": "sent"}


def test_a_destination_that_the_settings_name_no_more_is_told_as_such(
    tmp_path: Path, films: list[Path], press: Press
) -> None:
    away = PaperArchive("old")
    away.failures["sc"] = [UNREACHABLE] * 1000
    with running(tmp_path / "data", press, [away], queue={"delivery_attempts": 1000}) as service:
        film_id = send(service, films[0])
        settle(service)
        wait_for(lambda: away.visits > 0)
    with running(tmp_path / "data", press, [PaperArchive("new")]) as service:
        wait_for(lambda: bool(service.dead_letters()))
        assert service.dead_letters()[0].reason == "destination_unknown"
        assert service.dead_letters()[0].film_id == film_id


def test_originals_stay_for_as_long_as_something_of_them_is_on_its_way(
    tmp_path: Path, films: list[Path], press: Press
) -> None:
    away = PaperArchive()
    away.open.clear()
    with running(tmp_path / "data", press, [away], retention_days=0) as service:
        film_id = send(service, films[0])
        settle(service)
        wait_for(lambda: away.visits > 0)
        service._housekeeping._slow()
        assert service.film_path(film_id).is_file()
        away.open.set()
        delivered(service)
        service._housekeeping._slow()
        assert service.film(film_id).removed is not None


def test_a_wait_doubles_up_to_the_longest(tmp_path: Path, press: Press) -> None:
    queue = {"backoff_seconds": 1.0, "longest_wait_seconds": 10.0}
    service = service_on(tmp_path / "data", ScriptedGrading(), Outgoing(objects=press), queue=queue)
    for failures, wait in ((1, 1.0), (2, 2.0), (3, 4.0), (50, 10.0)):
        assert 0.9 * wait <= service.courier._pause(failures) <= 1.1 * wait
    service.database.close()


def test_objects_that_a_crash_left_behind_are_swept_away(tmp_path: Path, films: list[Path], press: Press) -> None:
    archive = PaperArchive()
    archive.open.clear()
    with running(tmp_path / "data", press, [archive]) as service:
        outbox = tmp_path / "data" / "outbox"
        (outbox / "abandoned.objects").write_bytes(b"")
        send(service, films[0])
        settle(service)
        wait_for(lambda: archive.visits > 0)
        service._housekeeping._slow()
        (kept,) = outbox.iterdir()
        assert kept.stem != "abandoned", "what is on its way is kept"
        archive.open.set()
        delivered(service)
        assert not list(outbox.iterdir())


def test_results_are_brought_once_also_from_postgresql(
    tmp_path: Path, films: list[Path], press: Press, postgres: PostgresCluster
) -> None:
    archive = PaperArchive(rules=Rules(verify=True))
    archive.failures["sr"] = [REFUSED, LOST]
    url, queue = postgres.new_database(), {"delivery_attempts": 5}
    with running(tmp_path / "data", press, [archive], database_url=url, queue=queue) as service:
        ids = [send(service, film) for film in films[:2]]
        delivered(service)
        assert archive.kinds == ["sc", "sc", "sr", "sr"]
        assert all(states(service, film_id) == {"sc": "verified", "sr": "verified"} for film_id in ids)
        assert service.dead_letters() == ()
        assert [count.states for count in service.deliveries()] == [{"verified": 4}]
