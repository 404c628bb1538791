"""Why a film is routed as it is: every rule, every condition, and which of them the film does not meet."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from kneeoa.model.picture import PICTURE_MAGICS
from kneeoa.serving.routing.routing import Order, Routing
from kneeoa.serving.routing.rule_settings import NO_RULE, OWN_RESULT, Decision
from kneeoa.serving.routing.tag_path import TagPath

_PATIENT_GROUP = 0x0010
_PLAIN_VRS = frozenset({"CS", "DS", "IS", "US", "SS", "UL", "SL", "FL", "FD"})
"""Codes and numbers; every other value may say who the patient is, or lead there."""
_CODE_TAGS = frozenset({0x00080100, 0x00080102, 0x00080104, 0x00080016, 0x00080070, 0x00081090})
"""Code Value, Coding Scheme Designator, Code Meaning; SOP Class, Manufacturer, its model's name."""


def explain(routing: Routing, film: Path, *, values: bool = False) -> Iterator[str]:
    """Lines that say what is done with a film and why.

    Args:
        routing: the rules.
        film: the file; nothing of it is kept.
        values: whether values that may tell who the patient is are shown.

    Raises:
        FilmError: `not_dicom`.
        OSError: the file cannot be read.
    """
    with film.open("rb") as stream:
        picture = stream.read(132).startswith(PICTURE_MAGICS)
    found = routing.values(film, ".png" if picture else ".dcm")
    order = routing.decide(found)
    yield _decision(order)
    if order.rule == OWN_RESULT:
        yield "  a result of KneeOA that an archive has sent on: it is never graded"
    for trial in routing.trials(found):
        here = trial.rule.name == order.rule
        said = "decides" if here else "matches, too late" if trial.matches else "does not match"
        yield f"{trial.rule.name}: {said}"
        for checked in trial.checked:
            shown = ", ".join(map(repr, checked.found)) or "nothing"
            seen = (
                shown
                if values or not checked.found or is_plain(checked.condition.path)
                else "a value that is not shown"
            )
            yield f"  {'yes' if checked.holds else 'NO '} {checked.condition.sentence}; the film has {seen}"
        if not trial.checked:
            yield "  yes (no condition)"


def is_plain(path: TagPath) -> bool:
    """Whether a value is a code or a number of the film, and says nothing of who the patient is."""
    tag = path.tags[-1]
    in_patient_module = any(one >> 16 == _PATIENT_GROUP for one in path.tags)
    return not in_patient_module and (path.vr in _PLAIN_VRS or tag in _CODE_TAGS)


def _decision(order: Order) -> str:
    by = "no rule matches" if order.rule == NO_RULE else f"rule {order.rule}"
    if order.decision is Decision.IGNORE:
        return f"ignore: {by}"
    priority = "5 (as usual)" if order.priority is None else str(order.priority)
    to = "all" if order.destinations is None else ", ".join(order.destinations) or "none"
    return f"grade: {by}; priority {priority}; destinations: {to}"
