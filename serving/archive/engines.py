"""Engines by their names."""

from __future__ import annotations

from kneeoa.model.errors import ConfigError
from kneeoa.serving.archive.engine import Engine

ENGINES = ("local", "ray")


def open_engine(name: str, processes: int, address: str | None = None, device: str = "cpu") -> Engine:
    """The engine of a name.

    Args:
        name: one of `ENGINES`.
        processes: how many work on this machine; a cluster takes as many as it has room for.
        address: of the head of a Ray cluster.
        device: of one process, "cpu" or "cuda"; on a cluster each then has a GPU of its own.

    Raises:
        ConfigError: there is no such engine, or it lacks its address.
        RayMissingError: Ray is not installed.
        RayAddressError: there is no cluster at the address.
    """
    if name not in ENGINES:
        raise ConfigError(f"There is no engine {name!r}. Name one of: {', '.join(ENGINES)}.")
    if name == "local":
        from kneeoa.serving.archive.local_engine import LocalEngine

        return LocalEngine(processes)
    if address is None:
        raise ConfigError("--engine ray needs the cluster's head: --address HOST:PORT, or --address auto on a node.")
    from kneeoa.serving.archive.ray_engine import ActorSize, RayEngine

    return RayEngine(address, ActorSize(gpus=1.0 if device == "cuda" else 0.0))
