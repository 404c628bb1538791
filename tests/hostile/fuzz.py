"""A coverage-guided fuzzer of the reader, for atheris: what crashes or raises is written beside the corpus.

pip install atheris
python tests/hostile/fuzz.py --seeds CORPUS
python tests/hostile/fuzz.py CORPUS -max_total_time=600 -rss_limit_mb=1500 -timeout=15
"""

from __future__ import annotations

import contextlib
import sys
import tempfile
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2]))


def write_seeds(folder: Path) -> None:
    """The unharmed bases that are small enough for a fuzzer."""
    from tests.hostile.bases import base
    from tests.hostile.corpus import base_names

    folder.mkdir(parents=True, exist_ok=True)
    for number, name in enumerate(base_names()):
        content = base(name).content
        if len(content) < 100_000:
            (folder / f"seed-{number}").write_bytes(content)


def main() -> None:
    """Writes seeds, or fuzzes until libFuzzer's options say so."""
    if sys.argv[1:2] == ["--seeds"]:
        write_seeds(Path(sys.argv[2]))
        return
    # Untyped, and not installed by the tests: its wheels are for a few Pythons only.
    import atheris  # type: ignore[import-untyped, import-not-found, unused-ignore]

    with atheris.instrument_imports(include=["kneeoa.model"]):
        from kneeoa.model.dicom import read_radiograph
        from kneeoa.model.errors import FilmError

    with tempfile.NamedTemporaryFile() as file:
        path = Path(file.name)

        def read_one(content: bytes) -> None:
            path.write_bytes(content)
            # Any other exception is what a fuzzer looks for.
            with contextlib.suppress(FilmError):
                read_radiograph(path)

        atheris.Setup(sys.argv, read_one)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
