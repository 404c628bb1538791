"""Films in every transfer syntax that a PACS may send: for tests, and for checking a site's own road end to end.

The encoders come with the decoders that KneeOA needs anyway. GDCM writes the four JPEG syntaxes, and only to files,
so its films pass through a private temporary folder.
"""

from __future__ import annotations

import copy
import tempfile
from pathlib import Path
from types import MappingProxyType

import numpy as np
from pydicom import Dataset, dcmread
from pydicom.dataset import FileMetaDataset
from pydicom.encaps import encapsulate, generate_frames
from pydicom.uid import UID

from kneeoa.model.dicom_codecs import COMPRESSED, JPEG, JPEG_2000, JPEG_LS
from kneeoa.model.dicom_header import DEFLATED, EXPLICIT_BIG, EXPLICIT_LITTLE, IMPLICIT_LITTLE
from kneeoa.model.errors import DatasetError

HTJ2K = frozenset(f"1.2.840.10008.1.2.4.{n}" for n in (201, 202, 203))
"""High-Throughput JPEG 2000: OpenJPEG reads it and does not write it."""
LOSSY = frozenset(f"1.2.840.10008.1.2.4.{n}" for n in (50, 51, 81, 91))
ENCODABLE = (frozenset({IMPLICIT_LITTLE, EXPLICIT_LITTLE, EXPLICIT_BIG, DEFLATED}) | COMPRESSED) - HTJ2K
NARROW = frozenset(f"1.2.840.10008.1.2.4.{n}" for n in (50, 51, 90, 91))
"""Codecs that write 8-bit pixels from 8-bit containers only."""
NEAR_LOSSLESS_ERROR = 3
"""JPEG-LS near-lossless: no pixel is farther off than this."""
J2K_RATIO = 8.0
_JPEG_8_BIT = "1.2.840.10008.1.2.4.50"
_LOSSY_METHODS = MappingProxyType({"50": "ISO_10918_1", "51": "ISO_10918_1", "81": "ISO_14495_1", "91": "ISO_15444_1"})
NAMES = MappingProxyType(
    {
        "implicit": IMPLICIT_LITTLE,
        "explicit": EXPLICIT_LITTLE,
        "big-endian": EXPLICIT_BIG,
        "deflated": DEFLATED,
        "rle": "1.2.840.10008.1.2.5",
        "jpeg-baseline": _JPEG_8_BIT,
        "jpeg-extended": "1.2.840.10008.1.2.4.51",
        "jpeg-lossless-14": "1.2.840.10008.1.2.4.57",
        "jpeg-lossless": "1.2.840.10008.1.2.4.70",
        "jpeg-ls": "1.2.840.10008.1.2.4.80",
        "jpeg-ls-near": "1.2.840.10008.1.2.4.81",
        "jpeg-2000-lossless": "1.2.840.10008.1.2.4.90",
        "jpeg-2000": "1.2.840.10008.1.2.4.91",
    }
)
"""What people call the syntaxes of `ENCODABLE`."""


def syntax_uid(name: str) -> str:
    """The UID of a transfer syntax, given by a name of `NAMES` or by that UID itself.

    Raises:
        DatasetError: it is none that can be written here.
    """
    uid = NAMES.get(name.lower(), name)
    if uid not in ENCODABLE:
        raise DatasetError(f"No encoder for transfer syntax {name!r}: choose one of {', '.join(NAMES)}.")
    return uid


def encode(dataset: Dataset, transfer_syntax_uid: str) -> Dataset:
    """Writes a film's pixels in another transfer syntax.

    Args:
        dataset: one frame, uncompressed, little endian, 8 or 16 bits allocated; grey where it is to be compressed.
        transfer_syntax_uid: one of `ENCODABLE`. JPEG Extended (.51) is 12-bit where Bits Stored is 12.

    Returns:
        A copy with File Meta Information, ready for `save_as`; the original is left alone.

    Raises:
        DatasetError: the syntax has no encoder here, or cannot hold so many bits or colours.

    References:
        PS3.5 annex A: what each syntax does to the pixels.
    """
    if transfer_syntax_uid not in ENCODABLE:
        raise DatasetError(f"No encoder for {transfer_syntax_uid}: choose one of {', '.join(sorted(ENCODABLE))}.")
    if transfer_syntax_uid == _JPEG_8_BIT and dataset.BitsStored > 8:
        raise DatasetError("JPEG Baseline (.50) holds 8 bits: choose .51 for 12, or .70 for more.")
    if transfer_syntax_uid in NARROW and dataset.BitsStored <= 8 < dataset.BitsAllocated:
        raise DatasetError(f"{transfer_syntax_uid} holds 8 bits in 8: choose to allocate 8.")
    if transfer_syntax_uid in COMPRESSED and dataset.SamplesPerPixel != 1:
        raise DatasetError("Only grey pixels can be compressed here: choose Explicit VR Little Endian for colours.")
    film = copy.deepcopy(dataset)
    film.file_meta = FileMetaDataset()
    film.file_meta.MediaStorageSOPClassUID = film.SOPClassUID
    film.file_meta.MediaStorageSOPInstanceUID = film.SOPInstanceUID
    film.file_meta.TransferSyntaxUID = UID(transfer_syntax_uid)
    if transfer_syntax_uid == EXPLICIT_BIG:
        film["PixelData"].VR = "OW"
        # PS3.5 8.1.1: in OW the words are swapped, whether they hold one pixel or two bytes; in tables they are too.
        for element in film.iterall():
            if element.VR == "OW":
                element.value = np.frombuffer(element.value, dtype="<u2").astype(">u2").tobytes()
    if transfer_syntax_uid not in COMPRESSED:
        return film
    codestream = _codestream(dataset, transfer_syntax_uid)
    film.PixelData = encapsulate([codestream])
    film["PixelData"].VR = "OB"
    film["PixelData"].is_undefined_length = True
    if transfer_syntax_uid in LOSSY:
        _state_loss(film, len(dataset.PixelData) / len(codestream))
    return film


