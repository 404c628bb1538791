"""The way for these modules to find each other, and in spawned processes too."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

# Last, so that the repository's folders shadow nobody's packages.
sys.path.append(str(Path(__file__).parents[2]))

from tests.serving.postgres import PostgresCluster


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresCluster]:
    """A PostgreSQL server for all tests that need one."""
    cluster = PostgresCluster()
    yield cluster
    cluster.stop()
