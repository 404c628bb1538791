"""The database: SQLite in the data folder, or PostgreSQL by one URL; opened, migrated, and its failures named."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

import orjson
from sqlalchemy import Connection, Engine, create_engine, event, inspect, make_url, text
from sqlalchemy.exc import ArgumentError, DBAPIError, OperationalError
from sqlalchemy.orm import Session, sessionmaker
from sqlalchemy.pool import ConnectionPoolEntry

from kneeoa.model.errors import ConfigError, KneeOAError
from kneeoa.model.grades import JSON
from kneeoa.serving.settings import Settings
from kneeoa.serving.store.tables import SCHEMA

SQLITE_NAME = "kneeoa.sqlite"
SQLITE_WAIT_MILLISECONDS = 5_000
"""How long a writer waits for another one before it says that the database is locked."""
_WRITES = "kneeoa_writes"
MIGRATIONS = Path(__file__).parent / "migrations"


class StoreError(KneeOAError):
    """The store cannot take or give data now: disk full, read-only, locked or gone. Nothing was half written.

    Attributes:
        reason: `disk_full`, `read_only`, `locked` or `store_unavailable`.
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason

    def __reduce__(self) -> tuple[type[StoreError], tuple[str, str]]:
        return StoreError, (self.reason, str(self))  # DBOS keeps errors as pickles


class _Cursor(Protocol):
    def execute(self, statement: str, /) -> object: ...


class _Connection(Protocol):
    def cursor(self) -> _Cursor: ...


def database_url(settings: Settings) -> str:
    """The SQLAlchemy URL that the settings mean.

    Raises:
        ConfigError: it is neither SQLite's nor PostgreSQL's.
    """
    if settings.database_url is None:
        return f"sqlite:///{settings.data / SQLITE_NAME}"
    try:
        url = make_url(settings.database_url.get_secret_value())
    except ArgumentError:
        raise ConfigError("database_url is no URL. Write postgresql://USER:PASSWORD@HOST:PORT/DATABASE.") from None
    if url.get_backend_name() != "postgresql":
        raise ConfigError(f"database_url names {url.get_backend_name()}; SQLite (no URL) and postgresql:// are known.")
    return url.set(drivername="postgresql+psycopg").render_as_string(hide_password=False)


class Database:
    """One pool of connections, and sessions from it.

    Args:
        url: as `database_url` gives it.
    """

    def __init__(self, url: str) -> None:
        self.is_sqlite = url.startswith("sqlite")
        self.engine: Engine = create_engine(
            url, pool_pre_ping=not self.is_sqlite, hide_parameters=True, json_deserializer=_from_json
        )
        if self.is_sqlite:
            event.listen(self.engine, "connect", _prepare_sqlite)
            event.listen(self.engine, "begin", _begin_sqlite)
        self._closed = False
        self._readers = sessionmaker(self.engine, expire_on_commit=False)
        self._writers = sessionmaker(self.engine.execution_options(**{_WRITES: True}), expire_on_commit=False)

    @contextmanager
    def write(self) -> Iterator[Session]:
        """A session that may write: committed, and on the disk, at the end; rolled back by any exception.

        Raises:
            StoreError: the database is locked, full, read-only or cannot be reached.
        """
        with self._session(self._writers) as session:
            yield session

    @contextmanager
    def read(self) -> Iterator[Session]:
        """A session that only reads; in SQLite it waits for no writer.

        Raises:
            StoreError: the database cannot be reached.
        """
        with self._session(self._readers) as session:
            yield session

    @contextmanager
    def _session(self, sessions: sessionmaker[Session]) -> Iterator[Session]:
        if self._closed:
            raise StoreError("store_unavailable", "The service has stopped.")
        try:
            with sessions.begin() as session:
                yield session
        except DBAPIError as error:
            if isinstance(error, OperationalError) or error.connection_invalidated:
                raise _named(error) from error
            raise

    def ping(self) -> None:
        """Asks the database for a sign of life.

        Raises:
            StoreError: there is none.
        """
        with self.read() as session:
            session.execute(text("SELECT 1"))

    def close(self) -> None:
        """Closes all connections, for good: work that outlives its time must not write beside the next process."""
        self._closed = True
        self.engine.dispose()


def open_existing(settings: Settings) -> Database:
    """The database of a service that has run before, at its newest schema.

    Raises:
        ConfigError: the data folder has never been used.
        StoreError: it cannot be used now.
    """
    if settings.database_url is None and not (settings.data / SQLITE_NAME).is_file():
        raise ConfigError("No service has run on this data folder yet. Name the right one: --data DIR.")
    database = Database(database_url(settings))
    migrate(database)
    return database


def _from_json(text: str | bytes) -> JSON:
    """Reports are read by the thousand for a list: orjson is several times faster, but takes no lone surrogates."""
    try:
        value: JSON = orjson.loads(text)
    except orjson.JSONDecodeError:
        value = json.loads(text)
    return value


def _named(error: DBAPIError) -> StoreError:
    told = str(error.orig).lower()
    if "locked" in told or "lock timeout" in told:
        return StoreError("locked", "Another process keeps the database locked. Try again; find that process.")
    if "full" in told or "no space" in told:
        return StoreError("disk_full", "The disk of the database is full. Make room; nothing was lost.")
    if "readonly" in told or "read-only" in told or "unable to open" in told:
        return StoreError("read_only", "The database cannot be written. Check its folder's permissions.")
    return StoreError("store_unavailable", "The database cannot be reached. Check that it runs and its URL.")


def _prepare_sqlite(connection: _Connection, _record: ConnectionPoolEntry) -> None:
    """WAL, so that readers never wait; every commit is on the disk before it is told (FULL), which kill -9 tests."""
    connection.isolation_level = None  # type: ignore[attr-defined] # we begin transactions ourselves
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA busy_timeout={SQLITE_WAIT_MILLISECONDS}")
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")
    cursor.execute("PRAGMA foreign_keys=ON")


def _begin_sqlite(connection: Connection) -> None:
    """Writers take the lock at once: one that reads first could not go on to write where another has written since."""
    connection.exec_driver_sql("BEGIN IMMEDIATE" if connection.get_execution_options().get(_WRITES) else "BEGIN")


def migrate(database: Database, revision: str = SCHEMA) -> None:
    """Brings the schema to a revision; a database that is there already is left as it is.

    Args:
        database: the database.
        revision: of `migrations/versions`; by default the one that the code was written for.

    Raises:
        StoreError: the database cannot be written.
    """
    try:
        with database.engine.connect() as connection:
            if _revision(connection) != revision:
                _upgrade(connection, revision)
    except OperationalError as error:
        raise _named(error) from error


def _revision(connection: Connection) -> str | None:
    """What the database says of its schema; None where it is empty."""
    with connection.begin():
        if not inspect(connection).has_table("alembic_version"):
            return None
        return connection.execute(text("SELECT version_num FROM alembic_version")).scalar()


def _upgrade(connection: Connection, revision: str) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    command.upgrade(config, revision)
