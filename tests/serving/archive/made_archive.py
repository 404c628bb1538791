"""An archive that nobody scored: manifest and parts of made-up films, in the real schemas, as large as is asked for."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date, timedelta
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from kneeoa.datasets.transfer_syntax import NAMES
from kneeoa.serving.archive.layout import ArchiveLayout
from kneeoa.serving.archive.manifest_schema import MANIFEST_SCHEMA
from kneeoa.serving.archive.part_schema import PART_SCHEMA

SHA256 = "5eed" * 16
SITES = ("North hospital", "Harbour clinic", "East practice", None)
DEVICES = (("KneeOA", "phantom"), ("Acme", "DX-3000"), ("Acme", "DX-100"), ("Rad", "CR 25"), (None, None))
SEXES = ("F", "M", "O", None)
SYNTAXES = ("explicit", "jpeg-lossless", "jpeg-2000-lossless", "rle")
REFUSALS = ("not_frontal", "not_a_knee", "implant", "corrupt_pixels")
OTHERS = (("film", None), ("double", None), ("other", "wrong_modality"), ("unreadable", "not_dicom"))
_SYNTAX_SECONDS = (0.42, 0.66, 1.3, 0.45)

Integers = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class MadeArchive:
    """How large, and of which chance.

    Attributes:
        files: rows of the manifest.
        shard_films: films a shard.
        seed: of all that is drawn.
        visits: films a patient.
        copies: how often the same files come again, as other rows: large archives are made quickly.
    """

    files: int
    shard_films: int = 1000
    seed: int = 1
    visits: int = 3
    copies: int = 1

    def write(self, root: Path) -> ArchiveLayout:
        """Writes manifest and parts."""
        layout = ArchiveLayout(root)
        layout.partition(SHA256).mkdir(parents=True)
        chance = np.random.default_rng(self.seed)
        rows = np.arange(self.files)
        fate = chance.choice(len(OTHERS), self.files, p=(0.9, 0.02, 0.07, 0.01))
        films = rows[fate == 0]
        order = np.full(self.files, -1)
        order[fate == 0] = np.arange(len(films))
        manifest = self._manifest(rows, fate, order // self.shard_films)
        parts = [self._part(films[at : at + self.shard_films]) for at in range(0, len(films), self.shard_films)]
        with pq.ParquetWriter(layout.manifest, MANIFEST_SCHEMA) as writer:
            for copy in range(self.copies):
                again = _shifted(manifest, "shard", copy * len(parts))
                writer.write_table(_shifted(again, "row", copy * self.files))
                for shard, part in enumerate(parts, copy * len(parts)):
                    pq.write_table(_shifted(part, "row", copy * self.files), layout.part(SHA256, shard))
        said = json.dumps({"shards": self.copies * len(parts)})
        layout.success(SHA256).write_text(said, encoding="utf-8")
        return layout

    def _patient(self, rows: Integers) -> Integers:
        return rows // self.visits

    def _site(self, rows: Integers) -> Integers:
        return self._patient(rows) * 7919 % 97 % len(SITES)

    def _device(self, rows: Integers) -> Integers:
        return (self._site(rows) + rows % 2) % len(DEVICES)

    def _age(self, rows: Integers) -> Integers:
        return 30 + self._patient(rows) * 104_729 % 61 + 2 * (rows % self.visits)

    def _manifest(self, rows: Integers, fate: Integers, shard: Integers) -> pa.Table:
        film, count = fate == 0, len(rows)
        device = [DEVICES[one] for one in self._device(rows)]
        day = [
            date(2008, 1, 15) + timedelta(int(patient) * 37 % 3650 + 730 * int(row % self.visits))
            for row, patient in zip(rows, self._patient(rows), strict=True)
        ]
        columns: dict[str, object] = {
            "row": rows,
            "source": self._source(rows),
            "fate": [OTHERS[one][0] for one in fate],
            "reason": [OTHERS[one][1] for one in fate],
            "shard": pa.array(shard, mask=~film),
            "sop_instance_uid": [f"2.25.{row}1" for row in rows],
            "study_instance_uid": [f"2.25.{row}2" for row in rows],
            "series_instance_uid": [f"2.25.{row}3" for row in rows],
            "patient": [f"{patient:016x}" for patient in self._patient(rows)],
            "modality": np.where(fate == 2, "MR", "DX"),
            "study_date": day,
            "manufacturer": [one[0] for one in device],
            "model": [one[1] for one in device],
            "institution": [SITES[one] for one in self._site(rows)],
            "sex": [SEXES[one % len(SEXES)] for one in self._patient(rows) % 11 % 5],
            "age_years": self._age(rows),
            "body_part": np.full(count, "KNEE"),
            "view": np.full(count, "PA"),
            "rows": np.full(count, 3000),
            "columns": np.full(count, 2500),
            "transfer_syntax": [NAMES[SYNTAXES[one]] for one in rows % len(SYNTAXES)],
            "bytes": 15_000_000 // (1 + rows % len(SYNTAXES)),
        }
        return _table(columns, count, MANIFEST_SCHEMA)

    def _source(self, rows: Integers) -> list[str]:
        return [f"/films/{row // 10_000:05d}/{row:09d}.dcm" for row in rows]

    def _part(self, films: Integers) -> pa.Table:
        """Every tenth film is refused; of the others every second shows both knees."""
        chance = np.random.default_rng([self.seed, int(films[0])])
        refused = films % 10 == 7
        both = ~refused & (films % 2 == 0)
        rows = np.repeat(films, np.where(both, 2, 1))
        knee = np.concatenate([[0], (rows[1:] == rows[:-1]).astype(np.int64)])
        graded, count = rows % 10 != 7, len(rows)
        severity = 0.35 + 0.045 * (self._age(rows) - 62) + 0.25 * (self._site(rows) == 1)
        latent = chance.normal(severity[:, None] + np.zeros(5), 1.0).mean(axis=1) + chance.normal(0, 1.1, count)
        distance = -1.4 * np.abs(np.arange(5)[None, :] - np.clip(latent + 0.6, -0.4, 4.4)[:, None])
        likely = np.exp(distance) / np.exp(distance).sum(axis=1, keepdims=True)
        grade = likely.argmax(axis=1)
        seconds = np.array(_SYNTAX_SECONDS)[rows % len(SYNTAXES)] * np.exp(
            0.18 * np.random.default_rng(films[0]).normal(size=count)
        )
        seconds = np.where(knee == 1, np.roll(seconds, 1), seconds)
        narrowed = np.clip(chance.normal(np.array([8, 12, 18, 52, 82])[grade], 14), 0, 100)
        columns: dict[str, object] = {
            "row": rows,
            "knee": pa.array(knee, mask=~graded),
            "knees": np.where(graded, np.where(rows % 2 == 0, 2, 1), 0),
            "source": self._source(rows),
            "sop_instance_uid": [f"2.25.{row}1" for row in rows],
            "study_instance_uid": [f"2.25.{row}2" for row in rows],
            "series_instance_uid": [f"2.25.{row}3" for row in rows],
            "schema_version": np.full(count, "1.0"),
            "rows": np.full(count, 3000),
            "columns": np.full(count, 2500),
            "spacing_origin": np.full(count, "PixelSpacing"),
            "modality": np.full(count, "DX"),
            "view": np.full(count, "PA"),
            "view_source": np.full(count, "tag"),
            "release_name": np.full(count, "kneeoa-6"),
            "release_sha256": np.full(count, SHA256),
            "release_software": np.full(count, "0.1.0"),
            "refusal_code": [
                None if ok else REFUSALS[row // 10 % len(REFUSALS)] for row, ok in zip(rows, graded, strict=True)
            ],
            "flags": [[]] * count,
            "seconds_read": 0.3 * seconds,
            "seconds_find": 0.4 * seconds,
            "seconds_grade": 0.3 * seconds,
            "seconds_total": seconds,
            "side": pa.array(
                np.where(rows % 2 == 0, np.where(knee == 0, "R", "L"), np.where(rows % 3 == 0, "R", "L")), mask=~graded
            ),
            "knee_flags": [
                None if not ok else (["unusual_film"] if row % 997 == 0 else [])
                for row, ok in zip(rows, graded, strict=True)
            ],
            "confidence": pa.array(0.5 + 0.5 * likely.max(axis=1), mask=~graded),
            "kl_grade": pa.array(grade, mask=~graded),
            "kl_expected": pa.array(likely @ np.arange(5), mask=~graded),
            "kl_oa_probability": pa.array(likely[:, 2:].sum(axis=1), mask=~graded),
            **{f"kl_probability_{one}": pa.array(likely[:, one], mask=~graded) for one in range(5)},
            "medial_narrowing_percent": pa.array(narrowed, mask=~graded),
            "medial_minimum_mm": pa.array(5.2 * (1 - narrowed / 100), mask=~graded),
            "lateral_narrowing_percent": pa.array(np.full(count, 5.0), mask=~graded),
        }
        return _table(columns, count, PART_SCHEMA)


def _shifted(table: pa.Table, name: str, by: int) -> pa.Table:
    place = table.schema.get_field_index(name)
    field = table.schema.field(place)
    return table.set_column(place, field, pc.add(table.column(place), pa.scalar(by, field.type))) if by else table


def _table(columns: dict[str, object], count: int, schema: pa.Schema) -> pa.Table:
    arrays = []
    for field in schema:
        found = columns.get(field.name)
        made = pa.nulls(count, field.type) if found is None else found
        if not isinstance(made, pa.Array):
            plain = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
            made = pa.array(made, plain)
        arrays.append(
            made.cast(field.type)
            if not pa.types.is_dictionary(field.type)
            else made.cast(field.type.value_type).dictionary_encode().cast(field.type)
        )
    return pa.Table.from_arrays(arrays, schema=schema)
