"""What a film's header says of it arrives, from every kind of file, and nothing else does."""

from __future__ import annotations

import subprocess
import sys
import threading
import warnings
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pydicom
import pytest
from pydicom import Dataset

from kneeoa.datasets.transfer_syntax import ENCODABLE, encode
from kneeoa.model.dicom import read_radiograph
from kneeoa.model.errors import FilmError
from kneeoa.model.radiograph import Side, SideSource, SpacingOrigin

Film = Callable[..., Dataset]
Saved = Callable[..., Path]
Pixels = npt.NDArray[np.uint16]
BUNDLED = sorted(path for path in (Path(pydicom.__file__).parent / "data" / "test_files").rglob("*") if path.is_file())


def code(meaning: str, **sequences: list[Dataset]) -> Dataset:
    item = Dataset()
    item.CodeMeaning = meaning
    for name, value in sequences.items():
        setattr(item, name, value)
    return item


def test_facts_arrive(bone: Pixels, film: Film, saved: Saved, patient: dict[str, str]) -> None:
    path = saved(film(bone, PixelSpacing=["0.15", "0.14"]))
    radiograph = read_radiograph(str(path))
    facts = radiograph.facts
    assert facts.source == str(path)
    assert (facts.rows, facts.columns) == bone.shape == radiograph.pixels.shape
    assert (facts.modality, facts.view, radiograph.body_part) == ("DX", "AP", "KNEE")
    assert facts.sop_instance_uid == patient["SOPInstanceUID"]
    assert facts.study_instance_uid == patient["StudyInstanceUID"]
    assert (facts.pixel_spacing_mm, facts.spacing_origin) == ((0.15, 0.14), SpacingOrigin.PIXEL)
    assert (radiograph.side, radiograph.side_source) == (Side.RIGHT, SideSource.TAG)
    assert radiograph.patient_age_years == 65


@pytest.mark.parametrize("uid", sorted(ENCODABLE - {"1.2.840.10008.1.2.4.50"}))
def test_bone_is_bright_in_every_transfer_syntax(bone: Pixels, film: Film, saved: Saved, uid: str) -> None:
    pixels = read_radiograph(saved(film(bone), uid)).pixels
    assert pixels[:, 17:23].min() > pixels[:, :12].max() + 0.3


@pytest.mark.parametrize("uid", ["1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"])
@pytest.mark.parametrize("start", ["no preamble", "no meta information"])
def test_bare_data_sets_are_read(bone: Pixels, film: Film, tmp_path: Path, uid: str, start: str) -> None:
    whole, bare = tmp_path / "whole.dcm", tmp_path / "bare.dcm"
    encoded = encode(film(bone), uid)
    encoded.save_as(whole, enforce_file_format=True)
    if start == "no preamble":
        bare.write_bytes(whole.read_bytes()[132:])
    else:
        del encoded.file_meta
        encoded.save_as(bare, implicit_vr=uid.endswith("1.2"), little_endian=not uid.endswith("2.2"))
    np.testing.assert_array_equal(read_radiograph(bare).pixels, read_radiograph(whole).pixels)


def test_bytes_outweigh_a_lying_transfer_syntax(bone: Pixels, film: Film, saved: Saved) -> None:
    path = saved(film(bone), "1.2.840.10008.1.2.1")
    truth = read_radiograph(path).pixels
    path.write_bytes(path.read_bytes().replace(b"1.2.840.10008.1.2.1\0", b"1.2.840.10008.1.2\0\0\0", 1))
    np.testing.assert_array_equal(read_radiograph(path).pixels, truth)


@pytest.mark.parametrize(
    ("said", "side"),
    [
        ({"ImageLaterality": "L"}, Side.LEFT),
        ({"ImageLaterality": None, "Laterality": "L"}, Side.LEFT),
        ({"ImageLaterality": "L", "Laterality": "R"}, Side.LEFT),
        ({"ImageLaterality": ""}, Side.UNKNOWN),
        ({"ImageLaterality": "U"}, Side.UNKNOWN),
    ],
)
def test_side_is_the_objects(bone: Pixels, film: Film, saved: Saved, said: dict[str, str | None], side: Side) -> None:
    assert read_radiograph(saved(film(bone, **said))).side is side


@pytest.mark.parametrize(("series", "flags"), [("R", {"side_conflict"}), ("L", set()), ("B", set()), ("", set())])
def test_two_tags_that_name_two_sides_are_flagged(
    bone: Pixels, film: Film, saved: Saved, series: str | None, flags: set[str]
) -> None:
    radiograph = read_radiograph(saved(film(bone, ImageLaterality="L", Laterality=series)))
    assert radiograph.side is Side.LEFT
    assert set(radiograph.flags) - {"no_window"} == flags


