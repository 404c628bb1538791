"""What a report says of a knee or a film, in coded facts: the one list that SR and FHIR print."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from kneeoa.model.errors import Refusal
from kneeoa.model.grades import FilmGrades, KLGrade, KneeGrades
from kneeoa.model.joint_grades import CompartmentGrades
from kneeoa.serving.results.codes import CodeTable, Concept
from kneeoa.serving.results.words import film_remarks


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit of UCUM."""

    value: str
    meaning: str


MILLIMETRE, PER_CENT, PIXEL = Unit("mm", "mm"), Unit("%", "percent"), Unit("{pixels}", "pixels")
GRADE, SHARE = Unit("{grade}", "grade"), Unit("{ratio}", "ratio")
"""Not UCUM's unit 1: OHIF leaves out a number that is 0 and shows its unit, so that KL 0 read as grade 1."""


@dataclass(frozen=True, slots=True)
class CodedFact:
    """A name and a code; `part` is the compartment that it is about, or "" for the knee."""

    name: Concept
    value: Concept
    part: str = ""


@dataclass(frozen=True, slots=True)
class NumberFact:
    """A name, a number and its unit; `part` as in `CodedFact`."""

    name: Concept
    value: float
    unit: Unit
    part: str = ""


@dataclass(frozen=True, slots=True)
class Facts:
    """Everything said of one knee or film, the most important first.

    Attributes:
        codes, numbers: coded facts. The first number of a graded knee is its grade.
        remarks: sentences; never of a patient.
    """

    codes: tuple[CodedFact, ...]
    numbers: tuple[NumberFact, ...]
    remarks: tuple[str, ...]


def knee_facts(grades: FilmGrades, knee: KneeGrades, codes: CodeTable) -> Facts:
    """What a report says of one of its knees; flags of the film are said of each.

    Args:
        grades: the report.
        knee: one of its knees.
        codes: what concepts are called.
    """
    told: list[CodedFact] = []
    numbers: list[NumberFact] = []
    if knee.kl is not None:
        told.append(CodedFact(codes["kl_grade"], codes[f"kl_{knee.kl.grade}"]))
        numbers.append(NumberFact(codes["kl_grade"], float(knee.kl.grade), GRADE))
        numbers.append(NumberFact(codes["oa_probability"], knee.kl.oa_probability, SHARE))
    told += _status(knee.refusal or (grades.refusal if knee.kl is None else None), codes)
    parts = knee.joint_space or {}
    for name, part in parts.items():
        numbers += _width(name, part, codes)
    if knee.kl is not None:
        told += _kl_codes(knee.kl, codes)
        numbers += _kl_numbers(knee.kl, codes)
    for name, part in parts.items():
        told += _narrowing_codes(name, part, codes)
        numbers += _more_widths(name, part, codes)
    told.append(CodedFact(codes["side_source"], codes[f"side_{knee.side_source.value}"]))
    flags = dict.fromkeys((*knee.flags, *film_remarks(grades)))
    told += [CodedFact(codes["flag"], codes.flag(flag)) for flag in flags]
    told.append(CodedFact(codes["intended_use"], codes["not_sole"]))
    return Facts(tuple(told), tuple(numbers), _remarks(knee.refusal or grades.refusal))


def film_facts(grades: FilmGrades, codes: CodeTable) -> Facts:
    """What a report says of a film without any knee."""
    told = _status(grades.refusal, codes)
    told += [CodedFact(codes["flag"], codes.flag(flag)) for flag in dict.fromkeys(grades.flags)]
    told.append(CodedFact(codes["intended_use"], codes["not_sole"]))
    return Facts(tuple(told), (), _remarks(grades.refusal))


def _status(refusal: Refusal | None, codes: CodeTable) -> list[CodedFact]:
    if refusal is None:
        return [CodedFact(codes["status"], codes["graded"])]
    reason = CodedFact(codes["reason"], codes[f"reason_{refusal.code.value}"])
    return [CodedFact(codes["status"], codes["refused"]), reason]


