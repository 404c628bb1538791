"""How a film gets its place among the originals."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from kneeoa.serving.store.originals import Originals, TooLargeError

FILM, NAME = b"a film" * 1000, "ab" * 20


@pytest.fixture
def originals(tmp_path: Path) -> Originals:
    made = Originals(tmp_path / "data")
    made.prepare()
    return made


def kept(originals: Originals, source: Path | io.BytesIO) -> Path:
    with originals.received(source, len(FILM)) as path:
        originals.keep(path, NAME, ".dcm")
    assert list(originals.incoming.iterdir()) == []
    return originals.path(NAME, ".dcm")


def test_an_upload_in_the_data_folder_is_kept_without_copying_its_bytes(originals: Originals, tmp_path: Path) -> None:
    upload = tmp_path / "data" / "upload"
    upload.write_bytes(FILM)
    place = kept(originals, upload)
    assert place.samefile(upload)
    upload.unlink()
    assert place.read_bytes() == FILM


def test_a_file_of_somebody_else_is_copied_for_it_may_change(originals: Originals, tmp_path: Path) -> None:
    theirs = tmp_path / "theirs.dcm"
    theirs.write_bytes(FILM)
    place = kept(originals, theirs)
    theirs.write_bytes(b"changed")
    assert place.read_bytes() == FILM
    assert place.stat().st_mode & 0o077 == 0


def test_a_stream_is_kept(originals: Originals) -> None:
    assert kept(originals, io.BytesIO(FILM)).read_bytes() == FILM


@pytest.mark.parametrize("inside", [True, False])
def test_a_film_that_is_too_large_leaves_nothing(originals: Originals, tmp_path: Path, *, inside: bool) -> None:
    source = (tmp_path / "data" if inside else tmp_path) / "large"
    source.write_bytes(FILM + b"!")
    with pytest.raises(TooLargeError):
        kept(originals, source)
    assert list(originals.incoming.iterdir()) == []
    assert source.exists()
