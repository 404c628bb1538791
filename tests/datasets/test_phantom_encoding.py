"""What an encoding of a phantom may ask for, in Python and on the command line, and what is said where it cannot be."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pydicom
import pytest
from typer.testing import CliRunner

from kneeoa.cli import app
from kneeoa.datasets.phantom_choices import FilmObject, LateralityStatement, PhotometricInterpretation, Window
from kneeoa.datasets.phantom_encoding import FilmEncoding
from kneeoa.datasets.transfer_syntax import ENCODABLE, NAMES, syntax_uid
from kneeoa.model.dicom import read_radiograph
from kneeoa.model.errors import DatasetError
from kneeoa.model.radiograph import Side

CR, SC = FilmObject.CR, FilmObject.SC

WRONG: list[tuple[dict[str, object], str]] = [
    ({"bits_stored": 7}, "8 to 16"),
    ({"bits_stored": 10, "bits_allocated": 8}, "do not fit"),
    ({"film_object": CR, "high_bit": 16}, "High Bit"),
    ({"signed": True}, "choose CR"),
    ({"rescale_slope": 2.0}, "choose CR"),
    ({"film_object": CR, "rescale_slope": 0.0}, "above 0"),
    ({"film_object": CR, "rescale_slope": 2.0, "modality_lut": True}, "Either"),
    ({"film_object": CR, "rescale_slope": 0.5, "window": Window.VOI_LUT}, "65,536"),
    ({"photometric": PhotometricInterpretation.RGB}, "choose SC"),
    ({"film_object": SC, "photometric": PhotometricInterpretation.RGB}, "8 bits"),
    ({"transfer_syntax": "1.2.840.10008.1.2.4.201"}, "choose one of"),
    ({"transfer_syntax": NAMES["jpeg-2000"], "padding_px": 3}, "lossless"),
    ({"transfer_syntax": NAMES["jpeg-2000"], "bits_stored": 8}, "8 bits in 8"),
    ({"rotation_degrees": 45}, "45"),
    ({"padding_px": -1}, "padding"),
    ({"age_years": 300}, "300"),
    ({"body_part": "knee"}, "capital"),
    ({"laterality": LateralityStatement.PATIENT_ORIENTATION, "patient_orientation": False}, "absent"),
]


@pytest.mark.parametrize(("options", "why"), WRONG, ids=[" ".join(options) for options, _ in WRONG])
def test_what_cannot_be_is_said(options: dict[str, object], why: str) -> None:
    with pytest.raises(ValueError, match=why):
        FilmEncoding(**options)  # type: ignore[arg-type]  # one option or another


def test_a_syntax_is_known_by_name_and_by_uid() -> None:
    assert set(NAMES.values()) == ENCODABLE
    assert all(syntax_uid(name) == syntax_uid(uid) == uid for name, uid in NAMES.items())
    with pytest.raises(DatasetError, match="jpeg-ls"):
        syntax_uid("gif")


RUNNER = CliRunner()


def test_command_writes_what_its_options_say(tmp_path: Path) -> None:
    plain, other = tmp_path / "plain.dcm", tmp_path / "new" / "other.dcm"
    chosen = ("--modality", "CR", "--syntax", "jpeg-2000-lossless", "--bits", "16", "--signed", "--intercept", "32768")
    shown = ("--photometric", "MONOCHROME1", "--window", "sigmoid", "--spacing-origin", "imager", "--rotate", "90")
    stated = ("--mirror", "--laterality-by", "laterality", "--view-by", "position", "--age", "71", "--body-part", "LEG")
    for arguments in ((plain,), (other, *chosen, *shown, *stated)):
        done = RUNNER.invoke(app, ["phantom", *map(str, arguments), "--side", "L", "--grade", "1", "--seed", "4"])
        assert (done.exit_code, done.output) == (0, "")
    dataset = pydicom.dcmread(other)
    assert dataset.file_meta.TransferSyntaxUID == NAMES["jpeg-2000-lossless"]
    assert (dataset.Modality, dataset.BitsStored, dataset.PixelRepresentation) == ("CR", 16, 1)
    assert (dataset.PhotometricInterpretation, dataset.VOILUTFunction) == ("MONOCHROME1", "SIGMOID")
    assert (dataset.RescaleIntercept, dataset.Laterality, dataset.PatientAge) == (32768, "L", "071Y")
    assert (dataset.BodyPartExamined, dataset.ViewPosition) == ("LEG", "PA")
    assert "PixelSpacing" not in dataset
    assert list(dataset.PatientOrientation) == ["H", "R"]
    before, after = read_radiograph(plain), read_radiograph(other)
    np.testing.assert_allclose(after.pixels, before.pixels[:, ::-1].T[:, ::-1], atol=0.001)
    assert after.side is before.side is Side.LEFT


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (("--photometric", "RGB"), "choose SC"),
        (("--bits", "20"), "8 to 16"),
        (("--rotate", "45"), "45"),
        (("--side", "unknown"), "has a side"),
        (("--syntax", "gif"), "jpeg-lossless"),
        (("--window", "none"), "sigmoid"),
    ],
)
def test_command_says_what_cannot_be(arguments: tuple[str, str], why: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "kneeoa", "phantom", str(tmp_path / "new" / "film.dcm"), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert why in done.stderr
    assert "Traceback" not in done.stderr
    assert not list(tmp_path.rglob("*.dcm"))
