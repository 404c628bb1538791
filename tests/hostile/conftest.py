"""Two worker processes for all hostile files, and the way for these modules to find each other."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

# Last, so that the repository's folders shadow nobody's packages.
sys.path.append(str(Path(__file__).parents[2]))

from tests.hostile.grading_process import Pool


@pytest.fixture(autouse=True, scope="session")
def silent_writer() -> None:
    """pydicom remarks in its log on every lie that it is made to write."""
    logging.getLogger("pydicom").setLevel(logging.CRITICAL)


@pytest.fixture(scope="session")
def pool() -> Iterator[Pool]:
    """Processes that grade, and may die."""
    with Pool() as processes:
        yield processes
