"""How a shard ended, as engines tell it, whatever happened to it."""

from __future__ import annotations

import errno
import time
from collections.abc import Callable

from kneeoa.model.errors import KneeOAError
from kneeoa.serving.archive.engine import ShardDone, ShardFailed, Tally
from kneeoa.serving.archive.shard_runner import ShardRunner

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EROFS})


def work_off(
    runner: ShardRunner, shard: int, told: Callable[[Tally], None], stopping: Callable[[], bool]
) -> ShardDone | ShardFailed | None:
    """Has a runner make the part of a shard, and says how that ended; None where it was stopped.

    Args:
        runner: does the work.
        shard: its number.
        told: see `ShardRunner.run`.
        stopping: see `ShardRunner.run`.
    """
    started = time.monotonic()
    try:
        tally = runner.run(shard, told, stopping)
    except OSError as error:
        return ShardFailed(shard, _told(error), fatal=error.errno in _FULL)
    except KneeOAError as error:
        return ShardFailed(shard, str(error), fatal=True)
    except Exception as error:  # noqa: BLE001, RUF100 - an error of ours ends the shard, and is told
        return ShardFailed(shard, f"An error of KneeOA ({type(error).__name__}); report it.")
    return None if tally is None else ShardDone(shard, tally, time.monotonic() - started)


def _told(error: OSError) -> str:
    """What to tell of a part that cannot be written."""
    if error.errno in _FULL:
        return f"The results cannot be written: {error.strerror}. Make room and run the same command again."
    return f"The results cannot be written: {error.strerror or type(error).__name__}. Run the same command again."
