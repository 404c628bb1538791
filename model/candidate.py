"""What a header alone says about whether its film would be graded: the reader's rules and the gate's, before pixels."""

from __future__ import annotations

from kneeoa.model.dicom_facts import age_years, body_part
from kneeoa.model.dicom_header import Header
from kneeoa.model.dicom_rules import checked_geometry
from kneeoa.model.errors import FilmError, Refusal
from kneeoa.model.gate import refuse_by_statement
from kneeoa.model.radiograph import FilmFacts


def refuse_by_head(header: Header, facts: FilmFacts) -> Refusal | None:
    """Why the object would not be graded whatever its pixels show; None for a candidate.

    Args:
        header: as `dicom_header.read_header` gives it; its pixels are not touched.
        facts: of the same header, by `dicom_facts.film_facts`.
    """
    if header.fault is not None:
        return header.fault.refusal
    try:
        checked_geometry(header)
    except FilmError as error:
        return error.refusal
    return refuse_by_statement(facts, body_part(header.elements), age_years(header.elements))
