"""A data folder is copied, destroyed and restored, and the service goes on."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from tests.serving.pipeline.many_films import write_films
from tests.serving.pipeline.scripted import ScriptedGrading, service_on, settings_for, settle, wait_for
from tests.serving.postgres import PostgresCluster

from kneeoa.serving.store.backup import BackupError, back_up, restore


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_a_restored_service_has_everything_and_finishes_what_had_waited(
    tmp_path: Path, postgres: PostgresCluster, kind: str
) -> None:
    old, new = (postgres.new_database() if kind == "postgresql" else None for _ in range(2))
    films = write_films(tmp_path / "films", 6)
    grading = ScriptedGrading()
    with service_on(tmp_path / "data", grading, database_url=old, stop_seconds=0) as service:
        done = [str(service.receive(film, sender="upload").film_id) for film in films[:3]]
        settle(service)
        uids = [service.results(film_id)[0].result_uid for film_id in done]
        grading.open.clear()
        waiting = [str(service.receive(film, sender="upload").film_id) for film in films[3:5]]
        wait_for(lambda: len(grading.order) == 5)
        assert back_up(service.settings, tmp_path / "backup") == 5
    shutil.rmtree(tmp_path / "data")
    settings = settings_for(tmp_path / "data", database_url=new)
    assert restore(tmp_path / "backup", settings) == 5
    with service_on(tmp_path / "data", ScriptedGrading(), database_url=new) as service:
        settle(service)
        assert [service.results(film_id)[0].result_uid for film_id in done] == uids
        assert all(len(service.results(film_id)) == 1 for film_id in done + waiting)
        assert service.film_path(done[0]).read_bytes() == films[0].read_bytes()
        service.receive(films[5], sender="upload")
        settle(service)
        assert service.studies().total == 6


def test_neither_backup_nor_restore_overwrites_what_is_there(tmp_path: Path) -> None:
    with service_on(tmp_path / "data", ScriptedGrading()) as service:
        settings = service.settings
    (tmp_path / "there").mkdir()
    with pytest.raises(BackupError, match="exists"):
        back_up(settings, tmp_path / "there")
    assert back_up(settings, tmp_path / "backup") == 0
    with pytest.raises(BackupError, match="not empty"):
        restore(tmp_path / "backup", settings)
    with pytest.raises(BackupError, match="no backup"):
        restore(tmp_path / "there", settings_for(tmp_path / "other"))
