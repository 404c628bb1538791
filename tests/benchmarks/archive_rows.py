"""What the book-keeping of an archive costs at 10^7 files, the films themselves left out: time a row, and memory.

    python tests/benchmarks/archive_rows.py FOLDER [--rows 10000000]

The manifest is written and read by the run's own code; headers are made up, and no film is opened.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import time
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

from kneeoa.datasets.transfer_syntax import NAMES
from kneeoa.serving.archive.fates import Fate
from kneeoa.serving.archive.layout import ArchiveLayout
from kneeoa.serving.archive.manifest_schema import ManifestRow
from kneeoa.serving.archive.manifest_writer import ManifestWriter

_SYNTAXES = tuple(NAMES.values())
_FIRST_DAY = date(2005, 1, 1)


def made_up_rows(count: int) -> Iterator[ManifestRow]:
    """Headers as a large archive has them: three films a patient, one in fifty a double, one in a hundred no film."""
    for number in range(count):
        film = number - (number % 50 == 49)
        plain = number % 100 == 7
        yield ManifestRow(
            row=number,
            source=f"/archive/{film // 100_000:04d}/{film // 100:07d}/{number:010d}.dcm",
            fate=Fate.UNREADABLE if plain else Fate.FILM,
            reason="not_dicom" if plain else None,
            sop_instance_uid=None if plain else f"1.2.826.0.1.3680043.8.498.{film:039d}",
            study_instance_uid=f"1.2.826.0.1.3680043.8.498.{film // 2:038d}2",
            series_instance_uid=f"1.2.826.0.1.3680043.8.498.{film // 2:038d}3",
            modality="DX",
            study_date=_FIRST_DAY + timedelta(film // 2 % 7300),
            station=f"ROOM{film % 9}",
            manufacturer=f"Maker {film % 5}",
            model=f"Model {film % 40}",
            institution=f"Site {film // 2 % 12}",
            sex="FM"[film // 6 % 2],
            age_years=40 + film // 6 % 50,
            body_part="KNEE",
            view="PA",
            rows=3000,
            columns=2500,
            transfer_syntax=_SYNTAXES[film % len(_SYNTAXES)],
            bytes=15_000_000,
        )


def resident_peak() -> int:
    """Most bytes of memory that this process has used so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def write_manifest(layout: ArchiveLayout, rows: int) -> dict[str, float]:
    """Writes the manifest, and says what it cost."""
    begun, used = time.perf_counter(), time.process_time()
    writer = ManifestWriter(layout)
    writer.write(made_up_rows(rows))
    return {
        "manifest_wall_seconds": time.perf_counter() - begun,
        "manifest_processor_seconds": time.process_time() - used,
        "manifest_bytes": layout.manifest.stat().st_size,
        "manifest_peak_bytes": resident_peak(),
        "films": writer.counts.films,
    }


def main() -> None:
    """Writes figures as JSON on stdout."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="an empty folder on a disk with some gigabytes")
    parser.add_argument("--rows", type=int, default=10_000_000)
    chosen = parser.parse_args()
    chosen.folder.mkdir(parents=True, exist_ok=True)
    found = write_manifest(ArchiveLayout(chosen.folder), chosen.rows)
    json.dump(found, sys.stdout, indent=1)


if __name__ == "__main__":
    main()
