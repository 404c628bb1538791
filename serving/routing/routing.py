"""Decides by rules what is done with a film: the first rule that matches; without one it is graded, for everybody."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from kneeoa.serving.results.result_object import CAPTURE_SERIES, MANUFACTURER, SR_SERIES, STUDY_SERIES
from kneeoa.serving.routing.film_values import FilmValues, read_values
from kneeoa.serving.routing.rule_settings import (
    NO_RULE,
    OWN_RESULT,
    ConditionSettings,
    Decision,
    RuleSettings,
    Wanted,
    all_rules,
)
from kneeoa.serving.routing.tag_path import TagPath, tag_path

if TYPE_CHECKING:
    from kneeoa.serving.settings import PacsSettings

_MANUFACTURER, _SERIES_NUMBER = "Manufacturer", "SeriesNumber"


@dataclass(frozen=True, slots=True)
class Order:
    """What is done with a film.

    Attributes:
        rule: name of the rule that said so.
        decision: graded, or ignored.
        priority: 1 is first, 10 last; None is as usual.
        destinations: full names of those that results go to; None is all.
    """

    rule: str = NO_RULE
    decision: Decision = Decision.GRADE
    priority: int | None = None
    destinations: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Checked:
    """A condition as it was found.

    Attributes:
        condition: what was asked.
        holds: whether the film is so.
        found: the film's values; they may tell who the patient is.
    """

    condition: ConditionSettings
    holds: bool
    found: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Trial:
    """A rule as it was tried: it matches where every condition holds."""

    rule: RuleSettings
    checked: tuple[Checked, ...]

    @property
    def matches(self) -> bool:
        """Whether this rule decides, if none before it does."""
        return all(one.holds for one in self.checked)


@dataclass(frozen=True, slots=True)
class Routing:
    """The rules of a service.

    Attributes:
        rules: in their order, destinations by full names.
    """

    rules: tuple[RuleSettings, ...] = ()
    _paths: tuple[TagPath, ...] = field(default=(), init=False, repr=False)

    def __post_init__(self) -> None:
        asked = [condition.path for rule in self.rules for condition in rule.when]
        paths = (tag_path(_MANUFACTURER), tag_path(_SERIES_NUMBER), *asked)
        object.__setattr__(self, "_paths", paths)  # as the standard library has it for frozen classes

    def values(self, path: Path, suffix: str = ".dcm") -> FilmValues:
        """What the rules look at in a film.

        Args:
            path: the file.
            suffix: other than ".dcm" of a picture, which has no values.

        Raises:
            FilmError: `not_dicom`.
        """
        return read_values(path, self._paths) if suffix == ".dcm" else FilmValues()

    def decide(self, values: FilmValues) -> Order:
        """What is done with a film of these values."""
        if is_own_result(values):
            return Order(OWN_RESULT, Decision.IGNORE)
        for rule in self.rules:
            if all(_holds(condition, values) for condition in rule.when):
                return Order(rule.name, rule.decide, rule.priority, rule.destinations)
        return Order()

    def trials(self, values: FilmValues) -> tuple[Trial, ...]:
        """Every rule with what it asked and found, those behind the deciding one too."""
        return tuple(
            Trial(rule, tuple(Checked(c, _holds(c, values), values.texts(c.path)) for c in rule.when))
            for rule in self.rules
        )


def routing_of(pacs: PacsSettings) -> Routing:
    """The rules of the settings and of the file that they name.

    Args:
        pacs: the section, which has checked them.
    """
    return Routing(all_rules(pacs.rules, pacs.rules_file, pacs.destination_names))


def is_own_result(values: FilmValues) -> bool:
    """Whether an object is a result of KneeOA that an archive has sent on: grading it would go round in a circle."""
    # Synthetic films have the manufacturer too, but not the series.
    numbers = values.numbers(tag_path(_SERIES_NUMBER))
    ours = {(SR_SERIES,), (CAPTURE_SERIES,), (STUDY_SERIES,)}
    return values.texts(tag_path(_MANUFACTURER)) == (MANUFACTURER,) and numbers in ours


def _holds(condition: ConditionSettings, values: FilmValues) -> bool:
    return _asked(condition, values) is not condition.negate


def _asked(condition: ConditionSettings, values: FilmValues) -> bool:
    path = condition.path
    if condition.exists is not None:
        return values.present(path) is condition.exists
    if condition.regex is not None:
        return any(re.search(condition.regex, text) for text in values.texts(path))
    if condition.equals is not None:
        return _is_one_of((condition.equals,), path, values)
    if condition.one_of is not None:
        return _is_one_of(condition.one_of, path, values)
    return any(_within(condition, number) for number in values.numbers(path))


def _is_one_of(wanted: Sequence[Wanted], path: TagPath, values: FilmValues) -> bool:
    texts = {one for one in wanted if isinstance(one, str)}
    numbers = {float(one) for one in wanted if not isinstance(one, str)}
    return not texts.isdisjoint(values.texts(path)) or not numbers.isdisjoint(values.numbers(path))


def _within(condition: ConditionSettings, number: float) -> bool:
    return (
        (condition.below is None or number < condition.below)
        and (condition.at_most is None or number <= condition.at_most)
        and (condition.above is None or number > condition.above)
        and (condition.at_least is None or number >= condition.at_least)
    )
