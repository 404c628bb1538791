"""The service's commands: start it, look at what waits, grade again, back up.

Commands beside a running service write to its store, which it obeys; only `serve` ever runs the work.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from kneeoa.cli_pacs import add_pacs_commands
from kneeoa.cli_security import add_security_commands

if TYPE_CHECKING:
    from kneeoa.serving.settings import Settings
    from kneeoa.serving.store.database import Database

SERVICE_COMMANDS = frozenset({"serve", "regrade", "backup", "restore", "queue", "keys", "audit", "pacs"})
"""They need the extra [serve]."""
queue_app = typer.Typer(help="Films whose grading failed for good.", no_args_is_help=True)

Data = Annotated[Path | None, typer.Option(help="Folder of films and database; default: the user's data folder.")]
Config = Annotated[Path | None, typer.Option(help="YAML file of settings.")]


def add_commands(app: typer.Typer) -> None:
    """Adds the service's commands to the command line."""
    app.command()(serve)
    app.command()(regrade)
    app.command()(backup)
    app.command()(restore)
    app.add_typer(queue_app, name="queue")
    add_security_commands(app)
    add_pacs_commands(app)


def serve(
    host: Annotated[str | None, typer.Option(help="Address; any but loopback needs logins.")] = None,
    port: Annotated[int | None, typer.Option(help="TCP port; 8080 by default.")] = None,
    data: Data = None,
    config: Config = None,
    check: Annotated[bool, typer.Option("--check", help="Print the resolved settings, without secrets.")] = False,
) -> None:
    """Start the service: films in over HTTP, results out, nothing lost in between."""
    settings = _settings(data, config, host=host, port=port)
    if check:
        typer.echo(settings.printable(), nl=False)
        return
    from kneeoa.serving.run import run

    run(settings)


def regrade(
    data: Data = None,
    config: Config = None,
    release: Annotated[str | None, typer.Option(help="Release to grade with; default: that of the settings.")] = None,
) -> None:
    """Grade stored films, whose newest result is by another release, with this one."""
    from kneeoa.serving.pipeline.rework import ask_regrade

    settings = _settings(data, config, release=release)
    with _store(settings) as database:
        typer.echo(f"{ask_regrade(settings, database)} films will be graded")


@queue_app.command("list")
def list_queue(data: Data = None, config: Config = None) -> None:
    """List the dead letters: film, reason, since when."""
    from datetime import UTC, datetime

    from kneeoa.serving.store.reading import MOST_ROWS, dead_letters

    with _store(_settings(data, config)) as database, database.read() as session:
        for letter in dead_letters(session, 0, MOST_ROWS):
            since = datetime.fromtimestamp(letter.since, UTC).isoformat(timespec="seconds")
            typer.echo(f"{letter.film_id}\t{letter.reason}\t{since}")


@queue_app.command()
def replay(
    films: Annotated[list[str] | None, typer.Argument(help="Ids of films, as `queue list` prints them.")] = None,
    every: Annotated[bool, typer.Option("--all", help="All dead letters.")] = False,
    data: Data = None,
    config: Config = None,
) -> None:
    """Try dead letters again."""
    from kneeoa.serving.pipeline import rework

    with _store(_settings(data, config)) as database:
        typer.echo(f"{rework.replay_all(database, None if every else films or [])} films will be tried again")


@queue_app.command()
def drop(
    films: Annotated[list[str], typer.Argument(help="Ids of films, as `queue list` prints them.")],
    data: Data = None,
    config: Config = None,
) -> None:
    """Give dead letters up."""
    from kneeoa.serving.pipeline import rework

    with _store(_settings(data, config)) as database, database.write() as session:
        for film in films:
            rework.drop(session, film)


def backup(
    target: Annotated[Path, typer.Argument(help="A folder that does not exist yet.")],
    data: Data = None,
    config: Config = None,
) -> None:
    """Copy films and database, while the service runs or not."""
    from kneeoa.serving.store.backup import back_up

    typer.echo(f"{back_up(_settings(data, config), target)} films copied")


def restore(
    source: Annotated[Path, typer.Argument(help="A folder that `kneeoa backup` wrote.")],
    data: Data = None,
    config: Config = None,
) -> None:
    """Fill an empty data folder from a backup; the service takes up what had been waiting."""
    from kneeoa.serving.store.backup import restore as fill

    typer.echo(f"{fill(source, _settings(data, config))} films restored")


def _settings(data: Path | None, config: Path | None, **options: object) -> Settings:
    from kneeoa.serving.settings import load_settings

    return load_settings(config, {"data": data, **options})


@contextmanager
def _store(settings: Settings) -> Iterator[Database]:
    """The store of a service, running or not."""
    from kneeoa.serving.store.database import open_existing

    database = open_existing(settings)
    try:
        yield database
    finally:
        database.close()
