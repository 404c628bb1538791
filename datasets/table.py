"""Knee crops listed in a table: CSV, or Parquet with the `[train]` extra.

Data sheet. One row a picture; header names in any case and order: `image` (path, relative to the table's folder),
`subject` (both knees of a person, and all their visits, share it; a set that only judges may leave it out), `side` (R
or L), `kl` (0-4) and, if wanted, `split` (train, val or test; train where it is empty or absent). Also, if wanted:

- `reader`: who read it. A picture may then have a row a reader; all readings are kept, and `kl` is their lower median.
- `visit`: as the set names it.
- `jsn_medial`, `jsn_lateral`, `osteophytes_femur_medial` and its like, `sclerosis_femur_medial` and its like: 0-3.
- `mjsw_mm`: minimum joint space width in millimetres.
- `box_row`, `box_column`, `box_height`, `box_width`: the knee's place on a picture that shows both, in its pixels.
- `sex`, `age` (years), `site`, `manufacturer`, `view`, `cohort`: `kneeoa evaluate` has a table for each.

An empty cell is no reading, never a zero. Other columns are ignored.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from kneeoa.datasets.grade_folders import KneeImage
from kneeoa.datasets.readings import Feature, consensus, of_feature
from kneeoa.datasets.table_columns import OPTIONAL_COLUMNS, facts_of
from kneeoa.datasets.table_rows import Row, read_rows
from kneeoa.model.errors import DatasetError
from kneeoa.model.grades import KL_GRADES
from kneeoa.model.radiograph import Side

REQUIRED_COLUMNS = ("image", "subject", "side", "kl")
SPLITS = ("train", "val", "test")
_SIDES = MappingProxyType({"r": Side.RIGHT, "right": Side.RIGHT, "l": Side.LEFT, "left": Side.LEFT})
_Key = tuple[Path, Side | None]
"""One knee of the table; the side tells the two knees of one picture apart where boxes do."""


def read_table(path: Path, *, subject_required: bool = True) -> list[KneeImage]:
    """Lists the graded knees of a table, in its order.

    Args:
        path: a `.parquet` or `.pq` file, or else CSV in UTF-8 with commas.
        subject_required: whether every row must tell its subject; where not, column and cells may be missing, and
            `KneeImage.subject` is empty there.

    Returns:
        One record a picture, or a knee of it where boxes tell them apart. Pictures are looked for, but not opened here.

    Raises:
        DatasetError: the table cannot be read, has no rows or lacks a column, or a row has an unknown side or split, a
            KL grade that is none of 0 to 4, no subject, no such picture, a cell that is not of its column, or a picture
            that an earlier row of the same reader has.
    """
    required = tuple(name for name in REQUIRED_COLUMNS if subject_required or name != "subject")
    found: dict[_Key, tuple[str, KneeImage]] = {}
    for place, row in read_rows(path, required, (*REQUIRED_COLUMNS, *OPTIONAL_COLUMNS)):
        where = f"{path.name}, {place}"
        knee = _knee(row, path.parent, where)
        if subject_required and not knee.subject:
            raise DatasetError(
                f"{where}: the row has no subject. Without subjects a split cannot be kept free of leaks."
            )
        key = (knee.path.resolve(), knee.side if knee.facts.box else None)
        earlier = found.get(key)
        found[key] = (place, knee) if earlier is None else (earlier[0], _joined(earlier, knee, row, where))
    if not found:
        raise DatasetError(f"{path.name} has no rows. Write one a picture below the header.")
    return [knee for _, knee in found.values()]


def _joined(earlier: tuple[str, KneeImage], knee: KneeImage, row: Row, where: str) -> KneeImage:
    """Adds a further reader's row to a knee."""
    place, known = earlier
    readers = {reading.reader for reading in of_feature(known.facts.readings, Feature.KL)}
    reader = row.get("reader", "")
    if not reader or not readers or reader in readers:
        raise DatasetError(
            f"{where}: {row['image']} stands in {place} already. Keep one, or name a different reader in each row."
        )
    facts = known.facts
    plain = replace(knee, kl=known.kl, facts=replace(knee.facts, readings=facts.readings, widths=facts.widths))
    if plain != known:
        raise DatasetError(
            f"{where}: {row['image']} has another subject, side, split, visit, box or part of the set than in {place}. "
            "Rows of one picture differ in their readings alone."
        )
    readings = (*facts.readings, *knee.facts.readings)
    kl = consensus(reading.grade for reading in of_feature(readings, Feature.KL))
    widths = (*facts.widths, *(width for width in knee.facts.widths if width not in facts.widths))
    return replace(known, kl=kl, facts=replace(facts, readings=readings, widths=widths))


def _knee(row: Row, folder: Path, place: str) -> KneeImage:
    image = picture_of(row, folder, place)
    split = row.get("split", "").lower() or SPLITS[0]
    if split not in SPLITS:
        raise DatasetError(f"{place}: split {row['split']!r} is unknown. Write one of {', '.join(SPLITS)}.")
    side, kl = side_of(row, place), _kl(row["kl"], place)
    return KneeImage(image, row.get("subject", ""), side, kl, split, facts_of(row, kl, place))


def picture_of(row: Row, folder: Path, place: str) -> Path:
    """The picture that a row names.

    Raises:
        DatasetError: it names none, or there is no such file.
    """
    if not row["image"]:
        raise DatasetError(f"{place}: the row names no image. Give its path, relative to {folder}.")
    image = folder / row["image"]
    if not image.is_file():
        raise DatasetError(f"{place}: there is no file {row['image']} in {folder}. Paths are relative to the table.")
    return image


def side_of(row: Row, place: str) -> Side:
    """The patient's side that a row names.

    Raises:
        DatasetError: it is neither.
    """
    side = _SIDES.get(row["side"].lower())
    if side is None:
        raise DatasetError(f"{place}: side {row['side']!r} is unknown. Write R or L, the patient's side.")
    return side


def _kl(text: str, place: str) -> int:
    try:
        grade = float(text)
    except ValueError:
        grade = -1.0
    if grade not in KL_GRADES:
        raise DatasetError(
            f"{place}: KL {text!r} is no Kellgren-Lawrence grade. Write 0, 1, 2, 3 or 4; leave ungraded knees out."
        )
    return int(grade)
