"""Films from four independent senders: DCMTK, GDCM, PixelMed and pynetdicom. What arrives is what was sent."""

from __future__ import annotations

import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pydicom
import pytest
from pynetdicom import AE
from tests.serving.pacs.kept import Kept
from tests.serving.service_films import write_film

from kneeoa.datasets.transfer_syntax import encode

HOST, OURS, THEIRS = "127.0.0.1", "KNEEOA", "SENDER"
PIXELMED = ("java", "-cp", "/usr/share/java/pixelmed.jar", "com.pixelmed.network.StorageSOPClassSCU")
JPEG_LOSSLESS = "1.2.840.10008.1.2.4.70"
_DEBIAN = "/usr/bin"
"""GDCM's and DCMTK's tools as Debian has them: Python packages bring some of the same name."""


def storescu(port: int, film: Path) -> None:
    run(f"{_DEBIAN}/storescu", "-xs", "-aet", THEIRS, "-aec", OURS, HOST, str(port), str(film))


def dcmsend(port: int, film: Path) -> None:
    run(f"{_DEBIAN}/dcmsend", "--decompress-never", "-aet", THEIRS, "-aec", OURS, HOST, str(port), str(film))


def gdcmscu(port: int, film: Path) -> None:
    """GDCM 3.0.21 stores, and then aborts at its own release of the association, with DCMTK's storescp just so."""
    who = ("--aetitle", THEIRS, "--call", OURS)
    run(f"{_DEBIAN}/gdcmscu", "--store", *who, HOST, str(port), str(film), ends=(0, -signal.SIGABRT))


def pixelmed(port: int, film: Path) -> None:
    run(*PIXELMED, HOST, str(port), OURS, THEIRS, str(film))


def pynetdicom(port: int, film: Path) -> None:
    sent = pydicom.dcmread(film)
    ae = AE(THEIRS)
    ae.add_requested_context(sent.SOPClassUID, sent.file_meta.TransferSyntaxUID)
    association = ae.associate(HOST, port, ae_title=OURS)
    assert association.is_established
    assert association.send_c_store(sent).Status == 0
    association.release()


SENDERS: tuple[Callable[[int, Path], None], ...] = (storescu, dcmsend, gdcmscu, pixelmed, pynetdicom)


def run(*command: str, ends: tuple[int, ...] = (0,)) -> None:
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode in ends, done.stdout + done.stderr


@pytest.fixture(scope="module")
def kept() -> Iterator[Kept]:
    node = Kept(seconds=30)
    yield node
    node.scp.stop()


@pytest.fixture(scope="module", params=["explicit", "jpeg-lossless"])
def film(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A phantom knee, as it is or compressed."""
    path = write_film(tmp_path_factory.mktemp("film") / "film.dcm", seed=3)
    if request.param == "jpeg-lossless":
        encode(pydicom.dcmread(path), JPEG_LOSSLESS).save_as(path, enforce_file_format=True)
    return path


@pytest.mark.parametrize("send", SENDERS)
def test_what_arrives_is_what_was_sent(kept: Kept, film: Path, send: Callable[[int, Path], None]) -> None:
    kept.films.clear()
    send(kept.scp.port, film)
    sent = pydicom.dcmread(film)
    stored = kept.films[str(sent.SOPInstanceUID)]
    assert len(kept.films) == 1
    assert stored.file_meta.TransferSyntaxUID == sent.file_meta.TransferSyntaxUID
    assert dict(stored.items()).keys() == dict(sent.items()).keys()
    assert stored == sent
