"""A part: the results of one shard, one row a knee, and one row for a film without any.

Names are those of the report (docs/report.md) flattened: `kl.grade` is `kl_grade`, `joint_space.medial.minimum_mm` is
`medial_minimum_mm`. What the film and each of its knees both have is the film's plainly, and the knee's with `knee_`.
"""

from __future__ import annotations

import pyarrow as pa

from kneeoa.serving.archive.columns import Column, schema_of

PART_VERSION = "1.0"
COMPARTMENTS = ("medial", "lateral", "image_left", "image_right")
"""Of the joint space; the last two where the side is unknown."""
_WORD = pa.dictionary(pa.int16(), pa.string())
_REAL = pa.float64()
_WORDS = pa.list_(pa.string())
_BY_PLACE = pa.map_(pa.string(), _REAL)


def _compartment(part: str) -> tuple[Column, ...]:
    kinds: tuple[tuple[str, pa.DataType, str], ...] = (
        ("minimum_px", _REAL, "smallest width in the zone"),
        ("minimum_mm", _REAL, "likewise; null without spacing"),
        ("minimum_percent_of_plateau", _REAL, "likewise"),
        ("minimum_low_mm", _REAL, "lower end of `minimum_interval_mm`"),
        ("minimum_high_mm", _REAL, "its upper end"),
        ("mean_mm", _REAL, "mean width of the zone"),
        ("fixed_plateau", _BY_PLACE, "widths by place along the plateau"),
        ("fixed_femur", _BY_PLACE, "widths by place along the femur"),
        ("fixed_unit", _WORD, "of these two: `mm` or `px`"),
        ("millimetres", _WORD, "`joint`, or `detector` where only its spacing is known"),
        ("contact", pa.bool_(), "no visible space"),
        ("narrowing_percent", _REAL, "against the median of KL 0"),
        ("narrowing_low_percent", _REAL, "lower end of `narrowing_interval_percent`"),
        ("narrowing_high_percent", _REAL, "its upper end"),
        ("kl0_percentile", _REAL, "share of KL 0 knees that are narrower, in %"),
        ("borderline", pa.bool_(), "the error could change the narrowing grade"),
        ("jsn_grade", pa.int8(), "narrowing, 0 to 3"),
        ("jsn_origin", _WORD, "`measured` or `network`"),
        *((f"jsn_probability_{grade}", _REAL, "of that grade; null where measured") for grade in range(4)),
        ("quality", _REAL, "probability that the minimum is right within half a millimetre"),
        ("reason", _WORD, "why there is no width"),
    )
    return tuple(Column(f"{part}_{name}", kind, f"{part}: {meaning}") for name, kind, meaning in kinds)


FILM_COLUMNS = (
    Column("row", pa.int64(), "row of the manifest", required=True),
    Column("knee", pa.int8(), "number of the knee, from 0, image left to right; null for a film without any"),
    Column("knees", pa.int8(), "how many knees the film has", required=True),
    Column("source", pa.string(), "as in the manifest", required=True),
    Column("member", pa.string(), "as in the manifest"),
    Column("sop_instance_uid", pa.string(), "as in the manifest"),
    Column("study_instance_uid", pa.string(), "as in the manifest"),
    Column("series_instance_uid", pa.string(), "as in the manifest"),
    Column("schema_version", _WORD, "of the report", required=True),
    Column("rows", pa.int32(), "of the film"),
    Column("columns", pa.int32(), "of the film"),
    Column("row_spacing_mm", _REAL, "between rows: the first of `pixel_spacing_mm`"),
    Column("column_spacing_mm", _REAL, "between columns: the second"),
    Column("spacing_origin", _WORD, "`PixelSpacing`, `ImagerPixelSpacing` or `none`", required=True),
    Column("modality", _WORD, "as in the report"),
    Column("view", _WORD, "as in the report", required=True),
    Column("view_source", _WORD, "`tag` or `picture`", required=True),
    Column("release_name", _WORD, "of the networks", required=True),
    Column("release_sha256", _WORD, "of their `release.json`", required=True),
    Column("release_software", _WORD, "version of KneeOA", required=True),
    Column("refusal_code", _WORD, "why the film has no grade; null for a graded film"),
    Column("refusal_message", pa.string(), "the same in a sentence"),
    Column("flags", _WORDS, "of the film", required=True),
    Column("seconds_read", _REAL, "reading and decoding the film", required=True),
    Column("seconds_find", _REAL, "finding its knees", required=True),
    Column("seconds_grade", _REAL, "grading and measuring", required=True),
    Column("seconds_total", _REAL, "their sum", required=True),
)
KNEE_COLUMNS = (
    Column("side", _WORD, "`R`, `L` or `unknown`; null, as all that follow, for a film without any knee"),
    Column("side_source", _WORD, "what told it"),
    Column("centre_row", _REAL, "of the joint's middle, film pixels"),
    Column("centre_column", _REAL, "likewise"),
    Column("plateau_width_px", _REAL, "width of the tibial plateau"),
    Column("angle_degrees", _REAL, "of the knee, anticlockwise"),
    Column("confidence", _REAL, "of the finder, in [0, 1]"),
    Column("box_row", _REAL, "top-left corner of the square that was graded"),
    Column("box_column", _REAL, "likewise"),
    Column("box_height", _REAL, "its height"),
    Column("box_width", _REAL, "its width"),
    Column("knee_refusal_code", _WORD, "why this knee has no grade"),
    Column("knee_refusal_message", pa.string(), "the same in a sentence"),
    Column("knee_flags", _WORDS, "of the knee"),
    Column("kl_grade", pa.int8(), "0 to 4; null where refused"),
    *(Column(f"kl_probability_{grade}", _REAL, f"of KL {grade}, calibrated") for grade in range(5)),
    Column("kl_expected", _REAL, "probability-weighted grade"),
    Column("kl_oa_probability", _REAL, "P(KL >= 2)"),
    Column("kl_prediction_set", pa.list_(pa.int8()), "grades that cannot be excluded"),
    Column("kl_abstain", pa.bool_(), "the release declines to name one grade"),
    *(column for part in COMPARTMENTS for column in _compartment(part)),
    Column("embedding", pa.list_(pa.float32()), "of the KL network; null without `--embeddings`"),
)
PART_COLUMNS = FILM_COLUMNS + KNEE_COLUMNS
PART_SCHEMA = schema_of(PART_COLUMNS, PART_VERSION)
TIMING_COLUMNS = ("seconds_read", "seconds_find", "seconds_grade", "seconds_total")
"""The only columns in which two runs of the same release over the same files differ."""
