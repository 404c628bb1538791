"""`kneeoa serve` whose workers decode as `treacherous_decoder` does; options: --data DIR --port N."""

from __future__ import annotations

import functools
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2]))

from tests.serving.service_films import treacherous_decoder

from kneeoa.serving import run
from kneeoa.serving.settings import load_settings
from kneeoa.serving.workers.pool import WorkerPool

if __name__ == "__main__":
    options = dict(zip(sys.argv[1::2], sys.argv[2::2], strict=True))
    setattr(run, "WorkerPool", functools.partial(WorkerPool, prepare=treacherous_decoder))  # noqa: B010 - for mypy
    run.run(load_settings(options={"data": options["--data"], "port": int(options["--port"])}))
