"""Films in every transfer syntax that a PACS may send: for tests, and for checking a site's own road end to end.

The encoders come with the decoders that KneeOA needs anyway. GDCM writes the four JPEG syntaxes, and only to files,
so its films pass through a private temporary folder.
"""

from __future__ import annotations

import copy
import tempfile
from pathlib import Path

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
NEAR_LOSSLESS_ERROR = 3
"""JPEG-LS near-lossless: no pixel is farther off than this."""
J2K_RATIO = 8.0
_JPEG_8_BIT = "1.2.840.10008.1.2.4.50"


def encode(dataset: Dataset, transfer_syntax_uid: str) -> Dataset:
    """Writes a film's pixels in another transfer syntax.

    Args:
        dataset: one grey frame, uncompressed, little endian, 8 or 16 bits allocated.
        transfer_syntax_uid: one of `ENCODABLE`. JPEG Extended (.51) is 12-bit where Bits Stored is 12.

    Returns:
        A copy with File Meta Information, ready for `save_as`; the original is left alone.

    Raises:
        DatasetError: the syntax has no encoder here, or cannot hold so many bits.

    References:
        PS3.5 annex A: what each syntax does to the pixels.
    """
    if transfer_syntax_uid not in ENCODABLE:
        raise DatasetError(f"No encoder for {transfer_syntax_uid}: choose one of {', '.join(sorted(ENCODABLE))}.")
    if transfer_syntax_uid == _JPEG_8_BIT and dataset.BitsStored > 8:
        raise DatasetError("JPEG Baseline (.50) holds 8 bits: choose .51 for 12, or .70 for more.")
    film = copy.deepcopy(dataset)
    film.file_meta = FileMetaDataset()
    film.file_meta.MediaStorageSOPClassUID = film.SOPClassUID
    film.file_meta.MediaStorageSOPInstanceUID = film.SOPInstanceUID
    film.file_meta.TransferSyntaxUID = UID(transfer_syntax_uid)
    if transfer_syntax_uid == EXPLICIT_BIG:
        film["PixelData"].VR = "OW"
        # PS3.5 8.1.1: in OW the words are swapped, whether they hold one pixel or two bytes.
        film.PixelData = np.frombuffer(film.PixelData, dtype="<u2").astype(">u2").tobytes()
    if transfer_syntax_uid not in COMPRESSED:
        return film
    codestream = _codestream(dataset, transfer_syntax_uid)
    film.PixelData = encapsulate([codestream])
    film["PixelData"].VR = "OB"
    film["PixelData"].is_undefined_length = True
    if transfer_syntax_uid in LOSSY:
        film.LossyImageCompression = "01"
    return film


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
