"""`kneeoa score` by a script of its own, which tests kill; options: OUT PROCESSES SHARD_FILMS TREACHEROUS SOURCE..."""

from __future__ import annotations

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parents[3]))

from tests.serving.service_films import treacherous_decoder

from kneeoa.serving.archive.local_engine import LocalEngine
from kneeoa.serving.archive.progress import Progressing
from kneeoa.serving.archive.run import Outcome, ScoreRequest, score


def scored(out: Path, sources: list[str], processes: int = 2, shard_films: int = 10, seconds: float = 60.0) -> Outcome:
    """Scores sources; films of certain widths kill their decoder, see `treacherous_decoder`."""
    out.mkdir(exist_ok=True)
    request = ScoreRequest(tuple(sources), out, shard_films=shard_films, film_seconds=seconds)
    engine = LocalEngine(processes, prepare=treacherous_decoder)
    return score(request, engine, Progressing(out / "progress.json", lambda _: None))


if __name__ == "__main__":
    outcome = scored(Path(sys.argv[1]), sys.argv[4:], int(sys.argv[2]), int(sys.argv[3]))
    sys.stdout.write(f"{outcome}\n")
    sys.exit(outcome.status)
