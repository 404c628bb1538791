"""Holds measured joint spaces against outlines that somebody drew, and against Kellgren-Lawrence grades.

Outlines are pictures of the crop's size with the joint space white (`<name>.png`), or curves (`<name>.json`, see
`joint_outlines`); crops are looked for by name below the data's folder. Where that folder has the published layout,
all knees of the asked part are measured too, and held against their grades.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from pydantic import JsonValue

from kneeoa.datasets.grade_folders import PICTURE_SUFFIXES, read_grade_folders
from kneeoa.model.errors import DatasetError
from kneeoa.model.joint_band import JointPlace
from kneeoa.model.joint_release import JointSpaceSettings, meter_of
from kneeoa.model.joint_space import JointSpace, JointSpaceMeter
from kneeoa.model.joint_widths import LATERAL_ZONE, MEDIAL_ZONE, Curves, Floats, measure_zone
from kneeoa.model.picture import read_grey
from kneeoa.model.radiograph import FloatImage, Side
from kneeoa.model.release import load_release
from kneeoa.training.joint_association import association, minimum_widths
from kneeoa.training.joint_charts import bland_altman, draw_failure
from kneeoa.training.joint_outlines import read_outline

ZONES = {"medial": MEDIAL_ZONE, "lateral": LATERAL_ZONE}
PLATEAU_MM = 75.0
REFERENCE_PX = 299
"""Errors of edges are told in pixels of crops of this width."""
FAILED_DICE, FAILED_EDGE_PX = 0.7, 3.0


@dataclass(frozen=True, slots=True)
class Compared:
    """One compartment against its outline.

    Attributes:
        name: of the crop, without its ending.
        compartment: "medial" or "lateral".
        dice: overlap of the joint space in the zone; 1 where both are empty.
        femur_px: mean absolute error of the femur's edge in pixels of a 299 pixel crop; NaN without an outline there.
        tibia_px: likewise.
        measured_mm: minimum width at a 75 mm plateau.
        drawn_mm: likewise of the outline.
        quality: of the measurement.
    """

    name: str
    compartment: str
    dice: float
    femur_px: float
    tibia_px: float
    measured_mm: float
    drawn_mm: float
    quality: float

    @property
    def failed(self) -> bool:
        """Whether the outlines disagree grossly."""
        off = np.nan_to_num([self.femur_px, self.tibia_px])
        return bool(self.dice < FAILED_DICE or off.max() > FAILED_EDGE_PX)


def edges_of_mask(mask: FloatImage) -> tuple[Floats, Floats]:
    """The edges of a drawn joint space.

    Args:
        mask: (rows, columns) float32, joint space 1.

    Returns:
        Two (columns,) rows of the space's upper and lower border; NaN where nothing is drawn.
    """
    inside = mask > 0.5
    rows = mask.shape[0]
    drawn = inside.any(axis=0)
    top = np.where(drawn, inside.argmax(axis=0) - 0.5, np.nan)
    bottom = np.where(drawn, rows - inside[::-1].argmax(axis=0) - 0.5, np.nan)
    return top, bottom


def compare(found: JointSpace, drawn: tuple[Floats, Floats], name: str, shape: tuple[int, ...]) -> list[Compared]:
    """Holds a measurement against an outline, compartment by compartment.

    Args:
        found: measured.
        drawn: (columns,) upper and lower border of the joint space, NaN where none is drawn.
        name: of the crop.
        shape: of the crop.
    """
    if found.reason is not None or found.plateau_width_px is None:
        return [Compared(name, c, 0.0, np.nan, np.nan, np.nan, np.nan, 0.0) for c in ZONES]
    columns = np.arange(shape[1], dtype=np.float64)
    edges = []
    for edge in (found.femur_edge, found.tibia_edge):
        order = np.argsort(edge[:, 1])
        edges.append(np.interp(columns, edge[order, 1], edge[order, 0]))
    (lateral, medial) = found.plateau_ends[:, 1]
    x = (columns - medial) / (lateral - medial)
    made = []
    for compartment, zone in ZONES.items():
        inside = (x >= zone[0]) & (x <= zone[1])
        part = found.compartments[compartment]
        ours = np.stack([edge[inside] for edge in edges])
        if part.contact:
            ours[0] = ours[1]
        theirs = np.stack([edge[inside] for edge in drawn])
        scale = REFERENCE_PX / shape[1]
        off = [
            float(np.nanmean(np.abs(ours[k] - theirs[k]))) * scale if np.isfinite(theirs[k]).any() else np.nan
            for k in (0, 1)
        ]
        made.append(
            Compared(
                name=name,
                compartment=compartment,
                dice=_dice(ours, theirs),
                femur_px=off[0],
                tibia_px=off[1],
                measured_mm=(part.minimum_percent or 0.0) / 100 * PLATEAU_MM,
                drawn_mm=_drawn_minimum(found, drawn, zone) * PLATEAU_MM,
                quality=part.quality,
            )
        )
    return made


def _dice(ours: Floats, theirs: Floats) -> float:
    their_height = np.nan_to_num(theirs[1] - theirs[0])
    our_height = ours[1] - ours[0]
    both = np.nan_to_num(np.minimum(ours[1], theirs[1]) - np.maximum(ours[0], theirs[0]))
    total = our_height.sum() + their_height.sum()
    return float(2 * np.maximum(both, 0).sum() / total) if total > 0 else 1.0


def _drawn_minimum(found: JointSpace, drawn: tuple[Floats, Floats], zone: tuple[float, float]) -> float:
    """Minimum of an outline in plateau widths, by the rule of the measurement; 0 where the zone is not wholly open."""
    (lateral, medial) = found.plateau_ends
    across = medial - lateral
    # As if medial lay at image right, whatever the side.
    sign = 1.0 if across[1] > 0 else -1.0
    middle = (lateral + medial) / 2
    turn = -np.degrees(np.arctan2(across[0], sign * across[1]))
    place = JointPlace(float(middle[0]), sign * float(middle[1]), float(np.hypot(*across)), float(turn))
    columns = np.arange(len(drawn[0]), dtype=np.float64)
    known = np.isfinite(drawn[0]) & np.isfinite(drawn[1])
    if known.sum() < 2:
        return 0.0
    sides = []
    for edge in drawn:
        x, down = place.from_crop(np.stack([edge[known], sign * columns[known]], axis=1))
        order = np.argsort(x)
        sides.append((x[order], down[order]))
    at = np.linspace(*zone, 60)
    x_known = sides[0][0]
    gaps = np.abs(at[:, None] - x_known).min(axis=1)
    if gaps.max() > 0.02:
        return 0.0
    x = np.linspace(-0.06, 1.06, 240)
    curves = Curves(x, np.interp(x, *sides[0]), np.interp(x, *sides[1]))
    return measure_zone(curves, zone).minimum


def summary(compared: list[Compared]) -> dict[str, JsonValue]:
    """Figures by compartment."""
    said: dict[str, JsonValue] = {}
    for compartment in ZONES:
        some = [c for c in compared if c.compartment == compartment]
        ours, theirs = (np.array([getattr(c, n) for c in some]) for n in ("measured_mm", "drawn_mm"))
        known = np.isfinite(ours) & np.isfinite(theirs)
        off = ours[known] - theirs[known]
        said[compartment] = {
            "knees": len(some),
            "dice_mean": _mean([c.dice for c in some]),
            "dice_median": round(float(np.median([c.dice for c in some])), 4),
            "femur_edge_px": _mean([c.femur_px for c in some]),
            "tibia_edge_px": _mean([c.tibia_px for c in some]),
            "minimum_bias_mm": _mean(off.tolist()),
            "minimum_mae_mm": _mean(np.abs(off).tolist()),
            "minimum_icc": round(icc_2_1(ours[known], theirs[known]), 4),
            "failed": sum(c.failed for c in some),
        }
    return said


def icc_2_1(one: Floats, other: Floats) -> float:
    """Intraclass correlation, two-way random effects, absolute agreement, single measurement.

    References:
        Shrout & Fleiss, Psychol Bull 1979;86:420, ICC(2,1).
    """
    table = np.stack([one, other], axis=1)
    n, k = table.shape
    if n < 2:
        return float("nan")
    grand = table.mean()
    rows = k * ((table.mean(axis=1) - grand) ** 2).sum() / (n - 1)
    columns = n * ((table.mean(axis=0) - grand) ** 2).sum() / (k - 1)
    total = ((table - grand) ** 2).sum()
    rest = (total - rows * (n - 1) - columns * (k - 1)) / ((n - 1) * (k - 1))
    scale = rows + (k - 1) * rest + k * (columns - rest) / n
    return float((rows - rest) / scale) if scale > 0 else float("nan")


def _mean(values: list[float]) -> float | None:
    known = [value for value in values if np.isfinite(value)]
    return round(float(np.mean(known)), 4) if known else None


def _pairs(data: Path, outlines: Path) -> Iterator[tuple[Path, Path]]:
    pictures = {
        path.stem: path
        for path in sorted(data.rglob("*"))
        if path.suffix.lower() in PICTURE_SUFFIXES and outlines not in path.parents
    }
    for outline in sorted(outlines.iterdir()):
        if outline.suffix.lower() in (".png", ".json") and outline.stem in pictures:
            yield pictures[outline.stem], outline


def evaluate_joint_space(
    release: str, data: Path, outlines: Path, out: Path, split: str = "val"
) -> dict[str, JsonValue]:
    """Judges a release's joint space on crops with outlines; writes figures, a table and pictures.

    Args:
        release: name or folder.
        data: folder that holds the crops, named `<subject><L or R>`.
        outlines: folder of outlines named as the crops.
        out: folder for `joint_space.json`, `joint_space.csv`, `bland_altman.png`, `failures/` and, of graded knees,
            `association.png`; pictures of failures show films.
        split: which part of graded knees is held against its grades.

    Raises:
        DatasetError: no outline has a crop, or a crop's name does not tell its side.
        ReleaseError: the release is not valid, or measures no joint space.
    """
    meter, settings = load_meter(release)
    compared: list[Compared] = []
    out.mkdir(parents=True, exist_ok=True)
    for picture, outline in _pairs(data, outlines):
        crop = read_grey(picture)
        if picture.stem[-1:].upper() not in ("L", "R"):
            raise DatasetError(f"{picture.name} does not end in L or R: rename it <subject><side>.")
        found = meter.measure(crop, Side(picture.stem[-1].upper()))
        if outline.suffix.lower() == ".json":
            drawn = read_outline(outline).edges(crop.shape[1])
        else:
            drawn = edges_of_mask(read_grey(outline))
        rows = compare(found, drawn, picture.stem, crop.shape)
        if any(row.failed for row in rows):
            draw_failure(crop, found, drawn, out / "failures" / f"{picture.stem}.png")
        compared += rows
    if not compared:
        raise DatasetError(f"No outline in {outlines} has a crop of its name below {data}.")
    said = summary(compared)
    if (data / split).is_dir():
        knees = read_grade_folders(data, (split,))
        said["association"] = association(knees, minimum_widths(meter, knees), settings, out / "association.png")
    (out / "joint_space.json").write_text(json.dumps(said, indent=1) + "\n", encoding="utf-8")
    with (out / "joint_space.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(asdict(compared[0])))
        writer.writeheader()
        writer.writerows(asdict(row) for row in compared)
    pairs = {c: [(r.measured_mm, r.drawn_mm) for r in compared if r.compartment == c] for c in ZONES}
    bland_altman({name: np.array(rows) for name, rows in pairs.items()}, out / "bland_altman.png")
    return said


def load_meter(release: str) -> tuple[JointSpaceMeter, JointSpaceSettings]:
    """The meter of a release and its settings.

    Raises:
        ReleaseError: it measures no joint space.
    """
    from kneeoa.model.errors import ReleaseError

    loaded = load_release(release)
    settings = loaded.manifest.joint_space
    if settings is None:
        raise ReleaseError(f"Release {loaded.manifest.name} measures no joint space. Name one that does.")
    return meter_of(loaded.contents, settings), settings