def test_side_may_stand_in_the_anatomy(bone: Pixels, film: Film, saved: Saved) -> None:
    region = code("Knee", AnatomicRegionModifierSequence=[code("Left")])
    radiograph = read_radiograph(saved(film(bone, ImageLaterality="", AnatomicRegionSequence=[region])))
    assert (radiograph.side, radiograph.side_source) == (Side.LEFT, SideSource.TAG)


@pytest.mark.parametrize(
    ("said", "read"),
    [
        (("R", Side.LEFT), (Side.RIGHT, SideSource.TAG, {"side_conflict"})),
        (("R", Side.RIGHT), (Side.RIGHT, SideSource.TAG, set())),
        (("", Side.LEFT), (Side.LEFT, SideSource.USER, set())),
        (("", Side.UNKNOWN), (Side.UNKNOWN, SideSource.NONE, set())),
        (("B", None), (Side.UNKNOWN, SideSource.NONE, {"bilateral"})),
        (("B", Side.LEFT), (Side.UNKNOWN, SideSource.TAG, {"bilateral", "side_conflict"})),
    ],
)
def test_users_side_only_fills_a_gap(
    bone: Pixels, film: Film, saved: Saved, said: tuple[str, Side | None], read: tuple[Side, SideSource, set[str]]
) -> None:
    radiograph = read_radiograph(saved(film(bone, ImageLaterality=said[0])), side=said[1])
    assert (radiograph.side, radiograph.side_source, set(radiograph.flags) - {"no_window"}) == read


@pytest.mark.parametrize(
    ("said", "spacing", "origin"),
    [
        ({"ImagerPixelSpacing": ["0.1", "0.1"]}, 0.1, SpacingOrigin.IMAGER),
        ({"PixelSpacing": ["0.2", "0.2"], "ImagerPixelSpacing": ["0.1", "0.1"]}, 0.2, SpacingOrigin.PIXEL),
        ({"PixelSpacing": ["0.1", "0.1"], "ImagerPixelSpacing": ["0.1", "0.1"]}, 0.1, SpacingOrigin.IMAGER),
        (
            {
                "PixelSpacing": ["0.1", "0.1"],
                "ImagerPixelSpacing": ["0.1", "0.1"],
                "PixelSpacingCalibrationType": "FIDUCIAL",
            },
            0.1,
            SpacingOrigin.PIXEL,
        ),
        ({"PixelSpacing": ["0", "0"], "ImagerPixelSpacing": ["0.1", "0.1"]}, 0.1, SpacingOrigin.IMAGER),
        ({"PixelSpacing": ["150", "150"]}, 0.3, SpacingOrigin.USER),
        ({"PixelSpacing": ["-1", "-1"]}, 0.3, SpacingOrigin.USER),
        ({}, 0.3, SpacingOrigin.USER),
    ],
)
def test_spacing_is_that_of_the_honest_origin(
    bone: Pixels, film: Film, saved: Saved, said: dict[str, object], spacing: float, origin: SpacingOrigin
) -> None:
    facts = read_radiograph(saved(film(bone, **said)), spacing_mm=0.3).facts
    assert (facts.pixel_spacing_mm, facts.spacing_origin) == ((spacing, spacing), origin)


@pytest.mark.parametrize("spacing", [0.0, -1.0, float("nan"), 6.0])
def test_absurd_spacing_of_a_user_is_none(bone: Pixels, film: Film, saved: Saved, spacing: float) -> None:
    facts = read_radiograph(saved(film(bone)), spacing_mm=spacing).facts
    assert (facts.pixel_spacing_mm, facts.spacing_origin) == (None, SpacingOrigin.NONE)


@pytest.mark.parametrize(
    ("meaning", "view"),
    [("postero-anterior", "PA"), ("antero-posterior", "AP"), ("left lateral", "LL"), ("Skyline", "SKYLINE")],
)
def test_view_code_speaks_where_view_position_is_silent(
    bone: Pixels, film: Film, saved: Saved, meaning: str, view: str
) -> None:
    coded = film(bone, ViewPosition=None, ViewCodeSequence=[code(meaning)])
    assert read_radiograph(saved(coded)).facts.view == view


def test_nothing_said_of_view_and_body_part(bone: Pixels, film: Film, saved: Saved) -> None:
    radiograph = read_radiograph(saved(film(bone, ViewPosition=None, BodyPartExamined="")))
    assert (radiograph.facts.view, radiograph.body_part) == ("unknown", None)


