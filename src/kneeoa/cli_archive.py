"""The archive's commands: score stored films by the thousand, restartably."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Annotated

import typer

ARCHIVE_COMMANDS = frozenset({"score", "archive"})
"""They need the extra [archive]."""
archive_app = typer.Typer(help="What archive runs left.", no_args_is_help=True)


def add_archive_commands(app: typer.Typer) -> None:
    """Adds the archive's commands to the command line."""
    app.command()(score)
    app.add_typer(archive_app, name="archive")


def score(
    sources: Annotated[
        list[str],
        typer.Argument(
            help="Folders, globs, DICOMDIR, tar, zip, CSV or Parquet tables of paths, URLs.",
            metavar="SOURCE...",
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder of the run: manifest, parts, progress.")],
    release: Annotated[str, typer.Option(help="Name of a shipped release, or a release's folder.")] = "kneeoa-6",
    processes: Annotated[int, typer.Option(min=0, help="Processes, one core each; 0 is one a core.")] = 0,
    shards: Annotated[str | None, typer.Option(help="A-B: only these shards; the first is 0.")] = None,
    shard_films: Annotated[int, typer.Option(min=1, help="Films of a shard.")] = 1000,
    pseudonymise: Annotated[Path | None, typer.Option(help="Key file: sources and UIDs become keyed hashes.")] = None,
    embeddings: Annotated[bool, typer.Option("--embeddings", help="Keep the embedding of each knee.")] = False,
    manifest_only: Annotated[bool, typer.Option("--manifest-only", help="Stop after the first pass.")] = False,
    engine: Annotated[str, typer.Option(help="What works the shards off: local or ray.")] = "local",
    address: Annotated[str | None, typer.Option(help="Of the Ray cluster's head: HOST:PORT, or auto.")] = None,
    device: Annotated[str, typer.Option(help="cpu or cuda, of each process.")] = "cpu",
    film_seconds: Annotated[float, typer.Option(min=1.0, help="The longest that one film may take.")] = 120.0,
    memory_gb: Annotated[float, typer.Option(min=0.5, help="Address space of one process.")] = 6.0,
) -> None:
    """Score an archive into Parquet; run again, it goes on where it was ended."""
    import os

    from rich.console import Console

    from kneeoa.serving.archive.engines import open_engine
    from kneeoa.serving.archive.layout import ArchiveLayout
    from kneeoa.serving.archive.progress import progress_to
    from kneeoa.serving.archive.run import ScoreRequest, make_manifest
    from kneeoa.serving.archive.run import score as run

    count = processes or len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else processes or 1
    request = ScoreRequest(
        sources=tuple(sources),
        out=out,
        release=release,
        shards=_span(shards),
        shard_films=shard_films,
        key_file=pseudonymise,
        processes=count,
        film_seconds=film_seconds,
        memory_bytes=int(memory_gb * (1 << 30)),
        embeddings=embeddings,
        device=device,
    )
    try:
        out.mkdir(parents=True, exist_ok=True)
        with progress_to(ArchiveLayout(out).progress(request.shards), Console(stderr=True)) as progress:
            if manifest_only:
                typer.echo(f"{make_manifest(request, progress).shards} shards")
                return
            outcome = run(request, open_engine(engine, count, address, device), progress)
    except OSError as error:
        typer.echo(f"kneeoa: the folder of the run cannot be written: {error.strerror or error}", err=True)
        sys.exit(1)
    for message in outcome.messages:
        typer.echo(f"kneeoa: {message}", err=True)
    if outcome.shards_left:
        typer.echo(f"kneeoa: {outcome.shards_left} shards are left; run the same command again", err=True)
    tally = outcome.tally
    typer.echo(
        f"{outcome.files} files, {tally.films} films scored: {tally.graded} graded, {tally.refused} refused; "
        f"{outcome.failed} failed"
    )
    raise typer.Exit(outcome.status)


@archive_app.command()
def report(
    folder: Annotated[Path, typer.Argument(help="The folder that `score --out` named.")],
    release: Annotated[
        str | None, typer.Option(help="First digits of a release's hash; default: the one scored last.")
    ] = None,
) -> None:
    """Write report.html: fates, grades by group, refusals, throughput, slowest and strangest films."""
    from kneeoa.serving.archive.report import write_report

    typer.echo(str(write_report(folder, release)))


def _span(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    found = re.fullmatch(r"(\d{1,9})(?:-(\d{1,9}))?", text)
    if not found:
        raise typer.BadParameter("Write it as A-B, such as 0-99.", param_hint="--shards")
    return int(found[1]), int(found[2] or found[1])
