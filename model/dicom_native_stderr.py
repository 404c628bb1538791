"""What native decoders write to stderr: caught, because nobody else may see it, and because some tell only there."""

from __future__ import annotations

import os
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import IO

_STDERR = 2
_ONE_LISTENER = threading.Lock()


@contextmanager
def native_stderr() -> Iterator[IO[bytes]]:
    """A file that receives what is written to file descriptor 2, for one thread at a time.

    The descriptor belongs to the process: what another thread writes there meanwhile is caught, too. Where the process
    has no stderr, nothing is caught.
    """
    with _ONE_LISTENER, tempfile.TemporaryFile() as heard:
        try:
            before = os.dup(_STDERR)
        except OSError:
            yield heard
            return
        os.dup2(heard.fileno(), _STDERR)
        try:
            yield heard
        finally:
            os.dup2(before, _STDERR)
            os.close(before)
