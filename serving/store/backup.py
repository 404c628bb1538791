"""Copies a data folder so that it can be destroyed and come back, while the service runs.

The database is copied first, as of one moment; then the films that it names. Work in flight is not copied: a restored
film that waits has no work, and the next start gives it some.
"""

from __future__ import annotations

import shutil
import sqlite3
import subprocess
from contextlib import closing
from pathlib import Path

from sqlalchemy import make_url, select

from kneeoa.model.errors import KneeOAError
from kneeoa.serving.settings import Settings
from kneeoa.serving.store.database import SQLITE_NAME, Database, database_url, migrate, open_existing
from kneeoa.serving.store.originals import Originals, named_failures
from kneeoa.serving.store.tables import Film, Table

_DUMP_NAME = "kneeoa.dump"


class BackupError(KneeOAError):
    """A backup cannot be written or restored; nothing that was there is touched."""


def back_up(settings: Settings, target: Path) -> int:
    """Writes a backup.

    Args:
        settings: of the service.
        target: a folder that does not exist yet.

    Returns:
        How many films it holds.

    Raises:
        BackupError: the folder exists, or the database's own tool failed.
        StoreError: the disk is full or cannot be written.
    """
    if target.exists():
        raise BackupError("The backup's folder exists already. Name a new one.")
    open_existing(settings).close()
    with named_failures():
        target.mkdir(mode=0o700, parents=True)
    if settings.database_url is None:
        _copy_sqlite(settings.data / SQLITE_NAME, target / SQLITE_NAME)
    else:
        tables = [argument for table in Table.metadata.tables for argument in ("-t", table)]
        _postgres(settings, "pg_dump", "-Fc", "-t", "alembic_version", *tables, "-f", str(target / _DUMP_NAME))
    return _copy_films(settings, Originals(settings.data), Originals(target))


def restore(source: Path, settings: Settings) -> int:
    """Fills an empty data folder, and an empty database, from a backup.

    Args:
        source: a folder that `back_up` wrote.
        settings: of the service; it must not run.

    Returns:
        How many films it holds.

    Raises:
        BackupError: it is no backup, or there is something already where it would go.
        StoreError: the disk is full or cannot be written.
    """
    name = SQLITE_NAME if settings.database_url is None else _DUMP_NAME
    if not (source / name).is_file():
        raise BackupError(f"The folder holds no backup: there is no {name} in it.")
    originals = Originals(settings.data)
    if (settings.data / SQLITE_NAME).exists() or originals.films.exists():
        raise BackupError("The data folder is not empty. Move what is there away first.")
    originals.prepare()
    if settings.database_url is None:
        _copy_sqlite(source / SQLITE_NAME, settings.data / SQLITE_NAME)
    else:
        _postgres(settings, "pg_restore", "--no-owner", "--exit-on-error", "--single-transaction", str(source / name))
    database = Database(database_url(settings))
    try:
        migrate(database)
    finally:
        database.close()
    return _copy_films(settings, Originals(source), originals)


def _copy_sqlite(source: Path, target: Path) -> None:
    try:
        with (
            closing(sqlite3.connect(f"{source.as_uri()}?mode=ro", uri=True)) as old,
            closing(sqlite3.connect(target)) as new,
        ):
            old.backup(new)
    except sqlite3.Error as error:
        raise BackupError(f"The database cannot be copied ({type(error).__name__}). Check disk and folder.") from error


def _postgres(settings: Settings, tool: str, *arguments: str) -> None:
    """Runs one of PostgreSQL's own tools; the password goes by its environment, never by the command line."""
    import os

    url = make_url(database_url(settings))
    if shutil.which(tool) is None:
        raise BackupError(f"{tool} is not installed. Install PostgreSQL's client tools.")
    named = {"PGHOST": url.host, "PGUSER": url.username, "PGPASSWORD": url.password, "PGDATABASE": url.database}
    environment = {key: value for key, value in {**named, "PGPORT": str(url.port or 5432)}.items() if value}
    where = ("-d", url.database or "") if tool == "pg_restore" else ()
    done = subprocess.run(  # noqa: S603 - the arguments are ours
        [tool, *where, *arguments], env={**os.environ, **environment}, capture_output=True, check=False
    )
    if done.returncode:
        raise BackupError(f"{tool} ended with status {done.returncode}. Run it by hand to see why.")


def _copy_films(settings: Settings, source: Originals, target: Originals) -> int:
    """Copies the films that the database names; one that retention removes meanwhile is left out."""
    database = Database(database_url(settings))
    try:
        with database.read() as session:
            films = session.execute(select(Film.film_id, Film.suffix).where(Film.removed.is_(None))).all()
    finally:
        database.close()
    copied = 0
    for film_id, suffix in films:
        place = target.path(film_id, suffix)
        with named_failures():
            place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            try:
                shutil.copyfile(source.path(film_id, suffix), place)
            except FileNotFoundError:
                continue
        place.chmod(0o600)
        copied += 1
    return copied
