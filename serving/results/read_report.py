"""A report that was kept as JSON, as the object that every printer takes."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TypeVar

from pydantic import TypeAdapter

from kneeoa.model.errors import Refusal
from kneeoa.model.grades import JSON, Box, FilmGrades, KLGrade, KneeGrades, ReleaseFacts, Seconds
from kneeoa.model.joint_grades import CompartmentGrades
from kneeoa.model.radiograph import FilmFacts, Side, SideSource

T = TypeVar("T")
_ADAPTERS: Mapping[type, TypeAdapter[object]] = MappingProxyType(
    {kind: TypeAdapter(kind) for kind in (FilmFacts, ReleaseFacts, Refusal, Seconds, Box, KLGrade, CompartmentGrades)}
)


def film_grades(report: dict[str, JSON]) -> FilmGrades:
    """The report of `docs/report.md`, read back; the heat map was never in it.

    Args:
        report: one film's.

    Raises:
        ValueError: it is no report of this schema version.
    """
    knees = report.get("knees")
    return FilmGrades(
        film=_read(FilmFacts, report.get("film")),
        release=_read(ReleaseFacts, report.get("release")),
        refusal=_optional(Refusal, report.get("refusal")),
        flags=_flags(report.get("flags")),
        knees=tuple(_knee(knee) for knee in knees if isinstance(knee, dict)) if isinstance(knees, list) else (),
        seconds=_read(Seconds, report.get("seconds") or {}),
    )


def _knee(knee: dict[str, JSON]) -> KneeGrades:
    parts = knee.get("joint_space")
    return KneeGrades(
        side=Side(str(knee["side"])),
        side_source=SideSource(str(knee["side_source"])),
        centre=_point(knee.get("centre")),
        plateau_width_px=_number(knee.get("plateau_width_px")),
        angle_degrees=_number(knee.get("angle_degrees")),
        confidence=_number(knee.get("confidence")),
        box=_optional(Box, knee.get("box")),
        refusal=_optional(Refusal, knee.get("refusal")),
        flags=_flags(knee.get("flags")),
        kl=_optional(KLGrade, knee.get("kl")),
        joint_space=None
        if not isinstance(parts, dict)
        else {name: _read(CompartmentGrades, part) for name, part in parts.items()},
    )


def _read(kind: type[T], value: JSON) -> T:
    found = _ADAPTERS[kind].validate_python(value)
    if not isinstance(found, kind):
        raise TypeError(kind.__name__)
    return found


def _optional(kind: type[T], value: JSON) -> T | None:
    return None if value is None else _read(kind, value)


def _flags(value: JSON) -> tuple[str, ...]:
    return tuple(str(flag) for flag in value) if isinstance(value, list) else ()


def _number(value: JSON) -> float | None:
    return float(value) if isinstance(value, int | float) else None


def _point(value: JSON) -> tuple[float, float] | None:
    if not isinstance(value, list) or len(value) != 2:
        return None
    row, column = (_number(item) for item in value)
    return None if row is None or column is None else (row, column)
