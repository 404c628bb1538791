"""The schema's history, and what happens when a database is locked, full, read-only or old."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import select
from tests.serving.postgres import PostgresCluster

from kneeoa.model.errors import ConfigError
from kneeoa.model.grades import JSON
from kneeoa.serving.pipeline.identity import FilmIdentity
from kneeoa.serving.settings import load_settings
from kneeoa.serving.store.database import MIGRATIONS, Database, StoreError, database_url, migrate, open_existing
from kneeoa.serving.store.films import Arrival, add_film, happened, waiting
from kneeoa.serving.store.tables import SCHEMA, Event, Film, Study, Table


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path, postgres: PostgresCluster) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'kneeoa.sqlite'}"
    return postgres.new_database().replace("postgresql://", "postgresql+psycopg://")


@pytest.fixture
def database(url: str) -> Iterator[Database]:
    opened = Database(url)
    yield opened
    opened.close()


def arrival(number: int) -> Arrival:
    return Arrival(FilmIdentity(f"1.2.{number}", "1.2.3", "0" * 64, ".dcm"), 10, "upload", 5, 100.0 + number)


def test_what_is_written_as_json_is_read_as_it_was(database: Database) -> None:
    migrate(database)
    facts: dict[str, JSON] = {
        "lone surrogate": "\udcff",
        "small": 1e-9,
        "nested": [{"deep": None}, "\u00e4\u20ac"],
        "yes": True,
    }
    if not database.is_sqlite:
        del facts["lone surrogate"]  # PostgreSQL takes none
    with database.write() as session:
        happened(session, Event(kind="result", key="1", study_uid=None, film_id=None, facts=facts, created=1.0))
    with database.read() as session:
        assert session.scalars(select(Event)).one().facts == facts


def test_the_migrations_lead_to_the_tables_that_the_code_has(database: Database) -> None:
    migrate(database)
    migrate(database)
    with database.engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection), Table.metadata) == []


def test_an_old_schema_is_brought_up_to_date_with_what_is_in_it(database: Database) -> None:
    migrate(database, "0001")
    with database.engine.begin() as connection:
        connection.exec_driver_sql(
            "INSERT INTO studies (study_uid, first_received, last_received, report) VALUES ('1.2', 1, 2, "
            """'{"knees": [{"kl": {"grade": 3}}]}')"""
        )
    migrate(database)
    with database.read() as session:
        study = session.scalars(select(Study)).one()
    assert (study.study_uid, study.last_received, study.worst_grade) == ("1.2", 2.0, 3)


def test_what_is_written_is_there_for_all_and_what_fails_leaves_nothing(database: Database) -> None:
    migrate(database)
    with database.write() as session:
        add_film(session, arrival(1), reused=False)
    with pytest.raises(ZeroDivisionError), database.write() as session:
        raise ZeroDivisionError(add_film(session, arrival(2), reused=False).film_id)
    with database.read() as session:
        assert [film.sop_uid for film in session.scalars(select(Film))] == ["1.2.1"]
        assert waiting(session) == (1, 101.0)


def test_an_event_happens_once(database: Database) -> None:
    migrate(database)
    for _ in range(2):
        with database.write() as session:
            happened(session, Event(kind="result", key="x", study_uid=None, film_id=None, facts={"a": 1}, created=1.0))
    with database.read() as session:
        assert [event.facts for event in session.scalars(select(Event))] == [{"a": 1}]


def test_a_locked_database_says_so_and_goes_on_afterwards(tmp_path: Path) -> None:
    database = Database(f"sqlite:///{tmp_path / 'kneeoa.sqlite'}")
    migrate(database)
    other = sqlite3.connect(tmp_path / "kneeoa.sqlite", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreError) as locked, database.write() as session:
        add_film(session, arrival(1), reused=False)
    assert locked.value.reason == "locked"
    with database.read() as session:
        assert waiting(session) == (0, None), "readers do not wait for a writer"
    other.execute("ROLLBACK")
    other.close()
    with database.write() as session:
        add_film(session, arrival(1), reused=False)
    with database.read() as session:
        assert waiting(session)[0] == 1
    database.close()


def test_a_database_that_is_not_there_is_named_without_its_password() -> None:
    settings = load_settings(options={"database_url": "postgresql://knee:secret@127.0.0.1:1/knee"})
    database = Database(database_url(settings))
    with pytest.raises(StoreError) as gone:
        database.ping()
    assert gone.value.reason == "store_unavailable"
    assert "secret" not in str(gone.value)


@pytest.mark.parametrize("url", ["mysql://a@b/c", "no url"])
def test_only_two_databases_are_known(url: str) -> None:
    with pytest.raises(ConfigError, match="postgresql"):
        database_url(load_settings(options={"database_url": url}))


def test_a_folder_without_a_store_is_told_to_a_command(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="--data"):
        open_existing(load_settings(options={"data": tmp_path}))


DISK = """
    import shutil
    import sys
    from pathlib import Path

    sys.path.append(sys.argv[2])
    from kneeoa.serving.pipeline.owner import AlreadyOwnedError
    from kneeoa.serving.store.database import StoreError
    from tests.serving.pipeline.many_films import write_films
    from tests.serving.pipeline.scripted import ScriptedGrading, service_on, settle

    disk = Path(sys.argv[1])
    films = write_films(Path(sys.argv[3]), 12)
