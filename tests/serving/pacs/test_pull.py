"""What a poll fetches and what not, whatever the archive does; the archive is scripted, the service is real."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path

import pydicom
import pytest
from pydantic import ValidationError
from tests.serving.pipeline.many_films import write_films
from tests.serving.pipeline.scripted import ScriptedGrading, service_on, wait_for

from kneeoa.serving.pacs.archive import ListedInstance, ListedStudy, PullError, Take
from kneeoa.serving.pacs.pull import ATTEMPTS, LONGEST_WAIT_SECONDS, Puller
from kneeoa.serving.pacs.pull_settings import WebPull
from kneeoa.serving.pacs.pulling import Pulling
from kneeoa.serving.service import KneeService
from kneeoa.serving.settings import PacsSettings

MOVE: dict[str, object] = {"name": "a", "via": "move", "ae_title": "ARCHIVE", "host": "127.0.0.1", "port": 104}


class ScriptedArchive:
    """An archive of some films, at the seam that is made for it.

    Attributes:
        files: by SOP Instance UID; None are those that it lists and does not give.
        counts: whether it says how many instances a study has.
        fault: is raised by the next question, and by all after it.
        looked, given: what was asked for.
    """

    def __init__(self, *films: Path) -> None:
        self.files: dict[ListedInstance, bytes | None] = {}
        for path in films:
            film = pydicom.dcmread(path, stop_before_pixels=True)
            listed = ListedInstance(str(film.StudyInstanceUID), "1.2.3", str(film.SOPInstanceUID))
            self.files[listed] = path.read_bytes()
        self.counts = True
        self.fault: Exception | None = None
        self.looked: list[str] = []
        self.given: list[str] = []

    @contextmanager
    def open(self) -> Iterator[ScriptedArchive]:
        yield self

    def studies(self) -> list[ListedStudy]:
        if self.fault is not None:
            raise self.fault
        counts = Counter(one.study for one in self.files)
        return [ListedStudy(uid, count if self.counts else None) for uid, count in counts.items()]

    def instances(self, study: str) -> list[ListedInstance]:
        self.looked.append(study)
        return [one for one in self.files if one.study == study]

    def fetch(self, wanted: Iterable[ListedInstance], take: Take) -> None:
        for one in wanted:
            self.given.append(one.uid)
            content = self.files[one]
            if content is not None:
                take(one.uid, BytesIO(content))


class Watch:
    """Remembers what it is told."""

    def __init__(self) -> None:
        self.polls: list[tuple[str, int]] = []
        self.states: Counter[str] = Counter()

    def polled(self, archive: str, outcome: str, failures: int) -> None:
        assert archive == "archive"
        self.polls.append((outcome, failures))

    def pulled(self, archive: str, state: str, count: int) -> None:
        assert archive == "archive"
        self.states[state] += count


def puller(service: KneeService, archive: ScriptedArchive, watch: Watch | None = None, **more: object) -> Puller:
    settings = WebPull.model_validate(
        {"name": "archive", "via": "dicomweb", "url": "http://127.0.0.1/dicom-web", "every_seconds": 10, **more}
    )
    pulling = Pulling(PacsSettings(), watch or Watch())
    return Puller(settings, archive, pulling.known(service), pulling.noting(service), watch or Watch())


@pytest.fixture
def service(tmp_path: Path) -> Iterator[KneeService]:
    with service_on(tmp_path / "data", ScriptedGrading()) as running:
        yield running


@pytest.fixture
def films(tmp_path: Path) -> list[Path]:
    return write_films(tmp_path / "films", 6)


def test_what_is_known_is_not_fetched_again_also_by_the_next_process(tmp_path: Path, films: list[Path]) -> None:
    archive = ScriptedArchive(*films[:3])
    archive.files[ListedInstance("9.9", "1.2.3", "9.9.9")] = b"Dear colleague, ..."
    with service_on(tmp_path / "data", ScriptedGrading()) as service:
        service.receive(films[0], sender="stow")
        first = puller(service, archive)
        assert first.poll() == 3
        assert first.poll() == 0
        assert service.studies().total == 3
    assert len(archive.given) == 3, "of the four one had come by itself"
    with service_on(tmp_path / "data", ScriptedGrading()) as service:
        archive.files |= ScriptedArchive(films[3]).files
        assert puller(service, archive).poll() == 1
    assert len(archive.given) == len(set(archive.given)) == 4


def test_an_ignored_instance_is_looked_at_anew_under_other_rules(tmp_path: Path, films: list[Path]) -> None:
    archive = ScriptedArchive(*films)
    nothing = {"rules": [{"name": "nothing", "decide": "ignore"}]}
    for expected in (6, 0):
        with service_on(tmp_path / "data", ScriptedGrading(), pacs=nothing) as service:
            assert puller(service, archive).poll() == expected
            assert service.studies().total == 0
    with service_on(tmp_path / "data", ScriptedGrading()) as service:
        assert puller(service, archive).poll() == 6
        assert service.studies().total == 6


def test_a_study_of_which_all_is_known_is_looked_at_again_only_when_it_has_grown(
    service: KneeService, tmp_path: Path
) -> None:
    films = write_films(tmp_path / "films", 4, studies=2)
    archive = ScriptedArchive(*films[:3])
    polls = puller(service, archive)
    for _ in range(4):
        polls.poll()
    assert len(archive.looked) == 4, "once to find what is new, once to see that all has come"
    archive.files |= ScriptedArchive(films[3]).files
    assert polls.poll() == 1
    assert len(archive.looked) == 5


@pytest.mark.parametrize("counts", [True, False])
def test_one_poll_is_bounded_and_the_next_ones_go_on(service: KneeService, films: list[Path], counts: bool) -> None:
    archive = ScriptedArchive(*films)
    archive.counts = counts
    polls = puller(service, archive, max_instances=2, max_studies=3)
    fetched = [polls.poll() for _ in range(3)]
    assert fetched == [2, 2, 2]
    archive.looked.clear()
    polls.poll()
    assert len(archive.looked) <= 3


def test_what_an_archive_lists_and_never_gives_is_given_up_and_keeps_nothing_out(
    service: KneeService, films: list[Path]
) -> None:
    archive, watch = ScriptedArchive(*films), Watch()
    missing = next(iter(archive.files))
    archive.files[missing] = None
    polls = puller(service, archive, watch, max_instances=1)
    for _ in range(20):
        polls.poll()
    assert archive.given.count(missing.uid) == ATTEMPTS
    assert watch.states == {"taken": 5, "not_given": ATTEMPTS, "given_up": 1}
    assert service.studies().total == 5


def test_a_poll_that_fails_waits_longer_and_longer_and_tells_why(service: KneeService, films: list[Path]) -> None:
    archive, watch = ScriptedArchive(films[0]), Watch()
    polls = puller(service, archive, watch)
    archive.fault = PullError("archive_unreachable", "It is not there.")
    waits = [polls.attempt() for _ in range(12)]
    assert waits[:3] == [20, 40, 80]
    assert waits[-1] == LONGEST_WAIT_SECONDS
    assert watch.polls[-1] == ("archive_unreachable", 12)
    archive.fault = ZeroDivisionError()
    polls.attempt()
    assert watch.polls[-1] == ("internal_error", 13)
    archive.fault = None
    assert polls.attempt() == 10
    assert watch.polls[-1] == ("success", 0)
    assert service.studies().total == 1


def test_a_full_queue_ends_the_poll_and_costs_no_film_an_attempt(tmp_path: Path, films: list[Path]) -> None:
    archive, watch, grading = ScriptedArchive(*films), Watch(), ScriptedGrading()
    grading.open.clear()
    queue = {"high_films": 2, "low_films": 0}
    with service_on(tmp_path / "data", grading, queue=queue) as service:
        polls = puller(service, archive, watch)
        for _ in range(ATTEMPTS + 2):
            polls.attempt()
        assert {outcome for outcome, _ in watch.polls} == {"queue_full"}
        assert service.studies().total == 2
        grading.open.set()
        wait_for(lambda: (polls.attempt(), service.studies().total)[1] == 6)


def test_a_stop_waits_for_no_more_than_the_film_that_is_just_coming(service: KneeService, films: list[Path]) -> None:
    archive = ScriptedArchive(*films)
    began, go_on = threading.Event(), threading.Event()

    class Slow(ScriptedArchive):
        def fetch(self, wanted: Iterable[ListedInstance], take: Take) -> None:
            def one_by_one() -> Iterator[ListedInstance]:
                for one in wanted:
                    began.set()
                    go_on.wait(20)
                    yield one

            super().fetch(one_by_one(), take)

    slow = Slow()
    slow.files = archive.files
    polls = puller(service, slow)
    polls.start()
    assert began.wait(20)
    stopping = threading.Thread(target=polls.stop)
    stopping.start()
    wait_for(polls.stopping)
    go_on.set()
    stopping.join(20)
    assert not stopping.is_alive()
    assert len(slow.given) == 1


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"pull": [MOVE]}, "pacs.port"),
        ({"pull": [MOVE], "port": 0, "allowed_peers": [{"ae_title": "CR1", "host": "10.1.2.3"}]}, "allowed_peers"),
        ({"pull": [{**MOVE, "via": "get"}, {**MOVE, "via": "get"}]}, "one name"),
        ({"pull": [{**MOVE, "via": "get", "tls": True}]}, "certificate"),
        ({"pull": [{**MOVE, "via": "post"}]}, "via"),
        ({"pull": [{**MOVE, "via": "get", "query": {"series": {"Bodypart": "KNEE"}}}]}, "Bodypart"),
        ({"pull": [{**MOVE, "via": "get", "query": {"study": {"StudyDate": "2024"}}}]}, "days"),
        ({"pull": [{"name": "a", "via": "dicomweb", "url": "http://archive.example"}]}, "in clear"),
        ({"pull": [{"name": "a", "via": "dicomweb", "url": "https://archive.example", "ae_title": "X"}]}, "ae_title"),
    ],
)
def test_a_fault_in_the_settings_of_an_archive_is_told_by_its_name(given: dict[str, object], told: str) -> None:
    with pytest.raises(ValidationError, match=told):
        PacsSettings.model_validate(given)
