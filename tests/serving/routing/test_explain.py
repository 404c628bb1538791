"""`kneeoa pacs explain`: which rule, why, and nothing of the patient."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.serving.results.made import write_small_film
from typer.testing import CliRunner

from kneeoa.cli import app
from kneeoa.serving.routing.explain import explain, is_plain
from kneeoa.serving.routing.routing import routing_of
from kneeoa.serving.routing.tag_path import tag_path
from kneeoa.serving.settings import PacsSettings

RULES = """
pacs:
  destinations: [{ae_title: PACS, host: 127.0.0.1, port: 104}]
  rules:
    - name: laterals
      when: [{tag: ViewPosition, one_of: [LL, RL]}]
      decide: ignore
    - name: anna
      when:
        - {tag: Modality, equals: DX}
        - {tag: PatientName, regex: "^Phantom"}
        - {tag: PatientAge, above: 90}
    - name: knees
      when: [{tag: Modality, equals: DX}, {tag: AccessionNumber, exists: true}]
      priority: 2
      destinations: [PACS]
    - name: rest
      decide: ignore
"""


@pytest.fixture
def film(tmp_path: Path) -> Path:
    return write_small_film(tmp_path / "film.dcm", ViewPosition="PA")


@pytest.fixture
def config(tmp_path: Path) -> Path:
    (tmp_path / "kneeoa.yaml").write_text(RULES)
    return tmp_path / "kneeoa.yaml"


def test_every_rule_and_every_condition_is_told_and_no_value_of_the_patient(film: Path, config: Path) -> None:
    done = CliRunner().invoke(app, ["pacs", "explain", str(film), "--config", str(config)])
    assert done.exit_code == 0, done.output
    assert done.stdout.splitlines() == [
        "grade: rule knees; priority 2; destinations: dicom:PACS",
        "laterals: does not match",
        "  NO  ViewPosition one of 'LL', 'RL'; the film has 'PA'",
        "anna: does not match",
        "  yes Modality equals 'DX'; the film has 'DX'",
        "  yes PatientName regex '^Phantom'; the film has a value that is not shown",
        "  NO  PatientAge above 90.0; the film has a value that is not shown",
        "knees: decides",
        "  yes Modality equals 'DX'; the film has 'DX'",
        "  yes AccessionNumber exists True; the film has a value that is not shown",
        "rest: matches, too late",
        "  yes (no condition)",
    ]


def test_values_of_the_patient_are_not_written_into_pipes(film: Path, config: Path) -> None:
    done = CliRunner().invoke(app, ["pacs", "explain", str(film), "--config", str(config), "--values"])
    assert done.exit_code == 2
    assert "Anna" not in done.output


def test_on_a_terminal_they_are_shown_when_asked_for(film: Path) -> None:
    rules = [{"name": "anna", "when": [{"tag": "PatientName", "regex": "^Phantom"}]}]
    routing = routing_of(PacsSettings.model_validate({"rules": rules}))
    assert "  yes PatientName regex '^Phantom'; the film has 'Phantom^Anna'" in list(
        explain(routing, film, values=True)
    )


def test_several_films_are_told_apart_and_a_file_that_is_none_does_not_end_them(film: Path, tmp_path: Path) -> None:
    (tmp_path / "letter.txt").write_text("Dear colleague, ...")
    done = CliRunner().invoke(app, ["pacs", "explain", str(tmp_path / "letter.txt"), str(film)])
    assert done.exit_code == 1
    assert "grade: no rule matches; priority 5 (as usual); destinations: all" in done.stdout
    assert "letter.txt" in done.stderr


@pytest.mark.parametrize(
    ("path", "plain"),
    [
        ("Modality", True),
        ("Rows", True),
        ("ViewCodeSequence/CodeValue", True),
        ("StudyDescription", False),
        ("StudyDate", False),
        ("SOPInstanceUID", False),
        ("PatientSex", False),
        ("PatientAge", False),
        ("ReferringPhysicianName", False),
        ("(0019,1001)", False),
    ],
)
def test_only_codes_and_numbers_of_the_film_are_plain(path: str, plain: bool) -> None:
    assert is_plain(tag_path(path)) is plain
