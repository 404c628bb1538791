"""What others read of the deployed files: systemd its unit, container engines the compose file."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

DEPLOY = Path(__file__).parents[2] / "deploy"
PROGRAM = "/opt/kneeoa/current/bin/kneeoa"


def verified(text: str, folder: Path) -> tuple[int, str]:
    """What `systemd-analyze verify` says of a unit: status, and every complaint."""
    unit = folder / "kneeoa.service"
    unit.write_text(text, encoding="utf-8")
    command = ["systemd-analyze", "verify", "--man=no", str(unit)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


@pytest.fixture
def unit() -> str:
    """The unit with a program that is there: the real one is where the script has put it."""
    assert shutil.which("systemd-analyze"), "install Debian's systemd: .ci/run does"
    text = (DEPLOY / "kneeoa.service").read_text(encoding="utf-8")
    assert text.count(PROGRAM) == 1
    return text.replace(PROGRAM, sys.executable)


def test_systemd_has_no_complaint_about_the_unit(unit: str, tmp_path: Path) -> None:
    assert verified(unit, tmp_path) == (0, "")


@pytest.mark.parametrize(
    ("right", "wrong"), [("ProtectSystem=strict", "ProtectSystem=all"), ("UMask=0077", "Umask=0077")]
)
def test_systemd_would_complain_about_a_slip(unit: str, tmp_path: Path, right: str, wrong: str) -> None:
    assert unit.count(right) == 1
    assert verified(unit.replace(right, wrong), tmp_path)[1]


def test_the_unit_leaves_one_folder_that_can_be_written_and_no_privilege(unit: str) -> None:
    told = dict(re.findall(r"^(\w+)=(.*)$", unit, re.MULTILINE))
    assert (told["ProtectSystem"], told["StateDirectory"], told["User"]) == ("strict", "kneeoa", "kneeoa")
    assert (told["NoNewPrivileges"], told["CapabilityBoundingSet"]) == ("yes", "")
    assert "ReadWritePaths" not in told


def checked(path: Path) -> int:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(path)]
    return subprocess.run(command, capture_output=True, check=False).returncode


def test_the_compose_file_is_one_by_the_compose_specification(tmp_path: Path) -> None:
    assert checked(DEPLOY / "compose.yaml") == 0
    wrong = tmp_path / "compose.yaml"
    text = (DEPLOY / "compose.yaml").read_text(encoding="utf-8")
    assert text.count("read_only: true") == 1
    wrong.write_text(text.replace("read_only: true", "read_only: [true]"), encoding="utf-8")
    assert checked(wrong) == 1
