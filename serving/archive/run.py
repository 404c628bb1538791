"""One run over an archive: manifest, shards, parts, `_SUCCESS`; each step begins where an earlier run was ended."""

from __future__ import annotations

import json
import os
import signal
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from types import FrameType

import pyarrow.parquet as pq

from kneeoa.model.errors import ConfigError, KneeOAError
from kneeoa.model.release import DEFAULT_RELEASE
from kneeoa.serving.archive.engine import Engine, FilmsDone, ScorePlan, ShardDone, ShardFailed, Tally
from kneeoa.serving.archive.fates import Fate
from kneeoa.serving.archive.first_look import rows_of
from kneeoa.serving.archive.layout import ArchiveLayout, written_whole
from kneeoa.serving.archive.manifest_reader import ManifestReader
from kneeoa.serving.archive.manifest_schema import MANIFEST_VERSION, ManifestRow
from kneeoa.serving.archive.manifest_writer import SHARD_FILMS, ManifestWriter
from kneeoa.serving.archive.part_rows import tally_in
from kneeoa.serving.archive.progress import Progressing
from kneeoa.serving.archive.pseudonyms import Pseudonyms
from kneeoa.serving.archive.sources import files_of
from kneeoa.serving.grading import facts_of

_STALE_SECONDS = 3600.0


