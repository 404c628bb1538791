"""Reports flattened into rows of a part, and rows into the part's table."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import TypeAlias

import pyarrow as pa

from kneeoa.model.grades import FilmGrades, KLGrade, KneeGrades
from kneeoa.model.joint_grades import CompartmentGrades
from kneeoa.serving.archive.engine import Tally
from kneeoa.serving.archive.manifest_schema import ManifestRow
from kneeoa.serving.archive.part_schema import COMPARTMENTS, FILM_COLUMNS, KNEE_COLUMNS, PART_COLUMNS, PART_SCHEMA

Cell: TypeAlias = (
    "str | int | float | bool | Sequence[str] | Sequence[int] | Sequence[float] | Sequence[tuple[str, float]] | None"
)
PartRow: TypeAlias = tuple[Cell, ...]
"""The cells of `PART_COLUMNS`, in their order."""
Embedding: TypeAlias = "tuple[float, ...] | None"
_TALLY = b"kneeoa_tally"
_PER_COMPARTMENT = sum(column.name.startswith(f"{COMPARTMENTS[0]}_") for column in KNEE_COLUMNS)


def part_rows(film: ManifestRow, grades: FilmGrades, embeddings: Sequence[Embedding] = ()) -> list[PartRow]:
    """One row a knee, or one for a film without any.

    Args:
        film: its row of the manifest, whose source and UIDs the part repeats, hashed or not.
        grades: its report.
        embeddings: one a knee, or none at all.
    """
    if not grades.knees:
        return [(*_film(film, grades, None), *(None for _ in KNEE_COLUMNS))]
    kept = tuple(embeddings) or (None,) * len(grades.knees)
    return [
        (*_film(film, grades, number), *_knee(knee), embedding)
        for number, (knee, embedding) in enumerate(zip(grades.knees, kept, strict=True))
    ]


def tally_of(grades: FilmGrades) -> Tally:
    """The film as progress counts it."""
    if grades.refusal is None:
        return Tally(graded=1)
    return Tally(failed=1) if grades.refusal.is_read_error else Tally(refused=1)


def part_table(rows: Sequence[PartRow], tally: Tally) -> pa.Table:
    """Rows as a table of `PART_SCHEMA`, whose metadata also tells how the shard's films ended."""
    columns = list(zip(*rows, strict=True)) if rows else [()] * len(PART_COLUMNS)
    arrays = [pa.array(cells, column.kind) for cells, column in zip(columns, PART_COLUMNS, strict=True)]
    counts = json.dumps({"graded": tally.graded, "refused": tally.refused, "failed": tally.failed}).encode()
    table = pa.Table.from_arrays(arrays, schema=PART_SCHEMA)
    return table.replace_schema_metadata({**PART_SCHEMA.metadata, _TALLY: counts})


def tally_in(schema: pa.Schema) -> Tally:
    """How the films of a part ended, from its metadata.

    Raises:
        ValueError: it is no part.
    """
    try:
        return Tally(**json.loads((schema.metadata or {})[_TALLY]))
    except (KeyError, TypeError) as error:
        raise ValueError("This is no part of an archive.") from error


def _film(film: ManifestRow, grades: FilmGrades, knee: int | None) -> PartRow:
    facts, release, seconds = grades.film, grades.release, grades.seconds
    spacing = facts.pixel_spacing_mm or (None, None)
    refusal = grades.refusal
    cells: PartRow = (
        *(film.row, knee, len(grades.knees), film.source, film.member),
        *(film.sop_instance_uid, film.study_instance_uid, film.series_instance_uid),
        *(grades.schema_version, facts.rows, facts.columns, *spacing, facts.spacing_origin.value),
        *(facts.modality, facts.view, facts.view_source.value),
        *(release.name, release.sha256, release.software),
        *((None, None) if refusal is None else (refusal.code.value, refusal.message)),
        grades.flags,
        *(seconds.read, seconds.find, seconds.grade, seconds.total),
    )
    assert len(cells) == len(FILM_COLUMNS)  # noqa: S101 - the two stand in two modules
    return cells


def _knee(knee: KneeGrades) -> PartRow:
    """All cells of a knee but its embedding."""
    box, refusal = knee.box, knee.refusal
    parts: Mapping[str, CompartmentGrades] = knee.joint_space or {}
    return (
        *(knee.side.value, knee.side_source.value),
        *(knee.centre or (None, None)),
        *(knee.plateau_width_px, knee.angle_degrees, knee.confidence),
        *((None,) * 4 if box is None else (box.row, box.column, box.height, box.width)),
        *((None, None) if refusal is None else (refusal.code.value, refusal.message)),
        knee.flags,
        *_kl(knee.kl),
        *(cell for name in COMPARTMENTS for cell in _compartment(parts.get(name))),
    )


def _kl(kl: KLGrade | None) -> PartRow:
    if kl is None:
        return (None,) * 10
    return (kl.grade, *kl.probabilities, kl.expected, kl.oa_probability, kl.prediction_set, kl.abstain)


def _compartment(part: CompartmentGrades | None) -> PartRow:
    if part is None:
        return (None,) * _PER_COMPARTMENT
    jsn = part.jsn
    chances = (None,) * 4 if jsn is None or jsn.probabilities is None else jsn.probabilities
    return (
        *(part.minimum_px, part.minimum_mm, part.minimum_percent_of_plateau),
        *(part.minimum_interval_mm or (None, None)),
        part.mean_mm,
        *(None if widths is None else tuple(widths.items()) for widths in (part.fixed_plateau, part.fixed_femur)),
        *(part.fixed_unit, part.millimetres, part.contact, part.narrowing_percent),
        *(part.narrowing_interval_percent or (None, None)),
        *(part.kl0_percentile, part.borderline),
        *((None, None) if jsn is None else (jsn.grade, jsn.origin)),
        *chances,
        *(part.quality, part.reason),
    )
