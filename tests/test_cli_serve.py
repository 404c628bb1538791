"""The service's commands beside a service that runs, and without one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from tests.serving.pipeline.many_films import write_films
from tests.serving.pipeline.scripted import ScriptedGrading, service_on, settle, wait_for
from typer.testing import CliRunner

from kneeoa.cli import app
from kneeoa.serving.audit import AuditTrail, Deed
from kneeoa.serving.grading import GradingError
from kneeoa.serving.service import KneeService


def command(*words: object) -> str:
    done = CliRunner().invoke(app, [str(word) for word in words])
    assert done.exit_code == 0, (done.output, done.exception)
    return done.stdout


def dead(service: KneeService, grading: ScriptedGrading, films: list[Path]) -> list[str]:
    grading.open.clear()
    ids = [str(service.receive(film, sender="upload").film_id) for film in films]
    for film_id in ids:
        grading.failures[film_id] = [GradingError("decoder_crashed", "It died.")] * 2
    grading.open.set()
    wait_for(lambda: len(service.dead_letters()) == len(films))
    return ids


def test_dead_letters_are_listed_replayed_and_dropped_beside_the_running_service(tmp_path: Path) -> None:
    grading = ScriptedGrading()
    with service_on(tmp_path / "data", grading) as service:
        first, second, third = dead(service, grading, write_films(tmp_path / "films", 3))
        listed = command("queue", "list", "--data", tmp_path / "data").splitlines()
        assert {line.split("\t")[0] for line in listed} == {first, second, third}
        assert all("decoder_crashed" in line for line in listed)
        command("queue", "drop", third, "--data", tmp_path / "data")
        assert "1 film" in command("queue", "replay", first, "--data", tmp_path / "data")
        wait_for(lambda: len(service.results(first)) == 1)
        assert "1 film" in command("queue", "replay", "--all", "--data", tmp_path / "data")
        wait_for(lambda: len(service.results(second)) == 1)
        assert command("queue", "list", "--data", tmp_path / "data") == ""


def test_regrade_is_refused_beside_a_service_of_another_release(tmp_path: Path) -> None:
    with service_on(tmp_path / "data", ScriptedGrading()) as service:
        film_id = str(service.receive(write_films(tmp_path / "films", 1)[0], sender="upload").film_id)
        settle(service)
        refused = CliRunner().invoke(app, ["regrade", "--data", str(tmp_path / "data")])
        assert "another release" in str(refused.exception)
    assert "1 film" in command("regrade", "--data", tmp_path / "data")
    shipped = ScriptedGrading("c" * 64)
    with service_on(tmp_path / "data", shipped) as service:
        settle(service)
        assert [row.release_sha256[0] for row in service.results(film_id)] == ["c", "a"]


def test_keys_are_made_listed_rotated_and_revoked_and_shown_once(tmp_path: Path) -> None:
    folder = ("--data", tmp_path)
    key = command("keys", "create", "a viewer", "--scope", "read", "--scope", "submit", *folder).strip()
    key_id = key.split("_")[1]
    newer = command("keys", "rotate", key_id, "--grace-hours", "0", *folder).strip()
    command("keys", "revoke", newer.split("_")[1], *folder)
    short = command("keys", "create", "a test", "--scope", "admin", "--days", "0", *folder).strip()
    lines = [line.split("\t") for line in command("keys", "list", *folder).splitlines()]
    assert [line[1:] for line in lines] == [
        ["revoked", "read,submit", "a viewer"],
        ["revoked", "read,submit", "a viewer"],
        ["expired", "admin", "a test"],
    ]
    assert not any(secret.split("_", 2)[2] in (tmp_path / "keys.json").read_text() for secret in (key, newer, short))
    for words in (["create", "x", "--scope", "cook"], ["create", "x"], ["revoke", "00000000"], ["rotate", key_id]):
        wrong = CliRunner().invoke(app, ["keys", *words, "--data", str(tmp_path)])
        assert wrong.exit_code != 0, words


def test_the_audit_trail_is_verified_against_an_end_noted_before(tmp_path: Path) -> None:
    trail = AuditTrail(tmp_path)
    trail.write(Deed("local", "film_sent"), Deed("local", "study_seen"))
    noted = command("audit", "verify", "--data", tmp_path).strip()
    assert noted.startswith("2:")
    trail.write(Deed("local", "study_seen"))
    assert command("audit", "verify", "--expect", noted, "--data", tmp_path).startswith("3:")
    trail.path.write_text("".join(trail.path.read_text().splitlines(keepends=True)[:1]))
    cut = CliRunner().invoke(app, ["audit", "verify", "--expect", noted, "--data", str(tmp_path)])
    assert "cut off" in str(cut.exception)
    assert CliRunner().invoke(app, ["audit", "verify", "--expect", "none", "--data", str(tmp_path)]).exit_code == 2


def test_a_backup_is_written_and_restored(tmp_path: Path) -> None:
    with service_on(tmp_path / "data", ScriptedGrading()) as service:
        service.receive(write_films(tmp_path / "films", 1)[0], sender="upload")
        settle(service)
        assert "1 film" in command("backup", tmp_path / "backup", "--data", tmp_path / "data")
    assert "1 film" in command("restore", tmp_path / "backup", "--data", tmp_path / "again")
    with service_on(tmp_path / "again", ScriptedGrading()) as service:
        assert service.studies().total == 1


def test_check_prints_the_settings_without_secrets_and_starts_nothing(tmp_path: Path) -> None:
    environment = {**os.environ, "KNEEOA_DATABASE_URL": "postgresql://knee:hunter2@127.0.0.1/knee"}
    words = ["serve", "--check", "--port", "9123", "--data", str(tmp_path / "data")]
    done = subprocess.run(
        [sys.executable, "-m", "kneeoa", *words], capture_output=True, text=True, env=environment, check=True
    )
    assert "port: 9123" in done.stdout
    assert "hunter2" not in done.stdout + done.stderr
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("words", [["queue", "list"], ["regrade"], ["backup", "x"]])
def test_a_command_on_an_unused_folder_ends_with_status_two(tmp_path: Path, words: list[str]) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "kneeoa", *words, "--data", str(tmp_path / "none")],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert "No service has run" in done.stderr
