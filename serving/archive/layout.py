"""The folder of one archive run: which file is what, and how a file comes into being whole or not at all.

```
DIR/
  run.json                what the run was asked for: sources, shard size, whether it is pseudonymised
  manifest.parquet        every file and its fate (manifest_schema)
  private/sources.parquet with --pseudonymise only: what the hashes of `source` and `member` stand for; mode 0600
  progress.json           the latest state of a run (progress); progress-A-B.json with --shards A-B
  report.html             kneeoa archive report DIR
  release=<hash>/         one folder a release, by the first 16 digits of the sha256 of its release.json
    part-00000.parquet    the results of shard 0 (part_schema)
    _SUCCESS              all shards have their part: {"shards", "films", "graded", "refused", "failed"}
```
Names that begin with a dot are unfinished and belong to whoever writes them; readers leave them alone.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

HASH_DIGITS = 16
_PART = re.compile(r"part-(\d{5,9})\.parquet")


@dataclass(frozen=True, slots=True)
class ArchiveLayout:
    """Where everything of a run lies.

    Attributes:
        root: the folder that `--out` names.
    """

    root: Path

    @property
    def run(self) -> Path:
        """What the run was asked for."""
        return self.root / "run.json"

    @property
    def manifest(self) -> Path:
        """Every file and its fate."""
        return self.root / "manifest.parquet"

    @property
    def private_sources(self) -> Path:
        """What hashed sources stand for."""
        return self.root / "private" / "sources.parquet"

    @property
    def report(self) -> Path:
        """The page of `kneeoa archive report`."""
        return self.root / "report.html"

    def progress(self, part_of_run: tuple[int, int] | None = None) -> Path:
        """The state of a run, or of one over the shards from the first to the last named."""
        name = "progress.json" if part_of_run is None else f"progress-{part_of_run[0]}-{part_of_run[1]}.json"
        return self.root / name

    def partition(self, release_sha256: str) -> Path:
        """The folder of a release's parts."""
        return self.root / f"release={release_sha256[:HASH_DIGITS]}"

    def part(self, release_sha256: str, shard: int) -> Path:
        """The results of one shard."""
        return self.partition(release_sha256) / f"part-{shard:05d}.parquet"

    def success(self, release_sha256: str) -> Path:
        """Stands there when all shards have their part."""
        return self.partition(release_sha256) / "_SUCCESS"

    def finished_shards(self, release_sha256: str) -> frozenset[int]:
        """The shards that have their part."""
        folder = self.partition(release_sha256)
        paths = folder.iterdir() if folder.is_dir() else ()
        return frozenset(int(found[1]) for path in paths if (found := _PART.fullmatch(path.name)))


@contextmanager
def written_whole(path: Path, *, private: bool = False) -> Iterator[Path]:
    """A temporary path beside `path`; what was written to it takes that name when the block ends without an error.

    The content is on the disk before the name is, and the name before this returns: a power cut leaves the old file,
    or none, or the whole new one.

    Args:
        path: the file to be.
        private: whether only the owner may read it.

    Raises:
        OSError: the disk is full or the folder cannot be written to; nothing is left behind.
    """
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(6)}")
    descriptor = os.open(temporary, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600 if private else 0o666)
    try:
        yield temporary
        os.fsync(descriptor)
        temporary.replace(path)
        _sync_folder(path.parent)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
    finally:
        os.close(descriptor)


def _sync_folder(folder: Path) -> None:
    if os.name != "posix":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