def _state_loss(film: Dataset, ratio: float) -> None:
    """What a lossy film must say of itself.

    References:
        PS3.3 C.7.6.1.1.5 (ratio and method of lossy compression), C.7.6.1.1.2 (DERIVED).
    """
    film.LossyImageCompression = "01"
    film.LossyImageCompressionRatio = f"{ratio:.4g}"
    film.LossyImageCompressionMethod = _LOSSY_METHODS[film.file_meta.TransferSyntaxUID.rsplit(".", 1)[1]]
    if "ImageType" in film:
        film.ImageType = ["DERIVED", *film.ImageType[1:]]


def _codestream(dataset: Dataset, uid: str) -> bytes:
    rows, columns, bits = int(dataset.Rows), int(dataset.Columns), int(dataset.BitsStored)
    content = bytes(dataset.PixelData)[: rows * columns * dataset.BitsAllocated // 8]
    if uid in JPEG:
        return _jpeg(dataset, uid)
    if uid in JPEG_LS:
        from jpeg_ls import encode_buffer

        return bytes(encode_buffer(content, rows, columns, 1, bits, NEAR_LOSSLESS_ERROR if uid in LOSSY else 0))
    if uid in JPEG_2000:
        from openjpeg.utils import encode_buffer as encode_j2k

        signed = dataset.PixelRepresentation == 1
        ratios = [J2K_RATIO] if uid in LOSSY else None
        return bytes(
            encode_j2k(content, columns, rows, 1, bits, signed, photometric_interpretation=2, compression_ratios=ratios)
        )
    from rle.utils import encode_pixel_data

    return bytes(
        encode_pixel_data(
            content,
            rows=rows,
            columns=columns,
            samples_per_pixel=1,
            bits_allocated=int(dataset.BitsAllocated),
            byteorder="<",
        )
    )


def _jpeg(dataset: Dataset, uid: str) -> bytes:
    import gdcm

    for quiet in (gdcm.Trace.WarningOff, gdcm.Trace.ErrorOff, gdcm.Trace.DebugOff):
        quiet()
    plain = encode(dataset, EXPLICIT_LITTLE)
    with tempfile.TemporaryDirectory() as folder:
        before, after = Path(folder, "before.dcm"), Path(folder, "after.dcm")
        plain.save_as(before, enforce_file_format=True)
        reader = gdcm.ImageReader()
        reader.SetFileName(str(before))
        if not reader.Read():
            raise DatasetError("GDCM cannot read the film: it must be one uncompressed grey frame.")
        image = reader.GetImage()
        bits = int(dataset.BitsStored)
        if 8 < bits <= 12:
            # GDCM chooses the codestream's precision by the bits *allocated*: this is how it writes true 12 bits.
            signed = int(dataset.PixelRepresentation)
            image.SetPixelFormat(gdcm.PixelFormat(1, 12, bits, bits - 1, signed))
        change = gdcm.ImageChangeTransferSyntax()
        change.SetTransferSyntax(gdcm.TransferSyntax(gdcm.TransferSyntax.GetTSType(uid)))
        change.SetInput(image)
        writer = gdcm.ImageWriter()
        writer.SetFileName(str(after))
        changed = change.Change()
        writer.SetFile(reader.GetFile())
        writer.SetImage(change.GetOutput())
        if not changed or not writer.Write():
            raise DatasetError(f"GDCM cannot write {bits}-bit pixels as {uid}.")
        return bytes(next(generate_frames(dcmread(after).PixelData, number_of_frames=1)))
