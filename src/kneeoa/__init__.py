"""KneeOA grades osteoarthritis on plain knee radiographs.

The main path, from a file to a report:

    from kneeoa import KneeGrader, read_radiograph
    grades = KneeGrader.load().grade(read_radiograph("film.dcm"))

Research and decision support for trained readers; not a cleared medical device.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

# From 1.32 on ONNX Runtime's wheels gather what they are used for, keep it in the user's cache and send it to their
# maker. It reads this when it is loaded; its `disable_telemetry_events()` comes too late and stops neither.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"

if TYPE_CHECKING:
    from kneeoa.model.dicom import read_radiograph
    from kneeoa.model.grader import KneeGrader
    from kneeoa.model.grades import FilmGrades

__version__ = "0.1.0"
__all__ = ["FilmGrades", "KneeGrader", "__version__", "read_radiograph"]

_HOMES = {
    "KneeGrader": "kneeoa.model.grader",
    "FilmGrades": "kneeoa.model.grades",
    "read_radiograph": "kneeoa.model.dicom",
}


def __getattr__(name: str) -> object:
    """The three public names, imported when first asked for: `kneeoa --version` must not load an image decoder."""
    if name not in _HOMES:
        msg = f"module 'kneeoa' has no attribute {name!r}"
        raise AttributeError(msg)
    from importlib import import_module

    return getattr(import_module(_HOMES[name]), name)
