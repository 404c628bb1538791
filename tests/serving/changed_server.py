"""`kneeoa serve` as a later version of the software, whose work has other steps; options: --data DIR --port N."""

from __future__ import annotations

import sys

from kneeoa.serving.pipeline import workflow
from kneeoa.serving.run import run
from kneeoa.serving.settings import load_settings

if __name__ == "__main__":
    options = dict(zip(sys.argv[1::2], sys.argv[2::2], strict=True))
    workflow.WORKFLOW_VERSION = "later"
    run(load_settings(options={"data": options["--data"], "port": int(options["--port"])}))
