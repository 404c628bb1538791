"""`kneeoa serve` whose workers decode as `treacherous_decoder` does; options: --data DIR --port N."""

from __future__ import annotations

import functools
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2]))

from tests.serving.service_films import treacherous_decoder

from kneeoa.serving.api import app
from kneeoa.serving.run import run
from kneeoa.serving.settings import load_settings

if __name__ == "__main__":
    options = dict(zip(sys.argv[1::2], sys.argv[2::2], strict=True))
    app.create_app = functools.partial(app.create_app, prepare=treacherous_decoder)
    run(load_settings(options={"data": options["--data"], "port": int(options["--port"])}))
