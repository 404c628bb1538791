"""How often one key, or one address, may ask."""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Callable

_REMEMBERED = 10_000


class RateLimit:
    """A bucket of tokens a name, filled evenly; ten seconds' worth may be used at once.

    Args:
        a_minute: how many requests.
        clock: seconds, never going back.
    """

    def __init__(self, a_minute: int, clock: Callable[[], float] = time.monotonic) -> None:
        self._a_second = a_minute / 60
        self._most = max(1.0, a_minute / 6)
        self._clock = clock
        self._lock = threading.Lock()
        self._buckets: OrderedDict[str, tuple[float, float]] = OrderedDict()

    def wait_seconds(self, name: str) -> float:
        """Counts a request: 0 where it may pass, else how long to wait before the next try."""
        now = self._clock()
        with self._lock:
            level, since = self._buckets.pop(name, (self._most, now))
            level = min(self._most, level + (now - since) * self._a_second)
            passes = level >= 1
            self._buckets[name] = (level - passes, now)
            while len(self._buckets) > _REMEMBERED:
                self._buckets.popitem(last=False)
        return 0.0 if passes else (1 - level) / self._a_second
