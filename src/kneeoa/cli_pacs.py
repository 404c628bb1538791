"""The commands of the DICOM node: why a film is routed as it is, and whether a node answers."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from kneeoa.serving.settings import PacsSettings

pacs_app = typer.Typer(help="The service as a DICOM node.", no_args_is_help=True)
Config = Annotated[Path | None, typer.Option(help="YAML file of settings.")]


def add_pacs_commands(app: typer.Typer) -> None:
    """Adds the group `pacs` to the command line."""
    app.add_typer(pacs_app, name="pacs")


@pacs_app.command()
def explain(
    films: Annotated[list[Path], typer.Argument(help="DICOM files.", metavar="FILE...", exists=True, dir_okay=False)],
    config: Config = None,
    values: Annotated[
        bool, typer.Option("--values", help="Show values of the patient too; on a terminal alone.")
    ] = False,
) -> None:
    """Say which routing rule takes a film, and what every rule asked of it."""
    from kneeoa.model.errors import FilmError
    from kneeoa.serving.routing.explain import explain as reasons
    from kneeoa.serving.routing.routing import routing_of

    if values and not sys.stdout.isatty():
        raise typer.BadParameter("values of patients are shown on a terminal, and are not written into files or pipes")
    routing, unread = routing_of(_pacs(config)), False
    for film in films:
        if len(films) > 1:
            typer.echo(f"{film}:")
        try:
            for line in reasons(routing, film, values=values):
                typer.echo(line)
        except (FilmError, OSError) as error:
            typer.echo(f"kneeoa: {film}: {error}", err=True)
            unread = True
    raise typer.Exit(1 if unread else 0)


@pacs_app.command()
def echo(
    node: Annotated[str, typer.Argument(help="AE title or name of a destination, or of an archive that is polled.")],
    config: Config = None,
) -> None:
    """Ask whether a node is there: C-ECHO, or a question by DICOMweb that changes nothing."""
    from kneeoa.serving.pacs.echo import NoAnswerError, echo_by_name

    try:
        typer.echo(echo_by_name(_pacs(config), node))
    except NoAnswerError as error:
        typer.echo(f"kneeoa: {error}", err=True)
        raise typer.Exit(1) from None


def _pacs(config: Path | None) -> PacsSettings:
    from kneeoa.serving.settings import load_settings

    return load_settings(config).pacs
