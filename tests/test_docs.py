"""The walk through a first grade, run as it stands: each command and program prints what the page shows below it.

`python tests/test_docs.py` writes what they print today into the page, after a change of the phantom or the release;
`python tests/documents/draw.py` draws the pictures of the documents too.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[1] / "docs" / "first-grade.md"
_FENCE = re.compile(r"^```(console|python|text)\n(.*?)^```\n", re.MULTILINE | re.DOTALL)


def printed(arguments: list[str], folder: Path) -> str:
    """What a process prints, both streams, in a terminal of eighty columns with this environment's `kneeoa` first."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {"PATH": path, "PYTHONSAFEPATH": "1", "COLUMNS": "80", "PYTHONUTF8": "1"}
    done = subprocess.run(
        arguments,
        cwd=folder,
        env=environment,
        text=True,
        encoding="utf-8",
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        check=False,
    )
    return done.stdout


def as_run(page: str, folder: Path) -> str:
    """The page with the output of every command and program as it is today.

    A console block is its commands, each with what it prints. A program that prints something is followed by a text
    block; the text blocks of the page that was given are dropped.
    """
    page = re.sub(r"^```text\n.*?^```\n\n", "", page, flags=re.MULTILINE | re.DOTALL)

    def run(fence: re.Match[str]) -> str:
        language, block = fence[1], fence[2]
        if language == "python":
            (folder / "example.py").write_text(block, encoding="utf-8")
            said = printed([sys.executable, "example.py"], folder)
            return f"```python\n{block}```\n" + (f"\n```text\n{said}```\n" if said else "")
        commands = [line[2:] for line in block.splitlines() if line.startswith("$ ")]
        lines = [f"$ {command}\n{printed(['bash', '-uc', command], folder)}" for command in commands]
        text = "".join(line if line.endswith("\n") else f"{line}\n" for line in lines)
        return "```console\n" + "".join(f"{line.rstrip()}\n" for line in text.splitlines()) + "```\n"

    return _FENCE.sub(run, page)


@pytest.fixture(scope="module")
def today(tmp_path_factory: pytest.TempPathFactory) -> str:
    return as_run(PAGE.read_text(encoding="utf-8"), tmp_path_factory.mktemp("docs"))


def test_first_grade_shows_what_is_printed(today: str) -> None:
    assert today == PAGE.read_text(encoding="utf-8"), "run: python tests/test_docs.py"


def test_first_grade_comes_to_a_grade_and_to_a_refusal(today: str) -> None:
    assert re.search(r"^R KL 0 \[.*^L KL 3 \[", today, re.MULTILINE | re.DOTALL)
    rows = re.findall(r"^│ (?:\w+\.(?:dcm|png))? +│  ([RL])   │ \w+ +│ ([0-4-])  │", today, re.MULTILINE)
    # Twice the film of both knees, once turned, a knee alone, and a pair of which one bears an implant.
    standing = [("R", "0"), ("L", "3")]
    assert rows[:7] == [*standing, *standing, *standing[::-1], ("R", "3")]
    assert [side for side, _ in rows[7:]] == ["R", "L"]
    assert [grade == "-" for _, grade in rows[7:]] == [False, True]
    assert re.search(
        r"^implant: .*^not_a_knee: .*^exit status 0$.*^not_dicom: .*^exit status 1$", today, re.MULTILINE | re.DOTALL
    )
    assert "Traceback" not in today
    assert "No such option" not in today


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as place:
        PAGE.write_text(as_run(PAGE.read_text(encoding="utf-8"), Path(place)), encoding="utf-8")
