"""The commands of who may do what: API keys, and the audit trail."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from kneeoa.serving.security.principal import Scope
    from kneeoa.serving.settings import Settings

keys_app = typer.Typer(help="API keys of the service.", no_args_is_help=True)
audit_app = typer.Typer(help="The trail of who saw or sent what.", no_args_is_help=True)
Data = Annotated[Path | None, typer.Option(help="Folder of the service's data; default: the user's data folder.")]
Config = Annotated[Path | None, typer.Option(help="YAML file of settings.")]
KeyId = Annotated[str, typer.Argument(help="Id of a key, as `keys list` prints it.")]


def add_security_commands(app: typer.Typer) -> None:
    """Adds the groups `keys` and `audit` to the command line."""
    app.add_typer(keys_app, name="keys")
    app.add_typer(audit_app, name="audit")


@keys_app.command()
def create(
    label: Annotated[str, typer.Argument(help="What it is for: a machine, not a person.")],
    scope: Annotated[list[str], typer.Option(help="submit, read or admin; may be given again.")],
    days: Annotated[float | None, typer.Option(min=0, help="It expires after so many days.")] = None,
    data: Data = None,
    config: Config = None,
) -> None:
    """Make a key and print it, once."""
    from kneeoa.serving.security.keys import KeyFile

    typer.echo(KeyFile(_settings(data, config).data).create(label, _scopes(scope), days))


@keys_app.command()
def rotate(
    key_id: KeyId,
    grace_hours: Annotated[float, typer.Option(min=0, help="The old one stays valid for so long.")] = 24.0,
    data: Data = None,
    config: Config = None,
) -> None:
    """Make a key like another one, and print it."""
    from kneeoa.serving.security.keys import KeyFile

    typer.echo(KeyFile(_settings(data, config).data).rotate(key_id, grace_hours))


@keys_app.command()
def revoke(key_id: KeyId, data: Data = None, config: Config = None) -> None:
    """End a key at once."""
    from kneeoa.serving.security.keys import KeyFile

    KeyFile(_settings(data, config).data).revoke(key_id)


@keys_app.command("list")
def list_keys(data: Data = None, config: Config = None) -> None:
    """List all keys: id, state, scopes, label. Never the keys themselves."""
    import time

    from kneeoa.serving.security.keys import KeyFile

    for key in KeyFile(_settings(data, config).data).all():
        typer.echo(f"{key.key_id}\t{key.state(time.time())}\t{','.join(key.scopes)}\t{key.label}")


@audit_app.command("verify")
def verify_audit(
    expect: Annotated[str | None, typer.Option(help="An end noted before, COUNT:SEAL.")] = None,
    data: Data = None,
    config: Config = None,
) -> None:
    """Check the audit trail, and print its end, to be noted elsewhere."""
    from kneeoa.serving.audit import AuditEnd, verify

    noted = None
    if expect is not None:
        count, _, seal = expect.partition(":")
        if not count.isdecimal():
            raise typer.BadParameter("an end is COUNT:SEAL")
        noted = AuditEnd(int(count), seal)
    typer.echo(str(verify(_settings(data, config).data, noted)))


def _scopes(names: list[str]) -> frozenset[Scope]:
    from kneeoa.serving.security.principal import Scope

    try:
        return frozenset(Scope(name) for name in names)
    except ValueError:
        raise typer.BadParameter("a scope is submit, read or admin") from None


def _settings(data: Path | None, config: Path | None) -> Settings:
    from kneeoa.serving.settings import load_settings

    return load_settings(config, {"data": data})
