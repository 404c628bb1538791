"""Logs as JSON lines on stderr, without a word of any patient.

Messages are names of events; values are numbers, codes and ids. Of an exception its type and the places in the code are
told, never its text, which may quote a header or a path.
"""

from __future__ import annotations

import logging
import sys
import traceback
from collections.abc import MutableMapping
from typing import TYPE_CHECKING

import structlog

if TYPE_CHECKING:
    from structlog.typing import EventDict, WrappedLogger

_OURS = "kneeoa"


def configure_logs(level: str) -> None:
    """Sends all logs of this process to stderr as JSON lines.

    Args:
        level: of our own lines; other libraries' are told from WARNING on, by the logger's name and level alone.
    """
    shared = [structlog.contextvars.merge_contextvars, structlog.stdlib.add_log_level, structlog.stdlib.add_logger_name]
    formatter = structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[*shared, structlog.stdlib.ExtraAdder(), _only_names_of_others],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _place_of_exception,
            structlog.processors.JSONRenderer(),
        ],
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(formatter)
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(logging.WARNING)
    logging.getLogger(_OURS).setLevel(level)
    # DBOS gives its logger a handler of its own where it finds none, which prints exceptions with their texts.
    dbos = logging.getLogger("dbos")
    dbos.handlers, dbos.propagate = [handler], False
    structlog.configure(
        processors=[*shared, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        logger_factory=structlog.stdlib.LoggerFactory(),
        wrapper_class=structlog.stdlib.BoundLogger,
        cache_logger_on_first_use=True,
    )


def _only_names_of_others(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Lines of other libraries may quote what they were given: only where they come from is kept."""
    if str(event.get("logger", "")).partition(".")[0] == _OURS:
        return event
    kept = ("logger", "level", "_record", "_from_structlog", "exc_info", "request")
    return {"event": "other_library", **{key: event[key] for key in kept if key in event}}


def _place_of_exception(_logger: WrappedLogger, _method: str, event: EventDict) -> MutableMapping[str, object]:
    """The exception's type and the lines of code that it went through."""
    caught = event.pop("exc_info", None)
    if caught is True:
        caught = sys.exc_info()
    error = caught[1] if isinstance(caught, tuple) else caught
    if isinstance(error, BaseException):
        event["error"] = type(error).__name__
        frames = traceback.extract_tb(error.__traceback__)[-12:]
        event["where"] = [f"{frame.filename.rpartition('/')[2]}:{frame.lineno}" for frame in frames]
    return event