"""
FULL = """
    taken, full = [], 0
    service = service_on(disk / "data", ScriptedGrading()).start()
    blocker = disk / "blocker"
    blocker.write_bytes(bytes(shutil.disk_usage(disk).free - 5 * films[0].stat().st_size))
    for film in films:
        try:
            taken.append(service.receive(film, sender="upload").film_id)
        except StoreError as error:
            assert error.reason == "disk_full", error.reason
            full += 1
    assert taken and full, (taken, full)
    assert not list((disk / "data" / "incoming").iterdir())
    blocker.unlink()
    rest = [service.receive(film, sender="upload").film_id for film in films]
    settle(service)
    assert set(taken) <= set(rest) and len(set(rest)) == 12
    assert all(len(service.results(film_id)) == 1 for film_id in rest)
    service.stop()
    print("recovered after", full, "refusals")
"""
READ_ONLY = """
    import subprocess

    service = service_on(disk / "data", ScriptedGrading())
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    try:
        service.start()
    except StoreError as error:
        assert error.reason == "read_only", error.reason
    else:
        raise AssertionError("it started")
    subprocess.run(["mount", "-o", "remount,rw", disk], check=True)
    with service_on(disk / "data", ScriptedGrading()) as service:
        film_id = service.receive(films[0], sender="upload").film_id
        settle(service)
        assert len(service.results(film_id)) == 1
    print("recovered after", "a refusal")
"""


@pytest.mark.parametrize(("program", "room_kb"), [(FULL, 48_000), (READ_ONLY, 48_000)], ids=["full", "read_only"])
def test_a_disk_that_is_full_or_read_only_says_so_and_nothing_is_broken(
    tmp_path: Path, program: str, room_kb: int
) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "program.py").write_text(textwrap.dedent(DISK) + textwrap.dedent(program))
    root = str(Path(__file__).parents[3])
    run = f'mount -t tmpfs -o size={room_kb}k none "$1" && shift && exec "$@"'
    arguments = [str(tmp_path / "disk"), root, str(tmp_path / "films")]
    done = subprocess.run(
        [
            "unshare",
            "-m",
            "sh",
            "-c",
            run,
            "sh",
            tmp_path / "disk",
            sys.executable,
            tmp_path / "program.py",
            *arguments,
        ],
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "recovered" in done.stdout


def test_the_newest_migration_is_the_schema_that_the_code_names() -> None:
    assert ScriptDirectory(str(MIGRATIONS)).get_current_head() == SCHEMA


def test_a_database_that_is_up_to_date_is_opened_without_loading_the_migrations(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'kneeoa.sqlite'}"
    migrate(Database(url))
    program = f"""
        import sys
        from kneeoa.serving.store.database import Database, migrate
        migrate(Database({url!r}))
        print("alembic" in sys.modules)
    """
    done = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
