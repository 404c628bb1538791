"""The way for these modules to find each other, and in spawned processes too."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

# Last, so that the repository's folders shadow nobody's packages.
sys.path.append(str(Path(__file__).parents[2]))

from tests.serving.postgres import PostgresCluster
from tests.serving.server import Server


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresCluster]:
    """A PostgreSQL server for all tests that need one."""
    cluster = PostgresCluster()
    yield cluster
    cluster.stop()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A service for all tests that only ask, send, and expect it to live on."""
    with Server(tmp_path_factory.mktemp("server") / "data") as running:
        yield running
        assert running.process.poll() is None, running.log.read_text()
