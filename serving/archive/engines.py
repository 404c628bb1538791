"""Engines by their names."""

from __future__ import annotations

from kneeoa.model.errors import ConfigError
from kneeoa.serving.archive.engine import Engine

ENGINES = ("local",)


def open_engine(name: str, processes: int) -> Engine:
    """The engine of a name.

    Args:
        name: one of `ENGINES`.
        processes: how many work on this machine.

    Raises:
        ConfigError: there is no such engine.
    """
    if name == "local":
        from kneeoa.serving.archive.local_engine import LocalEngine

        return LocalEngine(processes)
    raise ConfigError(f"There is no engine {name!r}. Name one of: {', '.join(ENGINES)}.")
