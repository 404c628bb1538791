"""The command as a user types it: what it prints, where, and how it ends."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from kneeoa import __version__


def kneeoa(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "kneeoa", *map(str, arguments)], capture_output=True, text=True, timeout=120, check=False
    )


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("cli") / "new" / "film.dcm"
    done = kneeoa("phantom", path, "--side", "L", "--grade", "4", "--seed", "2")
    assert done.returncode == 0, done.stderr
    return path


def test_the_version_is_printed() -> None:
    assert kneeoa("--version").stdout.strip() == f"kneeoa {__version__}"


def test_one_file_gives_exactly_one_json_object_and_nothing_else(film: Path) -> None:
    done = kneeoa("grade", film, "--json")
    assert done.returncode == 0
    assert done.stderr == ""
    report = json.loads(done.stdout)
    assert report["film"]["source"] == str(film)
    assert report["knees"][0]["side"] == "L"
    assert report["knees"][0]["kl"]["grade"] in range(5)


def test_several_files_give_json_lines_and_one_unreadable_one_status_1(film: Path, tmp_path: Path) -> None:
    (tmp_path / "text.dcm").write_text("no film")
    done = kneeoa(
        "grade", film, tmp_path / "text.dcm", tmp_path / "none.dcm", "--json", "--report", tmp_path / "r.json"
    )
    assert done.returncode == 1
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert [line["refusal"] and line["refusal"]["code"] for line in lines] == [None, "not_dicom", "unreadable_file"]
    assert all(line["refusal"]["remedy"] for line in lines[1:])
    assert (tmp_path / "r.json").read_text().splitlines() == [json.dumps(line) for line in lines]
    assert "Traceback" not in done.stderr


def test_the_table_goes_to_stdout(film: Path, tmp_path: Path) -> None:
    done = kneeoa("grade", film, "--overlay", tmp_path)
    assert done.returncode == 0
    assert "Not for sole diagnosis" in done.stdout
    assert (tmp_path / "film-overlay.png").is_file()


def test_a_film_of_both_knees_is_one_row_a_knee_and_a_reason_stands_below_them(tmp_path: Path) -> None:
    standing = tmp_path / "standing.dcm"
    options = ("--kind", "bilateral", "--seed", "2", "--implants", "0.5", "--long-side", "1000")
    assert kneeoa("phantom", standing, *options).returncode == 0
    table = kneeoa("grade", standing)
    assert table.returncode == 0
    rows = [[cell.strip() for cell in line.split("│")] for line in table.stdout.splitlines() if line.startswith("│")]
    sides = {row[2]: (row[4], row[8]) for row in rows if row[2]}
    assert set(sides) == {"R", "L"}
    assert sides["R"][0] in set("01234")
    assert sides["L"] == ("-", "implant")
    assert table.stdout.count("implant: The knee bears") == 1
    report = json.loads(kneeoa("grade", standing, "--json").stdout)
    assert report["refusal"] is None
    assert [knee["side"] for knee in report["knees"]] == ["R", "L"]
    assert [knee["kl"] is None for knee in report["knees"]] == [False, True]
    assert report["knees"][1]["refusal"]["code"] == "implant"


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("grade",), "Missing argument"),
        (("grade", "x.dcm", "--side", "Q"), "Q"),
        (("grade", "x.dcm", "--spacing-mm", "-1"), "spacing"),
        (("grade", "x.dcm", "--release", "nowhere"), "no release"),
        (("grade", "x.dcm", "--device", "abacus"), "abacus"),
        (("train", "nowhere.yaml"), "nowhere.yaml"),
        (("export", "nowhere", "--name", "x"), "nowhere"),
        (("evaluate", "kneeoa-6", "nowhere", "--out", "o"), "nowhere"),
        (("datasets", "check", "nowhere"), "nowhere"),
        (("nonsense",), "nonsense"),
    ],
)
def test_wrong_use_is_status_2_with_a_reason_and_no_traceback(arguments: tuple[str, ...], named: str) -> None:
    done = kneeoa(*arguments)
    assert done.returncode == 2
    assert named in done.stderr
    assert done.stdout == ""
    assert "Traceback" not in done.stderr


def test_an_empty_folder_is_wrong_use(tmp_path: Path) -> None:
    done = kneeoa("grade", tmp_path)
    assert done.returncode == 2
    assert "no file" in done.stderr


def test_no_identifier_of_the_patient_is_printed_but_the_contract_s_uids(film: Path) -> None:
    import pydicom

    header = pydicom.dcmread(film, stop_before_pixels=True)
    done = kneeoa("grade", film, "--json")
    for secret in (str(header.PatientName), header.PatientID, "PHANTOM^"):
        assert secret not in done.stdout + done.stderr
    table = kneeoa("grade", film)
    assert header.SOPInstanceUID not in table.stdout + table.stderr


def test_grading_never_loads_torch(film: Path) -> None:
    script = (
        "import sys; from kneeoa import KneeGrader, read_radiograph;"
        f"KneeGrader.load().grade(read_radiograph({str(film)!r}));"
        "print([m for m in ('torch', 'monai', 'sklearn', 'matplotlib', 'scipy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
