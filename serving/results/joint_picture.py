"""The joint space on a picture of the film: both edges, and the place of the minimum, with its width in words."""

from __future__ import annotations

from collections.abc import Callable

from PIL import ImageDraw, ImageFont

from kneeoa.model.grades import KneeGrades
from kneeoa.model.joint_grades import CompartmentGrades

FEMUR, TIBIA, MINIMUM = (96, 200, 255), (120, 235, 140), (255, 236, 90)
"""Colours of the femur's edge, of the tibia's, and of the minimum."""
_WIDTH_PX = 15
_LEAST_PX = 160
"""Knees framed narrower than this show no words at the joint."""
Place = Callable[[float, float], tuple[float, float]]


def draw_joint_space(draw: ImageDraw.ImageDraw, knee: KneeGrades, place: Place, finer: int) -> None:
    """Draws a knee's joint space; nothing where there is none.

    Args:
        draw: of a layer `finer` times as large as the picture.
        knee: of the report.
        place: film (row, column) to (x, y) of the picture.
        finer: see `draw`.
    """
    for part in (knee.joint_space or {}).values():
        for edge, colour in ((part.femur_edge, FEMUR), (part.tibia_edge, TIBIA)):
            points = [tuple(n * finer for n in place(*point)) for point in edge]
            if len(points) > 1:
                draw.line(points, fill=colour, width=finer + 1, joint="curve")
        if len(part.minimum_at) == 2:
            _draw_minimum(draw, part, place, finer)


def width_words(part: CompartmentGrades) -> str:
    """A compartment's minimum in words: millimetres where there are any, or % of the plateau."""
    if part.reason is not None:
        return f"not measured ({part.reason.replace('_', ' ')})"
    if part.contact:
        return "no visible space"
    if part.minimum_mm is not None:
        return f"{part.minimum_mm:.1f} mm{' at the detector' if part.millimetres == 'detector' else ''}"
    return f"{part.minimum_percent_of_plateau or 0.0:.1f} % of the plateau"


def narrowing_words(part: CompartmentGrades) -> str:
    """What a compartment's width means, or nothing where the side is unknown."""
    if part.jsn is None or part.narrowing_percent is None:
        return ""
    said = f"narrowing grade {part.jsn.grade} ({part.jsn.origin}), {part.narrowing_percent:.0f} % against KL 0"
    return f"{said}, borderline" if part.borderline else said


def _draw_minimum(draw: ImageDraw.ImageDraw, part: CompartmentGrades, place: Place, finer: int) -> None:
    (above_x, above_y), (below_x, below_y) = (place(*point) for point in part.minimum_at)
    line = [(above_x * finer, above_y * finer), (below_x * finer, below_y * finer)]
    draw.line(line, fill=MINIMUM, width=2 * finer)
    reach = 3 * finer
    x, y = line[1]
    draw.ellipse((x - reach, y - reach, x + reach, y + reach), outline=MINIMUM, width=finer)
    edge_x = [place(*point)[0] for point in part.femur_edge]
    if edge_x and max(edge_x) - min(edge_x) > 0.2 * _LEAST_PX:
        font = ImageFont.load_default(_WIDTH_PX * finer)
        unit = f"{part.minimum_mm:.1f}" if part.minimum_mm is not None else f"{part.minimum_percent_of_plateau:.1f}%"
        wide = draw.textlength(unit, font)
        draw.text((x - wide / 2, y + 6 * finer), unit, MINIMUM, font)