@dataclass(frozen=True, slots=True)
class ScoreRequest:
    """What a run is asked for.

    Attributes:
        sources: see `sources.files_of`; may be empty where the manifest is there already.
        out: the folder of the run.
        release: name or folder of the release.
        shards: the first and the last shard to score, or None for all.
        shard_films: films of a shard.
        key_file: to pseudonymise with, or None.
        processes: how many read headers.
        film_seconds, memory_bytes, embeddings, device: see `engine.ScorePlan`.
    """

    sources: tuple[str, ...]
    out: Path
    release: str = DEFAULT_RELEASE
    shards: tuple[int, int] | None = None
    shard_films: int = SHARD_FILMS
    key_file: Path | None = None
    processes: int = 1
    film_seconds: float = 120.0
    memory_bytes: int = 6 << 30
    embeddings: bool = False
    device: str = "cpu"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a run came to.

    Attributes:
        files: rows of the manifest.
        unreadable: of these, files that the first pass could not read.
        tally: of all films that have a result of this release, also by earlier runs.
        shards_left: shards without a part, of those asked for.
        messages: what went wrong, each once.
    """

    files: int
    unreadable: int
    tally: Tally
    shards_left: int
    messages: tuple[str, ...] = ()

    @property
    def failed(self) -> int:
        """Files that could not be read, in the first pass or while scoring."""
        return self.unreadable + self.tally.failed

    @property
    def status(self) -> int:
        """The exit status: 1 where something failed or is left."""
        return 1 if self.failed or self.shards_left or self.messages else 0


def make_manifest(request: ScoreRequest, progress: Progressing) -> ManifestReader:
    """The manifest of the run: the one that is there, or a new one by a first pass over the sources.

    Raises:
        ConfigError: the folder belongs to another run, or the sources cannot be listed.
        OSError: the folder cannot be written to.
    """
    layout = ArchiveLayout(request.out)
    layout.root.mkdir(parents=True, exist_ok=True)
    with _alone(layout.root / ".lock"):
        pseudonyms = None if request.key_file is None else Pseudonyms.from_file(request.key_file)
        asked = _asked(request, pseudonyms)
        if layout.manifest.exists():
            _same_run(layout.run, asked)
            return ManifestReader(layout)
        if not request.sources:
            raise ConfigError("There is no manifest yet. Name the sources: kneeoa score SOURCE... --out DIR")
        with written_whole(layout.run) as temporary:
            temporary.write_text(json.dumps(asked, indent=1) + "\n", encoding="utf-8")
        writer = ManifestWriter(layout, pseudonyms, request.shard_films)

        def counted() -> Iterator[ManifestRow]:
            for row in rows_of(files_of(request.sources), request.processes):
                progress.files = writer.counts.files
                progress.tell("manifest")
                yield row

        writer.write(counted())
        return ManifestReader(layout)


def score(request: ScoreRequest, engine: Engine, progress: Progressing) -> Outcome:
    """Scores what has no result of this release yet.

    Args:
        request: what to do.
        engine: what works the shards off; closed at the end.
        progress: told what happens.

    Raises:
        ConfigError: see `make_manifest`; or there are no such shards.
        ReleaseError: there is no such release.
        ManifestError: the manifest is damaged.
        OSError: the folder cannot be written to.
    """
    sha256 = facts_of(request.release).sha256
    manifest = make_manifest(request, progress)
    layout = ArchiveLayout(request.out)
    wanted = _wanted(request, manifest)
    success = layout.success(sha256)
    if success.exists():
        return _summary(layout, sha256, manifest, wanted)
    layout.partition(sha256).mkdir(exist_ok=True)
    _sweep(layout.partition(sha256))
    finished = layout.finished_shards(sha256)
    left = [shard for shard in wanted if shard not in finished]
    messages: dict[str, None] = {}
    if left:
        progress.begin_films(manifest.files, _films_of(manifest, left, request), len(left))
        plan = ScorePlan(
            *(request.out.resolve(), request.release, sha256, request.film_seconds, request.memory_bytes),
            *(request.embeddings, request.device),
        )
        _drive(engine, plan, left, progress, messages)
    finished = layout.finished_shards(sha256)
    if all(shard in finished for shard in range(manifest.shards)):
        _succeed(layout, sha256, manifest)
    outcome = replace(_summary(layout, sha256, manifest, wanted), messages=tuple(messages))
    progress.shards_left = outcome.shards_left
    progress.tell("stopped" if outcome.shards_left else "done", now=True)
    return outcome


def _drive(
    engine: Engine, plan: ScorePlan, shards: Sequence[int], progress: Progressing, messages: dict[str, None]
) -> None:
    """Has the engine work shards off; a signal, or an error that the next shard would meet too, ends it early."""
    with _signals(engine.stop):
        engine.submit(plan, shards)
        try:
            for event in engine.finished():
                if isinstance(event, FilmsDone):
                    progress.add(event.tally)
                elif isinstance(event, ShardDone):
                    progress.shards_left -= 1
                elif isinstance(event, ShardFailed):
                    messages.setdefault(event.message)
                    if event.fatal:
                        engine.stop()
        finally:
            engine.close()


@contextmanager
def _signals(stop: Callable[[], None]) -> Iterator[None]:
    """SIGINT and SIGTERM call `stop`."""

    def handle(_number: int, _frame: FrameType | None) -> None:
        stop()

    kept = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in kept.items():
            signal.signal(number, handler)


@contextmanager
def _alone(path: Path) -> Iterator[None]:
    """Waits until no other process makes the manifest; the system ends the claim of one that was killed."""
    if os.name != "posix":
        yield
        return
    import fcntl

    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _asked(request: ScoreRequest, pseudonyms: Pseudonyms | None) -> dict[str, object]:
    return {
        "manifest_version": MANIFEST_VERSION,
        # With hashes in the tables, the folder does not tell the sources elsewhere either.
        "sources": list(request.sources)
        if pseudonyms is None
        else [pseudonyms.of("source", source) for source in request.sources],
        "shard_films": request.shard_films,
        "key": None if pseudonyms is None else pseudonyms.fingerprint,
    }


def _same_run(path: Path, asked: dict[str, object]) -> None:
    """Refuses a folder whose manifest was made for something else.

    Raises:
        ConfigError: it was.
    """
    try:
        kept = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise ConfigError("run.json cannot be read. Name another --out folder.") from None
    if not asked["sources"]:
        asked = {**asked, "sources": kept.get("sources")}
    other = [name for name, value in asked.items() if kept.get(name) != value]
    if other:
        raise ConfigError(f"The folder is of a run with other {', '.join(other)}. Name another --out folder.")


def _wanted(request: ScoreRequest, manifest: ManifestReader) -> Sequence[int]:
    if request.shards is None:
        return range(manifest.shards)
    first, last = request.shards
    if not 0 <= first <= last:
        raise ConfigError(f"--shards {first}-{last} names no shards; the first is 0.")
    return range(first, min(last + 1, manifest.shards))


def _films_of(manifest: ManifestReader, shards: Sequence[int], request: ScoreRequest) -> int:
    """How many films are in the shards: all shards but the last are full."""
    films = manifest.count_by_fate().get(Fate.FILM, 0)
    return sum(min(request.shard_films, films - shard * request.shard_films) for shard in shards)


def _sweep(folder: Path) -> None:
    """Removes what killed processes left unfinished; the young may be of a process that runs."""
    for path in folder.glob(".part-*"):
        if time.time() - path.stat().st_mtime > _STALE_SECONDS:
            path.unlink(missing_ok=True)


def _tally(layout: ArchiveLayout, sha256: str, shards: Sequence[int]) -> Tally:
    tally = Tally()
    for shard in shards:
        try:
            tally += tally_in(pq.read_schema(layout.part(sha256, shard)))
        except (OSError, ValueError) as error:
            raise KneeOAError(f"part-{shard:05d} is damaged. Delete it and run the same command again.") from error
    return tally


def _summary(layout: ArchiveLayout, sha256: str, manifest: ManifestReader, wanted: Sequence[int]) -> Outcome:
    finished = layout.finished_shards(sha256)
    there = [shard for shard in wanted if shard in finished]
    fates = manifest.count_by_fate()
    tally = _tally(layout, sha256, there)
    return Outcome(manifest.files, fates.get(Fate.UNREADABLE, 0), tally, len(wanted) - len(there))


def _succeed(layout: ArchiveLayout, sha256: str, manifest: ManifestReader) -> None:
    tally = _tally(layout, sha256, range(manifest.shards))
    counts = {"graded": tally.graded, "refused": tally.refused, "failed": tally.failed}
    with written_whole(layout.success(sha256)) as temporary:
        told = {"shards": manifest.shards, "films": tally.films, **counts}
        temporary.write_text(json.dumps(told) + "\n", encoding="ascii")
