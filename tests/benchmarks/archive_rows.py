"""What the book-keeping of an archive costs at 10^7 files, the films themselves left out: time a row, and memory.

    python tests/benchmarks/archive_rows.py FOLDER [--rows 10000000]

The run's own code makes the manifest, drives the shards and writes the parts; headers and reports are made up, and no
film is opened. The first shards are worked off as in a run but for their films; the parts of the others are links to
the last of these, so that the driver meets all of them.
"""

from __future__ import annotations

import argparse
import io
import json
import resource
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path

from rich.console import Console

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))

from tests.benchmarks.measure import machine, report

from kneeoa.datasets.phantom import PhantomSpec
from kneeoa.datasets.phantom_films import two_knee_phantom
from kneeoa.datasets.transfer_syntax import NAMES
from kneeoa.model.grader import KneeGrader
from kneeoa.model.grades import JSON
from kneeoa.model.radiograph import FilmFacts, Radiograph, Side
from kneeoa.serving.archive.engine import Event, FilmsDone, ScorePlan, ShardDone, Tally
from kneeoa.serving.archive.fates import Fate
from kneeoa.serving.archive.film_process import FilmOrder
from kneeoa.serving.archive.layout import ArchiveLayout
from kneeoa.serving.archive.manifest_schema import MANIFEST_VERSION, ManifestRow
from kneeoa.serving.archive.manifest_writer import SHARD_FILMS, ManifestWriter
from kneeoa.serving.archive.progress import progress_to
from kneeoa.serving.archive.run import ScoreRequest, score
from kneeoa.serving.archive.shard_runner import ShardRunner, _Films

FILM_MILLISECONDS = 470.0
"""Processor time of the cheapest film of both knees, uncompressed: docs/archive-plan.md."""
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


class _NoFilms(ShardRunner):
    """Works a shard off, but for the films: each has the same report."""

    def __init__(self, plan: ScorePlan, report: Mapping[str, JSON]) -> None:
        super().__init__(plan)
        self._report = report

    def _ask(
        self,
        orders: Sequence[FilmOrder],
        films: _Films,
        told: Callable[[Tally], None],
        stopping: Callable[[], bool],
    ) -> None:
        for order in orders:
            if stopping():
                return
            message = {"row": order.row, "report": self._report, "embeddings": []}
            self._keep(json.dumps(message).encode(), films, told)


class NoFilmsEngine:
    """`engine.Engine` without films.

    Args:
        report: that every film has.
        worked: so many shards are worked off; the parts of the others are links.
    """

    def __init__(self, report: Mapping[str, JSON], worked: int) -> None:
        self._report, self.worked, self._shards = report, worked, list[int]()
        self.shard_seconds, self.shard_films = 0.0, 0

    def submit(self, plan: ScorePlan, shards: Sequence[int]) -> None:
        """See `Engine.submit`."""
        self._plan, self._shards = plan, list(shards)

    def finished(self) -> Iterator[Event]:
        """One event a film and one a shard, as the local engine has them."""
        layout, runner = ArchiveLayout(self._plan.out), _NoFilms(self._plan, self._report)
        tally, template = Tally(), self._shards[0]
        for number, shard in enumerate(self._shards):
            if number < self.worked:
                used = time.process_time()
                tally = runner.run(shard, lambda _: None, lambda: False) or Tally()
                self.shard_seconds += time.process_time() - used
                self.shard_films += tally.films
                template = shard
            else:
                part = layout.part(self._plan.release_sha256, shard)
                part.hardlink_to(layout.part(self._plan.release_sha256, template))
            for _ in range(tally.films):
                yield FilmsDone(shard, Tally(graded=1))
            yield ShardDone(shard, tally, 0.0)

    def stop(self) -> None:
        """Nothing has to be stopped."""

    def close(self) -> None:
        """Nothing was started."""


def drive(layout: ArchiveLayout, worked: int) -> dict[str, float]:
    """Drives a whole run over the manifest that is there, without films, and says what it cost."""
    pixels = two_knee_phantom(PhantomSpec(Side.RIGHT, 2, 1), (1000, 800))
    grader = KneeGrader.load(device="cpu", threads=1)
    told = grader.grade(Radiograph(pixels, FilmFacts("film.dcm"))).to_json()
    engine = NoFilmsEngine(told, worked)
    begun, used = time.perf_counter(), time.process_time()
    with progress_to(layout.progress(), Console(file=io.StringIO())) as progress:
        outcome = score(ScoreRequest((), layout.root), engine, progress)
    spent = time.process_time() - used - engine.shard_seconds
    return {
        "shards_left": outcome.shards_left,
        "scored": outcome.tally.films,
        "driver_wall_seconds": time.perf_counter() - begun,
        "driver_milliseconds_a_film": 1000 * spent / outcome.tally.films,
        "shard_milliseconds_a_film": 1000 * engine.shard_seconds / engine.shard_films,
        "driver_peak_bytes": resident_peak(),
    }


def main() -> None:
    """Writes figures as JSON on stdout."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="an empty folder on a disk with some gigabytes")
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--worked", type=int, default=20, help="shards that are worked off but for their films")
    chosen = parser.parse_args()
    chosen.folder.mkdir(parents=True, exist_ok=True)
    layout = ArchiveLayout(chosen.folder)
    found = {} if layout.manifest.exists() else write_manifest(layout, chosen.rows)
    if not layout.run.exists():
        asked = {"manifest_version": MANIFEST_VERSION, "sources": [], "shard_films": SHARD_FILMS, "key": None}
        layout.run.write_text(json.dumps(asked), encoding="utf-8")
    found |= drive(layout, chosen.worked)
    overhead = found["driver_milliseconds_a_film"] + found["shard_milliseconds_a_film"]
    lines = [
        f"book-keeping {overhead:.3f} ms of a processor a film, {overhead / FILM_MILLISECONDS:.2%}; at most 1 %",
        f"driver {found['driver_peak_bytes'] / 1e9:.2f} GB; at most 2 GB",
    ]
    report(chosen.folder / "archive_rows.json", {"machine": machine(), **found}, lines)


if __name__ == "__main__":
    main()
