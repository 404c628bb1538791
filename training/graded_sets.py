"""Graded knees by whatever names them: a folder, a table, a cohort's files, or a configuration of any of these.

Without torch, so that looking at a set is quick.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from kneeoa.configs.schema import DataConfig, load_data_config
from kneeoa.datasets.grade_folders import KneeImage, read_grade_folders
from kneeoa.datasets.most import read_most
from kneeoa.datasets.oai import read_oai
from kneeoa.datasets.table import read_table

CONFIG_SUFFIXES = (".yaml", ".yml")


@dataclass(frozen=True, slots=True)
class GradedSet:
    """A set of graded knees.

    Attributes:
        name: of its folder or file; not its path.
        layout: "folders", "table", "oai" or "most".
        knees: its knees, in the set's order.
        note: what was left out, or empty.
    """

    name: str
    layout: str
    knees: tuple[KneeImage, ...]
    note: str = ""


def read_set(data: Path, split: str | None = None, *, subject_required: bool = False) -> GradedSet:
    """Reads the set that a path names.

    Args:
        data: a folder in the published layout, a CSV or Parquet table, or a YAML file: see `load_data_config`.
        split: of a folder, the one split to read; all where None. Tables and cohorts are always read whole.
        subject_required: whether every row of a table must tell its subject.

    Raises:
        DatasetError, ConfigError: the data are missing or not in their layout; the message says what to do.
    """
    if data.is_dir():
        knees = read_grade_folders(data, None if split is None else (split,))
        return GradedSet(data.resolve().name, "folders", tuple(knees))
    if data.suffix.lower() in CONFIG_SUFFIXES:
        return read_configured(load_data_config(data), split)
    return GradedSet(data.resolve().name, "table", tuple(read_table(data, subject_required=subject_required)))


def read_configured(data: DataConfig, split: str | None = None) -> GradedSet:
    """Reads the set that a configuration names; every knee has a subject.

    Args:
        data: the section `data` of a configuration.
        split: see `read_set`.

    Raises:
        DatasetError: see `read_set`.
    """
    name = data.root.resolve().name
    if data.format in {"oai", "most"}:
        joined = (
            read_oai(data.root, data.readings, data.widths, data.projects)
            if data.format == "oai"
            else read_most(data.root, data.readings)
        )
        return GradedSet(name, data.format, joined.knees, joined.note())
    if data.format == "table":
        return GradedSet(name, "table", tuple(read_table(data.root)))
    return GradedSet(name, "folders", tuple(read_grade_folders(data.root, None if split is None else (split,))))
