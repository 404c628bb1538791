"""A graded knee's grey values: its picture, or its box on a picture that shows more than one knee."""

from __future__ import annotations

from kneeoa.datasets.grade_folders import KneeImage
from kneeoa.model.errors import FilmError, ReasonCode
from kneeoa.model.picture import read_grey
from kneeoa.model.radiograph import FloatImage


def read_knee(knee: KneeImage) -> FloatImage:
    """Reads one knee.

    Args:
        knee: a graded knee on disk.

    Returns:
        (rows, columns) float32 in [0, 1] of the knee alone, as displayed.

    Raises:
        FilmError: see `read_grey`; `bad_geometry` where the box does not lie on the picture.
    """
    pixels = read_grey(knee.path)
    box = knee.facts.box
    if box is None:
        return pixels
    rows, columns = pixels.shape
    if box.row + box.height > rows or box.column + box.width > columns:
        said = f"{box.height} x {box.width} from row {box.row}, column {box.column}"
        raise FilmError(ReasonCode.BAD_GEOMETRY, f"The box of {said} leaves the picture of {rows} x {columns}.")
    return pixels[box.row : box.row + box.height, box.column : box.column + box.width]
