"""Films from files: DICOM objects, PNG and JPEG pictures. Reads one, or says by name why it cannot."""

from __future__ import annotations

import os
import stat
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from kneeoa.model.dicom_facts import (
    FOR_PROCESSING,
    age_years,
    body_part,
    film_facts,
    patient_orientation,
    side_of,
    user_spacing,
)
from kneeoa.model.dicom_grey import displayed, refuse_blank_picture
from kneeoa.model.dicom_header import Header, read_header
from kneeoa.model.dicom_pixels import stored_pixels
from kneeoa.model.dicom_rules import checked_geometry, refuse_slender
from kneeoa.model.errors import FilmError, ReasonCode
from kneeoa.model.picture import PICTURE_MAGICS, read_grey
from kneeoa.model.radiograph import FilmFacts, Radiograph, Side, SideSource

_NOT_BLOCKING = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)


def read_radiograph(source: str | Path, *, side: Side | None = None, spacing_mm: float | None = None) -> Radiograph:
    """Reads a plain radiograph from a DICOM, PNG or JPEG file.

    Args:
        source: path of the file.
        side: the patient's side, where the file does not state it.
        spacing_mm: pixel spacing in millimetres, where the file does not state it.

    Returns:
        The film, bone bright, never mirrored. Flags: "no_window" (no window was stated), "window_ignored" (the stated
        one showed nothing), "reduced" (above 32 megapixels, `pixels` are block means and smaller than the facts' rows
        and columns), "bilateral", "side_conflict" (the user's side is not the object's), "for_processing".

    Raises:
        FilmError: for whatever is wrong, with the facts that were learnt before. Never any other exception.
    """
    name = str(source).encode("utf-8", "backslashreplace").decode()  # a name that is no text has no place in JSON
    facts = FilmFacts(name)
    try:
        with _opened(Path(source)) as stream:
            size = os.fstat(stream.fileno()).st_size
            head = stream.read(132)
            stream.seek(0)
            # An object whose preamble is a picture's is an object: the preamble is nobody's, PS3.10 7.1.
            if head.startswith(PICTURE_MAGICS) and head[128:] != b"DICM":
                return _picture(Path(source), facts, side, spacing_mm)
            header = read_header(stream, size)
            facts = film_facts(name, header.elements, spacing_mm)
            return _film(header, facts, side)
    except FilmError as error:
        raise FilmError(error.refusal.code, error.refusal.message, error.facts or facts) from None
    except MemoryError:
        raise FilmError(ReasonCode.TOO_LARGE, "There is not enough memory to read the film.", facts) from None
    except (OSError, ValueError) as error:
        # A path with a null byte is a ValueError; the texts of both name the path, which may name the patient.
        why = error.strerror if isinstance(error, OSError) and error.strerror else "it cannot be opened"
        raise FilmError(ReasonCode.UNREADABLE_FILE, f"The file cannot be read: {why}.", facts) from None
    except Exception:  # noqa: BLE001, RUF100 - the promise to raise nothing else; texts of others may quote the header
        raise FilmError(ReasonCode.NOT_DICOM, "The object contradicts itself.", facts) from None


def _opened(path: Path) -> BinaryIO:
    """The regular file, open; never waits for the other end of a pipe."""
    if not stat.S_ISREG(path.stat().st_mode):
        raise FilmError(ReasonCode.UNREADABLE_FILE, "The path names a folder, a pipe or a device, not a file.")
    descriptor = os.open(path, os.O_RDONLY | _NOT_BLOCKING)
    # It may have become a pipe in between: opened without blocking, it only has no size and no content.
    return os.fdopen(descriptor, "rb")


def _film(header: Header, facts: FilmFacts, user_side: Side | None) -> Radiograph:
    if header.fault is not None:
        raise header.fault
    geometry = checked_geometry(header)
    elements = header.elements
    pixels, remarks = displayed(stored_pixels(header, geometry), elements)
    side, side_source, flags = side_of(elements, user_side)
    raw = (FOR_PROCESSING,) if elements.text(0x00080068).upper() == "FOR PROCESSING" else ()
    return Radiograph(
        pixels=pixels,
        facts=facts,
        side=side,
        side_source=side_source,
        body_part=body_part(elements),
        patient_age_years=age_years(elements),
        flags=(*remarks, *flags, *raw),
        patient_orientation=patient_orientation(elements),
    )


def _picture(path: Path, facts: FilmFacts, side: Side | None, spacing_mm: float | None) -> Radiograph:
    pixels = read_grey(path)
    refuse_slender(*pixels.shape)
    refuse_blank_picture(pixels)
    spacing, origin = user_spacing(spacing_mm)
    rows, columns = pixels.shape
    facts = replace(facts, rows=rows, columns=columns, pixel_spacing_mm=spacing, spacing_origin=origin)
    stated = side in {Side.LEFT, Side.RIGHT}
    return Radiograph(
        pixels=pixels,
        facts=facts,
        side=side if side is not None and stated else Side.UNKNOWN,
        side_source=SideSource.USER if stated else SideSource.NONE,
    )
