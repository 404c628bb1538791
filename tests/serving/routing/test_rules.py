"""Rules: what they match, which one decides, and how faults in them are told."""

from __future__ import annotations

from pathlib import Path

import pydicom
import pytest
from pydantic import ValidationError
from pydicom import Dataset, Sequence
from tests.serving.results.made import graded_film, write_small_film

from kneeoa.datasets.transfer_syntax import ENCODABLE, encode
from kneeoa.model.errors import ConfigError
from kneeoa.serving.results.objects import Form, Request, result_objects
from kneeoa.serving.routing.routing import Order, Routing, routing_of
from kneeoa.serving.routing.rule_settings import Decision
from kneeoa.serving.routing.tag_path import tag_path
from kneeoa.serving.settings import PacsSettings, load_settings

NODES: dict[str, object] = {
    "destinations": [{"ae_title": "PACS", "host": "127.0.0.1", "port": 104}],
    "stow": [{"name": "vna", "url": "http://127.0.0.1/dicom-web"}],
}


def item(**elements: object) -> Dataset:
    made = Dataset()
    for keyword, value in elements.items():
        setattr(made, keyword, value)
    return made


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A film of a woman of 64, of both knees, with a view coded in a sequence."""
    modifier = item(CodeValue="399348003", CodeMeaning="antero-posterior")
    return write_small_film(
        tmp_path_factory.mktemp("film") / "film.dcm",
        SpecificCharacterSet="ISO_IR 192",
        BodyPartExamined="KNEE",
        BurnedInAnnotation="NO",
        ImageType=["ORIGINAL", "PRIMARY"],
        StudyDescription="Knie beidseits, Übersicht",
        ExposureTime=12,
        ViewCodeSequence=Sequence([item(CodeValue="1", ViewModifierCodeSequence=Sequence([modifier]))]),
        AnatomicRegionSequence=Sequence(),
        InstitutionName="",
        StationName="ER1",
    )


def matches(film: Path, **condition: object) -> bool:
    routing = routing_of(PacsSettings.model_validate({"rules": [{"name": "it", "when": [condition]}]}))
    return routing.decide(routing.values(film)).rule == "it"


@pytest.mark.parametrize(
    ("condition", "holds"),
    [
        ({"tag": "BodyPartExamined", "equals": "KNEE"}, True),
        ({"tag": "(0018,0015)", "equals": "KNEE"}, True),
        ({"tag": "BodyPartExamined", "equals": "knee"}, False),
        ({"tag": "BodyPartExamined", "equals": "KNE"}, False),
        ({"tag": "BodyPartExamined", "equals": "KNEE", "negate": True}, False),
        ({"tag": "BodyPartExamined", "one_of": ["HIP", "KNEE"]}, True),
        ({"tag": "BurnedInAnnotation", "equals": "NO"}, True),
        ({"tag": "ImageType", "equals": "PRIMARY"}, True),
        ({"tag": "ImageType", "equals": "SECONDARY"}, False),
        ({"tag": "StudyDescription", "regex": "^Knie.*Übersicht$"}, True),
        ({"tag": "StudyDescription", "regex": "(?i)knie BEIDSEITS"}, True),
        ({"tag": "StudyDescription", "regex": "Hand"}, False),
        ({"tag": "PatientAge", "at_least": 18, "below": 65}, True),
        ({"tag": "PatientAge", "below": 64}, False),
        ({"tag": "Rows", "above": 399, "at_most": 400}, True),
        ({"tag": "Rows", "equals": 400}, True),
        ({"tag": "ExposureTime", "equals": 12}, True),
        ({"tag": "StudyDate", "at_least": 20240101}, True),
        ({"tag": "ViewCodeSequence/ViewModifierCodeSequence/CodeValue", "equals": "399348003"}, True),
        ({"tag": "ViewCodeSequence/CodeValue", "equals": "399348003"}, False),
        ({"tag": "(0054,0220)/(0054,0222)/CodeMeaning", "regex": "antero"}, True),
        ({"tag": "ViewCodeSequence", "exists": True}, True),
        ({"tag": "AnatomicRegionSequence", "exists": True}, False),
        ({"tag": "StationName", "exists": True}, True),
        ({"tag": "InstitutionName", "exists": True}, False),
        ({"tag": "ProtocolName", "exists": False}, True),
        ({"tag": "ProtocolName", "regex": "."}, False),
        ({"tag": "ProtocolName", "below": 5}, False),
        ({"tag": "ProtocolName", "equals": "x", "negate": True}, True),
    ],
)
def test_a_condition_holds_where_the_film_is_so(film: Path, condition: dict[str, object], holds: bool) -> None:
    assert matches(film, **condition) is holds


@pytest.mark.parametrize("syntax", sorted(ENCODABLE))
def test_rules_see_the_same_in_every_transfer_syntax(film: Path, syntax: str, tmp_path: Path) -> None:
    made = Dataset(dict(pydicom.dcmread(film)))
    encode(made, syntax).save_as(tmp_path / "film.dcm", enforce_file_format=True)
    for condition in (
        {"tag": "ViewCodeSequence/ViewModifierCodeSequence/CodeValue", "equals": "399348003"},
        {"tag": "StudyDescription", "regex": "Übersicht"},
        {"tag": "Rows", "equals": 400},
        {"tag": "PatientAge", "above": 63},
    ):
        assert matches(tmp_path / "film.dcm", **condition)


def test_the_first_rule_that_matches_decides(film: Path) -> None:
    rules = [
        {"name": "children", "when": [{"tag": "PatientAge", "below": 18}], "decide": "ignore"},
        {
            "name": "emergency",
            "when": [{"tag": "StationName", "equals": "ER1"}, {"tag": "BodyPartExamined", "equals": "KNEE"}],
            "priority": 1,
            "destinations": ["PACS", "stow:vna", "PACS"],
        },
        {"name": "rest", "decide": "ignore"},
    ]
    routing = routing_of(PacsSettings.model_validate({**NODES, "rules": rules}))
    assert routing.decide(routing.values(film)) == Order("emergency", Decision.GRADE, 1, ("dicom:PACS", "stow:vna"))
    without = routing_of(PacsSettings.model_validate({**NODES, "rules": [rules[0], rules[2]]}))
    assert without.decide(without.values(film)) == Order("rest", Decision.IGNORE)
    assert Routing().decide(Routing().values(film)) == Order("no_rule", Decision.GRADE, None, None)


def test_a_result_of_ours_is_never_graded_whatever_the_rules_say(film: Path, tmp_path: Path) -> None:
    made = result_objects(film, graded_film(), None, Request((Form.STRUCTURED_REPORT,)))
    (tmp_path / "sr.dcm").write_bytes(made[Form.STRUCTURED_REPORT])
    routing = routing_of(PacsSettings.model_validate({"rules": [{"name": "everything"}]}))
    assert routing.decide(routing.values(tmp_path / "sr.dcm")) == Order("own_result", Decision.IGNORE)
    assert routing.decide(routing.values(film)).rule == "everything"


def test_a_picture_has_no_tags(film: Path) -> None:
    rules = [{"name": "knees", "when": [{"tag": "Modality", "exists": True}]}, {"name": "rest", "decide": "ignore"}]
    routing = routing_of(PacsSettings.model_validate({"rules": rules}))
    assert routing.decide(routing.values(film, ".png")).rule == "rest"


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        ({"name": "a", "when": [{"tga": "Modality", "equals": "DX"}]}, "tga"),
        ({"name": "a", "whne": []}, "whne"),
        ({"name": "a", "when": [{"tag": "BodyPart", "equals": "DX"}]}, "BodyPart is no DICOM keyword"),
        ({"name": "a", "when": [{"tag": "Modality/CodeValue", "equals": "DX"}]}, "Modality is no sequence"),
        ({"name": "a", "when": [{"tag": "ViewCodeSequence", "equals": "DX"}]}, "ViewCodeSequence/CodeValue"),
        ({"name": "a", "when": [{"tag": "PixelData", "exists": True}]}, "not looked at"),
        ({"name": "a", "when": [{"tag": "(0002,0010)", "exists": True}]}, "not looked at"),
        ({"name": "a", "when": [{"tag": "Modality"}]}, "a condition has one of"),
        ({"name": "a", "when": [{"tag": "Modality", "equals": "DX", "regex": "D"}]}, "a condition has one of"),
        ({"name": "a", "when": [{"tag": "Modality", "regex": "("}]}, "regular expression"),
        ({"name": "a", "when": [{"tag": "BurnedInAnnotation", "equals": False}]}, "quotes"),
        ({"name": "a", "decide": "maybe"}, "decide"),
        ({"name": "a", "priority": 11}, "priority"),
        ({"name": "a", "decide": "ignore", "priority": 2}, "ignores"),
        ({"name": "a", "destinations": ["ELSEWHERE"]}, "ELSEWHERE, which is not there; there is: dicom:PACS, stow:vna"),
        ({"name": "no_rule"}, "always there"),
        ({"name": "Müller"}, "name"),
    ],
)
def test_a_fault_in_a_rule_is_told_by_its_name(rule: dict[str, object], told: str, tmp_path: Path) -> None:
    with pytest.raises(ValidationError) as inline:
        PacsSettings.model_validate({**NODES, "rules": [rule]})
    assert told in str(inline.value)
    import yaml

    (tmp_path / "rules.yaml").write_text(yaml.safe_dump({"rules": [rule]}))
    (tmp_path / "settings.yaml").write_text(
        yaml.safe_dump({"pacs": {**NODES, "rules_file": str(tmp_path / "rules.yaml")}})
    )
    with pytest.raises(ConfigError) as in_file:
        load_settings(tmp_path / "settings.yaml")
    assert told in str(in_file.value)


def test_rules_of_the_settings_come_before_those_of_the_file(film: Path, tmp_path: Path) -> None:
    (tmp_path / "rules.yaml").write_text("- {name: second, decide: ignore}\n")
    given = {"rules_file": tmp_path / "rules.yaml", "rules": [{"name": "first"}]}
    routing = routing_of(PacsSettings.model_validate(given))
    assert [rule.name for rule in routing.rules] == ["first", "second"]
    assert routing.decide(routing.values(film)).rule == "first"
    with pytest.raises(ValidationError, match="two rules are called second"):
        PacsSettings.model_validate({**given, "rules": [{"name": "second"}]})
    for broken in ("- {name: [", "3", "rules: {}"):
        (tmp_path / "rules.yaml").write_text(broken)
        with pytest.raises(ValidationError, match=r"rules\.yaml"):
            PacsSettings.model_validate(given)


def test_a_name_that_two_destinations_have_must_be_written_in_full() -> None:
    nodes = {**NODES, "stow": [{"name": "PACS", "url": "http://127.0.0.1/dicom-web"}]}
    with pytest.raises(ValidationError, match="dicom:PACS or stow:PACS"):
        PacsSettings.model_validate({**nodes, "rules": [{"name": "a", "destinations": ["PACS"]}]})
    settings = PacsSettings.model_validate({**nodes, "rules": [{"name": "a", "destinations": ["stow:PACS"]}]})
    assert routing_of(settings).rules[0].destinations == ("stow:PACS",)


def test_a_path_is_parsed_once_and_knows_what_lies_at_its_end() -> None:
    assert tag_path("ViewCodeSequence/CodeValue").tags == (0x00540220, 0x00080100)
    assert tag_path("(0019,1001)").vr == "UN"
    with pytest.raises(ValueError, match="more than"):
        tag_path("/".join(["ViewCodeSequence"] * 9))
