"""What the first pass makes of an archive as archives are: every file has exactly one fate and its reason."""

from __future__ import annotations

import os
import shutil
import tarfile
import zipfile
from collections.abc import Sequence
from pathlib import Path

import fsspec
import pydicom
import pytest
from tests.serving.pipeline.many_films import write_films

from kneeoa.model.errors import ConfigError
from kneeoa.serving.archive.fates import Fate
from kneeoa.serving.archive.layout import ArchiveLayout
from kneeoa.serving.archive.manifest_reader import ManifestReader
from kneeoa.serving.archive.manifest_schema import ManifestRow
from kneeoa.serving.archive.progress import Progressing
from kneeoa.serving.archive.run import ScoreRequest, make_manifest

NOBODY = 65534


@pytest.fixture(scope="module")
def films(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    return write_films(tmp_path_factory.mktemp("films"), 3)


def reader_of(out: Path, *sources: object, key_file: Path | None = None, shard_films: int = 1000) -> ManifestReader:
    out.mkdir(exist_ok=True)
    request = ScoreRequest(tuple(map(str, sources)), out, key_file=key_file, shard_films=shard_films)
    return make_manifest(request, Progressing(out / "progress.json", lambda _: None))


def looked_at(out: Path, *sources: object) -> list[ManifestRow]:
    import pyarrow.parquet as pq

    from kneeoa.serving.archive.manifest_schema import manifest_rows

    reader_of(out, *sources)
    return manifest_rows(pq.ParquetFile(ArchiveLayout(out).manifest).read())


def ends(rows: Sequence[ManifestRow]) -> list[tuple[str, str | None]]:
    return [(row.fate.value, row.reason) for row in rows]


def test_a_file_of_each_kind_has_its_fate(films: list[Path], tmp_path: Path) -> None:
    folder = tmp_path / "films"
    folder.mkdir()
    shutil.copy(films[0], folder / "a.dcm")
    shutil.copy(films[0], folder / "b.dcm")
    (folder / "c.dcm").write_text("no film at all, only words", encoding="ascii")
    hand = pydicom.dcmread(films[1])
    hand.BodyPartExamined = "HAND"
    hand.save_as(folder / "d.dcm")
    (folder / "e.dcm").write_bytes(films[2].read_bytes()[:700])
    report = pydicom.dcmread(films[2])
    report.Modality = "SR"
    del report.PixelData
    report.save_as(folder / "f.dcm")
    (folder / ".hidden").write_text("nobody asks", encoding="ascii")
    rows = looked_at(tmp_path / "out", folder)
    assert ends(rows) == [
        ("film", None),
        ("double", None),
        ("unreadable", "not_dicom"),
        ("other", "not_a_knee"),
        ("unreadable", "truncated"),
        ("other", "no_pixels"),
    ]
    assert rows[0].shard == 0
    assert (rows[0].age_years, rows[0].modality, rows[0].patient) == (64, "DX", None)


def test_a_folder_loop_is_a_row_and_ends(films: list[Path], tmp_path: Path) -> None:
    inner = tmp_path / "films" / "study"
    inner.mkdir(parents=True)
    shutil.copy(films[0], inner)
    (inner / "up").symlink_to(tmp_path / "films")
    rows = looked_at(tmp_path / "out", tmp_path / "films")
    assert ends(rows) == [("film", None), ("unreadable", "folder_loop")]


def test_what_may_not_be_read_is_a_row(films: list[Path], tmp_path: Path) -> None:
    folder = tmp_path / "films"
    (folder / "closed").mkdir(parents=True, mode=0o700)
    shutil.copy(films[0], folder / "mine.dcm")
    (folder / "mine.dcm").chmod(0o600)
    (folder / "dangling.dcm").symlink_to("nowhere.dcm")
    for parent in tmp_path.parents:
        if parent.stat().st_uid == os.geteuid() and "pytest" in parent.name:
            parent.chmod(0o755)
    tmp_path.chmod(0o777)
    was = os.geteuid()
    if was == 0:
        os.seteuid(NOBODY)  # root may read everything
    else:
        (folder / "closed").chmod(0)
        (folder / "mine.dcm").chmod(0)
    try:
        rows = looked_at(tmp_path / "out", folder)
    finally:
        os.seteuid(was)
        (folder / "closed").chmod(0o700)
    denied = ("unreadable", "permission_denied")
    assert ends(rows) == [denied, ("unreadable", "vanished"), denied]


def test_multi_frame_of_two_gigabytes_is_refused_by_its_head(films: list[Path], tmp_path: Path) -> None:
    film = pydicom.dcmread(films[0])
    film.NumberOfFrames = 700
    film.save_as(tmp_path / "huge.dcm")
    os.truncate(tmp_path / "huge.dcm", 2 << 30)
    assert ends(looked_at(tmp_path / "out", tmp_path / "huge.dcm")) == [("other", "multi_frame")]


def test_members_of_archives_are_files(films: list[Path], tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "one.tar.gz", "w:gz") as tar:
        tar.add(films[0], "a/0.dcm")
    with zipfile.ZipFile(tmp_path / "two.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(films[1], "1.dcm")
        with archive.open("bomb.dcm", "w", force_zip64=True) as bomb:
            for _ in range(300):
                bomb.write(bytes(1 << 20))
    (tmp_path / "zbroken.tar").write_bytes(b"this is no tar file" * 100)
    rows = looked_at(tmp_path / "out", tmp_path / "*.tar*", tmp_path / "two.zip")
    assert [(row.member, row.fate.value, row.reason) for row in rows] == [
        ("a/0.dcm", "film", None),
        (None, "unreadable", "bad_archive"),
        ("1.dcm", "film", None),
        ("bomb.dcm", "unreadable", "not_dicom"),
    ]


def test_a_table_names_paths_and_urls_good_and_bad(films: list[Path], tmp_path: Path) -> None:
    memory = fsspec.filesystem("memory")
    memory.pipe("/store/film.dcm", films[1].read_bytes())
    lines = [films[0], "memory://store/film.dcm", "memory://store/gone.dcm", "nosuch://host/film.dcm", "gone.dcm"]
    (tmp_path / "films.csv").write_text("\n".join(["path", *map(str, lines)]) + "\n", encoding="utf-8")
    rows = looked_at(tmp_path / "out", tmp_path / "films.csv")
    lost = ("unreadable", "vanished")
    assert ends(rows) == [("film", None), ("film", None), lost, ("unreadable", "bad_url"), lost]
    assert ends(looked_at(tmp_path / "again", "memory://store")) == [("film", None)]


@pytest.mark.parametrize("source", ["gone", "gone-*.dcm", "nosuch://host/films", "memory://nothing"])
def test_a_source_that_is_not_there_is_a_clear_stop(source: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError):
        reader_of(tmp_path / "out", source)
    assert not ArchiveLayout(tmp_path / "out").manifest.exists()


def test_identities_are_hashed_with_a_key_and_sources_are_kept_apart(films: list[Path], tmp_path: Path) -> None:
    key = tmp_path / "key"
    key.write_bytes(os.urandom(32))
    reader = reader_of(tmp_path / "out", films[0].parent, key_file=key, shard_films=2)
    [first, _] = reader.shard(0)
    row, source, member = first
    layout = ArchiveLayout(tmp_path / "out")
    uid = str(pydicom.dcmread(films[0], stop_before_pixels=True).SOPInstanceUID)
    assert (source, member) == (str(films[0]), None)
    assert row.source != source
    assert row.patient
    for path in (layout.manifest, layout.run):
        assert uid.encode() not in path.read_bytes()
        assert str(films[0].parent).encode() not in path.read_bytes()
    assert layout.private_sources.stat().st_mode & 0o777 == 0o600
    other = reader_of(tmp_path / "other", films[0], key_file=key).shard(0)[0][0]
    assert other.sop_instance_uid == row.sop_instance_uid


def test_shards_are_cut_by_films_and_the_manifest_is_the_same_again(films: list[Path], tmp_path: Path) -> None:
    first = reader_of(tmp_path / "one", films[0].parent, shard_films=2)
    reader_of(tmp_path / "two", films[0].parent, shard_films=2)
    assert first.shards == 2
    assert [len(first.shard(number)) for number in (0, 1, 2)] == [2, 2, 0]
    assert first.count_by_fate() == {Fate.FILM: 4}
    one, two = (ArchiveLayout(tmp_path / name).manifest.read_bytes() for name in ("one", "two"))
    assert one == two
    with pytest.raises(ConfigError, match="shard_films"):
        reader_of(tmp_path / "one", films[0].parent, shard_films=3)


def test_a_dicomdir_lists_its_files(films: list[Path], tmp_path: Path) -> None:
    from pydicom.fileset import FileSet

    written = FileSet()
    film = pydicom.dcmread(films[0])
    film.PatientID, film.StudyID, film.SeriesNumber, film.InstanceNumber = "1", "1", 1, 1
    written.add(film)
    written.write(tmp_path / "medium")
    written._stage["t"].cleanup()  # its own folder, which it leaves to the collector
    rows = looked_at(tmp_path / "out", tmp_path / "medium" / "DICOMDIR")
    assert ends(rows) == [("film", None)]
    assert Path(rows[0].source).is_file()