def test_body_part_may_be_an_anatomic_region(bone: Pixels, film: Film, saved: Saved) -> None:
    coded = film(bone, BodyPartExamined=None, AnatomicRegionSequence=[code("Knee joint")])
    assert read_radiograph(saved(coded)).body_part == "KNEE JOINT"


@pytest.mark.parametrize(
    ("said", "years"),
    [
        (("065Y", "", ""), 65),
        (("018M", "", ""), 1.5),
        (("012W", "", ""), 84 / 365.25),
        (("300D", "", ""), 300 / 365.25),
        (("", "19500601", "20200601"), 70),
        (("", "1950.06.01", "20200601"), 70),
        (("old", "", ""), None),
        (("", "20210101", "20200601"), None),
        (("", "19501399", "20200601"), None),
    ],
)
def test_age_is_in_years(
    bone: Pixels, film: Film, saved: Saved, said: tuple[str, str, str], years: float | None
) -> None:
    aged = film(bone)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # pydicom's own, on writing what archives hold
        aged.PatientAge, aged.PatientBirthDate, aged.StudyDate = said
    assert read_radiograph(saved(aged)).patient_age_years == pytest.approx(years, abs=0.01)


def test_many_padded_and_foreign_values_are_tolerated(bone: Pixels, film: Film, saved: Saved) -> None:
    odd = film(bone)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        odd.SpecificCharacterSet = "ISO 2022 NONSENSE"
        odd.ImageLaterality = ["L", "R"]
        odd.add_new(0x00185101, "CS", "pa ")
        odd.add_new(0x00180015, "CS", " knee")
        odd.add_new(0x00281050, "DS", "")
        odd.add_new(0x00281051, "DS", "")
        path = saved(odd)
    radiograph = read_radiograph(path)
    assert (radiograph.side, radiograph.facts.view, radiograph.body_part) == (Side.LEFT, "PA", "KNEE")


def test_film_for_processing_is_flagged(bone: Pixels, film: Film, saved: Saved) -> None:
    assert "for_processing" in read_radiograph(saved(film(bone, PresentationIntentType="FOR PROCESSING"))).flags


@pytest.mark.parametrize("modality", ["CR", "DX", "RF", "RG", "OT", "SC", ""])
def test_plain_radiographs_are_read(bone: Pixels, film: Film, saved: Saved, modality: str) -> None:
    assert read_radiograph(saved(film(bone, Modality=modality))).facts.modality == (modality or None)


def test_threads_read_what_one_thread_reads(bone: Pixels, film: Film, tmp_path: Path) -> None:
    syntaxes = ["1.2.840.10008.1.2.1", "1.2.840.10008.1.2.4.70", "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.90"]
    paths = [tmp_path / f"{number}.dcm" for number in range(len(syntaxes))]
    for path, uid in zip(paths, syntaxes, strict=True):
        encode(film(bone), uid).save_as(path, enforce_file_format=True)
    alone = read_radiograph(paths[0]).pixels
    filters = list(warnings.filters)
    wrong: list[str] = []

    def work(path: Path) -> None:
        wrong.extend(path.name for _ in range(10) if not np.array_equal(read_radiograph(path).pixels, alone))

    threads = [threading.Thread(target=work, args=(path,)) for path in paths * 2]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong
    assert warnings.filters == filters


@pytest.mark.parametrize("path", BUNDLED, ids=lambda path: path.name)
def test_every_file_of_pydicoms_is_a_film_or_an_error(path: Path) -> None:
    try:
        radiograph = read_radiograph(path)
    except FilmError as error:
        facts, pixels = error.facts, None
    else:
        facts, pixels = radiograph.facts, radiograph.pixels
    assert facts is not None
    assert facts.source == str(path)
    if pixels is not None:
        assert pixels.shape == (facts.rows, facts.columns)
        assert np.isfinite(pixels).all()


def test_import_brings_no_codec_and_no_heavy_library() -> None:
    heavy = "{'torch', 'cv2', 'scipy', 'gdcm', 'openjpeg', 'jpeg_ls', 'rle', 'pydicom'}"
    program = f"import sys, kneeoa.model.dicom; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("uid", ["1.2.840.10008.1.2.1", "1.2.840.10008.1.2.4.70", "1.2.840.10008.1.2.4.90"])
def test_reading_is_silent(bone: Pixels, film: Film, saved: Saved, uid: str) -> None:
    path = saved(film(bone), uid)
    program = "import sys; from kneeoa.model.dicom import read_radiograph; read_radiograph(sys.argv[1])"
    done = subprocess.run(
        [sys.executable, "-W", "always", "-c", program, str(path)], capture_output=True, text=True, check=True
    )
    assert (done.stdout, done.stderr) == ("", "")