def _remarks(refusal: Refusal | None) -> tuple[str, ...]:
    return () if refusal is None else (f"{refusal.message} {refusal.remedy}",)


def _kl_codes(kl: KLGrade, codes: CodeTable) -> Iterator[CodedFact]:
    for grade in kl.prediction_set or ():
        yield CodedFact(codes["kl_possible"], codes[f"kl_{grade}"])
    if kl.abstain is not None:
        yield CodedFact(codes["kl_abstain"], codes["no" if kl.abstain else "yes"])


def _kl_numbers(kl: KLGrade, codes: CodeTable) -> Iterator[NumberFact]:
    yield NumberFact(codes["kl_expected"], kl.expected, GRADE)
    for grade, share in enumerate(kl.probabilities):
        yield NumberFact(codes[f"kl_probability_{grade}"], share, SHARE)


def _width(name: str, part: CompartmentGrades, codes: CodeTable) -> Iterator[NumberFact]:
    """The minimum: in millimetres, or without them as a share of the plateau."""
    if part.minimum_mm is not None:
        yield NumberFact(codes[f"jsw_minimum_{name}"], part.minimum_mm, MILLIMETRE, name)
    elif part.minimum_percent_of_plateau is not None:
        yield NumberFact(codes[f"jsw_percent_{name}"], part.minimum_percent_of_plateau, PER_CENT, name)


def _more_widths(name: str, part: CompartmentGrades, codes: CodeTable) -> Iterator[NumberFact]:
    if part.minimum_interval_mm is not None:
        for limit, value in zip(("low", "high"), part.minimum_interval_mm, strict=True):
            yield NumberFact(codes[f"jsw_minimum_{limit}_{name}"], value, MILLIMETRE, name)
    if part.minimum_mm is not None and part.minimum_percent_of_plateau is not None:
        yield NumberFact(codes[f"jsw_percent_{name}"], part.minimum_percent_of_plateau, PER_CENT, name)
    if part.mean_mm is not None:
        yield NumberFact(codes[f"jsw_mean_{name}"], part.mean_mm, MILLIMETRE, name)
    for key, share in (("jsn_percent", part.narrowing_percent), ("jsw_rank", part.kl0_percentile)):
        if share is not None:
            yield NumberFact(codes[f"{key}_{name}"], share, PER_CENT, name)
    if part.jsn is not None and part.jsn.probabilities is not None:
        for grade, share in enumerate(part.jsn.probabilities):
            yield NumberFact(codes[f"jsn_probability_{grade}_{name}"], share, SHARE, name)
    yield NumberFact(codes[f"jsw_quality_{name}"], part.quality, SHARE, name)
    yield from _fixed_widths(name, part, codes)


def _fixed_widths(name: str, part: CompartmentGrades, codes: CodeTable) -> Iterator[NumberFact]:
    unit = MILLIMETRE if part.fixed_unit == "mm" else PIXEL
    for kind, widths in (("fixed_plateau", part.fixed_plateau), ("fixed_femur", part.fixed_femur)):
        for x, width in (widths or {}).items():
            yield NumberFact(codes.at(kind, name, x), width, unit, name)


def _narrowing_codes(name: str, part: CompartmentGrades, codes: CodeTable) -> Iterator[CodedFact]:
    if part.jsn is not None:
        yield CodedFact(codes[f"jsn_{name}"], codes[f"jsn_{part.jsn.grade}"], name)
        yield CodedFact(codes[f"jsn_origin_{name}"], codes[f"jsn_origin_{part.jsn.origin}"], name)
    if part.borderline is not None:
        yield CodedFact(codes[f"jsn_borderline_{name}"], codes["yes" if part.borderline else "no"], name)
    if part.reason is not None:
        yield CodedFact(codes[f"jsw_reason_{name}"], codes[part.reason], name)
        return
    yield CodedFact(codes[f"jsw_contact_{name}"], codes["no" if part.contact else "yes"], name)
    if part.millimetres is not None:
        yield CodedFact(codes[f"jsw_scale_{name}"], codes[f"scale_{part.millimetres}"], name)
