"""What rules do to films that arrive: by C-STORE and by STOW-RS, kept or left alone, to some destinations or to all."""

from __future__ import annotations

import json
from pathlib import Path

import pydicom
from fastapi.testclient import TestClient
from tests.serving.pacs.test_pacs import store
from tests.serving.pipeline.many_films import write_films
from tests.serving.pipeline.scripted import ScriptedGrading, settle
from tests.serving.results.made import graded_film, write_small_film
from tests.serving.server import RELATED, related, until

from kneeoa.serving.api.app import create_app
from kneeoa.serving.audit import verify
from kneeoa.serving.results.objects import Form, Request, result_objects
from kneeoa.serving.service import KneeService
from kneeoa.serving.settings import PacsSettings, Settings, WorkerSettings
from kneeoa.serving.store.tables import Delivery, Film

RULES = [
    {"name": "laterals", "when": [{"tag": "ViewPosition", "one_of": ["LL", "RL"]}], "decide": "ignore"},
    {"name": "urgent", "when": [{"tag": "BodyPartExamined", "equals": "KNEE"}], "priority": 1, "destinations": ["A"]},
]
NODES = [{"ae_title": name, "host": "127.0.0.1", "port": 104} for name in ("A", "B")]


class Place:
    """A destination that remembers what it was brought."""

    def __init__(self, name: str) -> None:
        self.name, self.brought = name, list[str]()

    def deliver(self, result_id: str) -> str:
        self.brought.append(result_id)
        return "sent"


def test_an_ignored_film_is_answered_with_success_counted_audited_and_not_kept(tmp_path: Path) -> None:
    film = write_small_film(tmp_path / "film.dcm", ViewPosition="LL")
    pacs = PacsSettings.model_validate({"port": 0, "rules": RULES[:1]})
    data = tmp_path / "data"
    app = create_app(Settings(data=data, workers=WorkerSettings(count=1), pacs=pacs))
    own = result_objects(film, graded_film(), None, Request((Form.STRUCTURED_REPORT,)))[Form.STRUCTURED_REPORT]
    with TestClient(app, base_url="http://127.0.0.1") as client:
        assert store(app.state.pacs.scp.port, pydicom.dcmread(film)) == 0
        answer = client.post(
            "/dicomweb/studies", content=related(film.read_bytes(), own), headers={"Content-Type": RELATED}
        )
        assert answer.status_code == 200
        (first, second) = answer.json()["00081199"]["Value"]
        assert "00081190" not in first | second, "there is nothing to be retrieved"
        assert client.get("/v1/studies").json()["total"] == 0
        metrics = client.get("/metrics").text
    assert 'kneeoa_routed_total{decision="ignore",rule="laterals"} 2.0' in metrics
    assert 'kneeoa_routed_total{decision="ignore",rule="own_result"} 1.0' in metrics
    assert [path for path in (data / "films").rglob("*") if path.is_file()] == []
    trail = (data / "audit.jsonl").read_text()
    lines = [json.loads(line) for line in trail.splitlines()]
    ignored = [(line["who"], line["outcome"]) for line in lines if line["action"] == "film_ignored"]
    assert ignored == [("c-store", "laterals"), ("stow", "laterals"), ("stow", "own_result")]
    source = pydicom.dcmread(film)
    for secret in (source.SOPInstanceUID, source.StudyInstanceUID, str(source.PatientName), source.PatientID):
        assert secret not in trail
    verify(data)


def test_results_go_where_the_rule_says_also_when_they_are_made_again(tmp_path: Path) -> None:
    first, second = write_films(tmp_path / "films", 2)
    knee = pydicom.dcmread(first)
    knee.BodyPartExamined = "KNEE"
    knee.save_as(first)
    other = pydicom.dcmread(second)
    other.BodyPartExamined = "ANKLE"
    other.save_as(second)
    pacs = PacsSettings.model_validate({"destinations": NODES, "rules": RULES})
    settings = Settings(data=tmp_path / "data", pacs=pacs)
    a, b = Place("dicom:A"), Place("dicom:B")
    with KneeService(settings, ScriptedGrading("a"), (a, b)) as service:
        urgent = str(service.receive(first, sender="upload").film_id)
        usual = str(service.receive(second, sender="upload").film_id)
        settle(service)
        assert (len(a.brought), len(b.brought)) == (2, 1)
        with service.database.read() as session:
            films = {film.film_id: film for film in session.query(Film)}
            destinations = sorted(delivery.destination for delivery in session.query(Delivery))
        assert (films[urgent].rule, films[urgent].priority, films[urgent].destinations) == ("urgent", 1, ["dicom:A"])
        assert (films[usual].rule, films[usual].priority, films[usual].destinations) == ("no_rule", 5, None)
        assert destinations == ["dicom:A", "dicom:A", "dicom:B", "events", "events"]
    # What was decided on arrival stands, whatever the rules say later.
    changed = Settings(data=tmp_path / "data", pacs=PacsSettings.model_validate({"destinations": NODES}))
    with KneeService(changed, ScriptedGrading("b"), (a, b)) as service:
        assert service.regrade() == 2
        until(lambda: len(a.brought) == 4, 60)
        settle(service)
        assert len(b.brought) == 2


def test_a_rule_may_send_results_nowhere(tmp_path: Path) -> None:
    (film,) = write_films(tmp_path / "films", 1)
    pacs = PacsSettings.model_validate({"destinations": NODES, "rules": [{"name": "trial", "destinations": []}]})
    a = Place("dicom:A")
    with KneeService(Settings(data=tmp_path / "data", pacs=pacs), ScriptedGrading("a"), (a,)) as service:
        film_id = str(service.receive(film, sender="upload").film_id)
        settle(service)
        assert len(service.results(film_id)) == 1
    assert a.brought == []


def test_a_film_is_not_answered_with_success_where_its_being_ignored_cannot_be_written_down(tmp_path: Path) -> None:
    film = write_small_film(tmp_path / "film.dcm", ViewPosition="LL")
    pacs = PacsSettings.model_validate({"port": 0, "rules": RULES[:1]})
    data = tmp_path / "data"
    app = create_app(Settings(data=data, workers=WorkerSettings(count=1), pacs=pacs))
    with TestClient(app, base_url="http://127.0.0.1"):
        trail = data / "audit.jsonl"
        trail.rename(tmp_path / "audit.jsonl")
        trail.mkdir()
        assert store(app.state.pacs.scp.port, pydicom.dcmread(film)) == 0xA700
        trail.rmdir()
        (tmp_path / "audit.jsonl").rename(trail)
        assert store(app.state.pacs.scp.port, pydicom.dcmread(film)) == 0
