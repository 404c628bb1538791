"""The picture of measured joint spaces: phantoms of grades 0 to 4 with both edges, each under its caption."""

from __future__ import annotations

from PIL import Image, ImageDraw

from kneeoa.datasets.phantom import PhantomSpec, make_phantom
from kneeoa.model.joint_space import JointSpace, JointSpaceMeter
from kneeoa.model.radiograph import Side
from kneeoa.training.joint_association import MM, NAMES
from kneeoa.training.joint_charts import draw_joint
from kneeoa.training.joint_phantoms import true_minima_mm

PHANTOMS = ((0, 4.6, 5.4), (1, 4.2, 5.8), (2, 3.4, 5.0), (3, 1.8, 6.0), (3, 5.0, 1.4), (4, 0.0, 6.2))
"""Grade, medial and lateral width in mm at the narrowest place."""
_SEED = 90
_PANEL = (448, 153)
_STRIP, _LETTERS = 56, 21
"""Height of the caption above a panel, and of its letters, in pixels."""
_GAP = 8


def caption(grade: int, found: JointSpace, truth: tuple[float, float]) -> str:
    """Two lines: what was measured in either compartment, and what is true."""
    parts = []
    for name, true in zip(NAMES, truth, strict=True):
        percent = found.compartments[name].minimum_percent
        said = "unmeasured" if percent is None else f"{percent * MM:.1f} mm"
        parts.append(f"{name} {said} (true {true:.1f})")
    return f"KL {grade}: {parts[0]}\n{parts[1]}"


def joint_montage(meter: JointSpaceMeter) -> Image.Image:
    """Two columns of phantoms; captions stand above the pictures, not on them."""
    panels = []
    for i, (grade, medial, lateral) in enumerate(PHANTOMS):
        phantom = make_phantom(PhantomSpec(Side.RIGHT, grade, _SEED + i, (299, 299), None, False, medial, lateral))
        found = meter.measure(phantom.pixels, Side.RIGHT)
        both = draw_joint(phantom.pixels, found)
        marked = both.crop((0, both.height // 2, both.width, both.height))
        panel = Image.new("RGB", (_PANEL[0], _STRIP + _PANEL[1]), "white")
        panel.paste(marked.resize(_PANEL, Image.Resampling.LANCZOS), (0, _STRIP))
        words = caption(grade, found, true_minima_mm(phantom))
        ImageDraw.Draw(panel).multiline_text((4, 2), words, fill="black", font_size=_LETTERS, spacing=4)
        panels.append(panel)
    rows = (len(panels) + 1) // 2
    wide, high = panels[0].size
    montage = Image.new("RGB", (2 * wide + _GAP, rows * (high + _GAP) - _GAP), "white")
    for i, panel in enumerate(panels):
        montage.paste(panel, ((i % 2) * (wide + _GAP), (i // 2) * (high + _GAP)))
    return montage
