"""OHIF as npm has it: the viewer already built, in a folder outside the repository."""

from __future__ import annotations

import os
import subprocess
import tarfile
from pathlib import Path

import platformdirs

VERSION = "3.13.2"
"""What was looked at; another version draws otherwise."""


def viewer() -> Path:
    """The folder of the built viewer, fetched by `npm pack` (50 MB) where it is not there yet; npm checks its digest.

    Raises:
        RuntimeError: there is no npm, or it cannot fetch.
    """
    place = Path(platformdirs.user_cache_path("kneeoa")) / f"ohif-{VERSION}"
    built = place / "package" / "dist"
    if built.is_dir():
        return built
    place.mkdir(parents=True, exist_ok=True)
    try:
        packed = ["npm", "pack", f"@ohif/app@{VERSION}", "--silent"]
        name = subprocess.run(packed, cwd=place, check=True, capture_output=True, text=True, timeout=600).stdout.strip()
    except (OSError, subprocess.SubprocessError) as error:
        raise RuntimeError(f"npm could not fetch OHIF ({type(error).__name__}): install npm, or try again.") from error
    fresh = place / f"unpacked-{os.getpid()}"
    with tarfile.open(place / name) as archive:
        archive.extractall(fresh, filter="data")
    (fresh / "package").rename(place / "package")  # whole or not at all
    fresh.rmdir()
    (place / name).unlink()
    return built
