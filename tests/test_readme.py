"""The README's examples, run as they stand, in an empty folder that holds one synthetic film."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

README = Path(__file__).parents[1] / "README.md"
_FENCE = re.compile(r"^```(python|console|bash)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def commands(language: str, block: str) -> list[str]:
    """The shell lines of a block: all of them, or in a console those after the prompt."""
    lines = block.splitlines()
    return [line[2:] for line in lines if line.startswith("$ ")] if language == "console" else lines


BLOCKS = [(language, block) for language, block in _FENCE.findall(README.read_text(encoding="utf-8"))]
# The make commands build this very environment; .ci/run calls them.
RUN = [
    (language, block)
    for language, block in BLOCKS
    if language == "python" or not all(line.startswith("make ") for line in commands(language, block))
]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("readme")
    shell("kneeoa phantom film.dcm --side R --grade 3 --seed 7", place)
    return place


def shell(script: str, folder: Path) -> str:
    """Runs lines of bash with this environment's `kneeoa` first on the path; gives what they print."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    environment = os.environ | {"PATH": path, "PYTHONSAFEPATH": "1"}
    done = subprocess.run(
        ["bash", "-euc", script], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_readme_shows_both_python_and_command_line() -> None:
    assert {"python"} < {language for language, _ in RUN}


@pytest.mark.parametrize(("language", "block"), RUN, ids=[f"{i}-{language}" for i, (language, _) in enumerate(RUN)])
def test_block_runs(language: str, block: str, folder: Path) -> None:
    if language == "python":
        (folder / "example.py").write_text(block, encoding="utf-8")
        printed = shell(f"'{sys.executable}' example.py", folder)
        assert re.search(r"^R KL [0-4] ", printed, re.MULTILINE), printed
        return
    for command in commands(language, block):
        printed = shell(command, folder)
        if "--json" in command:
            assert json.loads(printed)["knees"][0]["kl"]["grade"] in range(5)
