"""Published knees that bear metal although their set is said to hold native knees only.

They were found by the metal network and then looked at, one by one; mostly screws of ligament grafts. They are named as
published. What sets thresholds for native knees leaves them out; what learns grades keeps them.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path

from kneeoa.datasets.grade_folders import KneeImage

_LIST = Path(__file__).with_name("known_metal.txt")


@lru_cache(maxsize=1)
def knees_with_metal() -> frozenset[str]:
    """Names of image files without their ending: the subject and the side, such as `9000000L`."""
    lines = _LIST.read_text(encoding="utf-8").splitlines()
    return frozenset(line.strip() for line in lines if line.strip() and not line.startswith("#"))


def without_metal(knees: Sequence[KneeImage]) -> list[KneeImage]:
    """The knees that are not on the list."""
    known = knees_with_metal()
    return [knee for knee in knees if knee.path.stem not in known]
