"""What attacks start from: phantoms in every transfer syntax, pictures, other films, and pydicom's own test objects.

Every film carries a canary wherever a patient is named; it must turn up in no message.
"""

from __future__ import annotations

import io
import warnings
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import numpy.typing as npt
from PIL import Image
from pydicom import Dataset
from pydicom.data import get_testdata_files

from kneeoa.datasets.phantom import PhantomSpec, make_phantom, phantom_dataset
from kneeoa.datasets.phantom_dicom import Photometric
from kneeoa.datasets.phantom_films import two_knee_phantom_dataset
from kneeoa.datasets.phantom_others import gradient_picture, lateral_picture, noise_picture
from kneeoa.datasets.transfer_syntax import ENCODABLE, encode
from kneeoa.model.radiograph import FloatImage, Side

CANARY = {
    "PatientName": "CANARYXQ^ALONSO",
    "PatientID": "CANARYXQ-7734012",
    "PatientBirthDate": "19470929",
    "OtherPatientIDs": "CANARYXQ-OTHER",
    "StudyInstanceUID": "1.2.826.0.1.3680043.9.77777.1",
    "SeriesInstanceUID": "1.2.826.0.1.3680043.9.77777.2",
    "SOPInstanceUID": "1.2.826.0.1.3680043.9.77777.3",
}
CANARY_WORDS = ("CANARYXQ", "ALONSO", "7734012", "19470929", "3680043.9.77777")
SIZE = 320
SYNTAXES = tuple(sorted(ENCODABLE))
_JPEG_8_BIT = "1.2.840.10008.1.2.4.50"
_EXPLICIT = "1.2.840.10008.1.2.1"


@dataclass(frozen=True, slots=True)
class Base:
    """A file to attack.

    Attributes:
        content: its bytes.
        is_knee: whether unharmed it is a frontal knee, which may be graded.
        side: the knee's true side, or None where there is no knee.
    """

    content: bytes
    is_knee: bool
    side: Side | None = None


def phantom_names() -> tuple[str, ...]:
    """Knees: right and left in every syntax, and the codings that one syntax must carry besides."""
    plain = [f"knee {side} {uid}" for side in "RL" for uid in SYNTAXES]
    coded = [f"knee R {uid} {coding}" for uid in (_EXPLICIT, *_LOSSLESS) for coding in _CODINGS]
    return (*plain, *coded)


_LOSSLESS = ("1.2.840.10008.1.2.4.70", "1.2.840.10008.1.2.4.80", "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.5")
_CODINGS = ("inverted", "signed", "eight")
PICTURES = ("png eight", "png sixteen", "png alpha", "png palette", "jpeg grey", "jpeg colour", "jpeg progressive")
OTHERS = ("lateral", "noise", "gradient", "two knees")


@lru_cache(maxsize=1)
def bundled() -> dict[str, Path]:
    """pydicom's test objects that come with it, by name; nothing is downloaded."""
    root = Path(__import__("pydicom.data").data.__file__).parent
    files = [Path(name) for name in get_testdata_files() if root in Path(name).parents]
    return {path.relative_to(root).as_posix(): path for path in sorted(files) if path.is_file()}


@lru_cache(maxsize=256)
def base(name: str) -> Base:
    """The file of a name: one of `phantom_names`, `PICTURES`, `OTHERS` or `bundled`."""
    if name.startswith("knee "):
        _, side, uid, *coding = name.split(" ")
        film = _knee(Side(side), uid, coding[0] if coding else "")
        return Base(saved(film), is_knee=True, side=Side(side))
    if name in PICTURES:
        return Base(_picture(name), is_knee=True, side=Side.RIGHT)
    if name in OTHERS:
        return Base(saved(_other(name)), is_knee=False)
    return Base(bundled()[name].read_bytes(), is_knee=False)


def saved(film: Dataset) -> bytes:
    """The object's bytes, whatever pydicom thinks of it."""
    stream = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        film.save_as(stream, enforce_file_format=True)
    return stream.getvalue()


def with_canary(film: Dataset) -> Dataset:
    """The film with the canary in place of its patient."""
    for keyword, value in CANARY.items():
        setattr(film, keyword, value)
    film.file_meta.MediaStorageSOPInstanceUID = film.SOPInstanceUID
    return film


def knee_pixels(side: Side = Side.RIGHT) -> FloatImage:
    """(320, 320) float32: the phantom that all knees here show."""
    return make_phantom(_spec(side)).pixels


def knee_dataset() -> Dataset:
    """The right knee, uncompressed, to be made an attack of."""
    return _knee(Side.RIGHT, _EXPLICIT, "")


def _spec(side: Side) -> PhantomSpec:
    return PhantomSpec(side=side, grade=2, seed=0, size=(SIZE, SIZE))


def _knee(side: Side, uid: str, coding: str) -> Dataset:
    photometric = Photometric.MONOCHROME1 if coding == "inverted" else Photometric.MONOCHROME2
    film = with_canary(phantom_dataset(_spec(side), photometric))
    if coding == "eight" or uid == _JPEG_8_BIT:
        pixels = np.rint(knee_pixels(side) * 255).astype(np.uint8)
        film.BitsAllocated = film.BitsStored = 8
        film.HighBit, film.WindowCenter, film.WindowWidth = 7, "128", "256"
        film.PixelData = pixels.tobytes()
    if coding == "signed":
        stored = np.frombuffer(film.PixelData, "<u2").astype(np.int16) - 2048
        film.PixelRepresentation, film.RescaleIntercept = 1, "2048"
        film.BitsStored, film.HighBit = 16, 15
        film.PixelData = stored.tobytes()
    return encode(film, uid)


def _other(name: str) -> Dataset:
    if name == "two knees":
        film = two_knee_phantom_dataset(PhantomSpec(grade=2, seed=4), (300, 360))
        return encode(with_canary(film), _EXPLICIT)
    size = (SIZE, SIZE)
    pictures = {"lateral": lateral_picture(size), "noise": noise_picture(size), "gradient": gradient_picture(size)}
    film = with_canary(phantom_dataset(_spec(Side.RIGHT)))
    film.PixelData = np.rint(pictures[name] * 4095).astype("<u2").tobytes()
    return encode(film, _EXPLICIT)


def _picture(name: str) -> bytes:
    grey: npt.NDArray[np.uint8] = np.rint(knee_pixels() * 255).astype(np.uint8)
    stream = io.BytesIO()
    if name == "png sixteen":
        Image.fromarray(np.rint(knee_pixels() * 65535).astype(np.uint16)).save(stream, "PNG")
        return stream.getvalue()
    picture = Image.fromarray(grey)
    modes = {"png alpha": "RGBA", "png palette": "P", "jpeg colour": "RGB"}
    kind = name.split(maxsplit=1)[0].upper()
    options = {"progressive": True} if name.endswith("progressive") else {}
    picture.convert(modes.get(name, "L")).save(stream, kind, **options)
    return stream.getvalue()
