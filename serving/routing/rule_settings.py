"""Routing rules as a site writes them, in `pacs.rules` of the settings or in a file of their own."""

from __future__ import annotations

import re
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, field_validator, model_validator

from kneeoa.serving.routing.tag_path import TagPath, tag_path

OWN_RESULT, NO_RULE = "own_result", "no_rule"
"""Names of what is decided without a rule: KneeOA's own results, and what no rule matches."""
Wanted = str | int | float
_BOUNDS = ("below", "at_most", "above", "at_least")
_OPERATORS = ("equals", "one_of", "regex", "exists")


class Decision(StrEnum):
    """What becomes of a film."""

    GRADE = "grade"
    IGNORE = "ignore"


class ConditionSettings(BaseModel):
    """What a film's value must be; of several values (items, or parted by a backslash) one is enough.

    Attributes:
        tag: see `tag_path`.
        equals: the value: text exactly, or a number.
        one_of: likewise, one of several.
        regex: Python's regular expression, found anywhere in the value.
        below, at_most, above, at_least: bounds of a number, one or two; an age counts in years.
        exists: whether the tag is there with a value.
        negate: the condition holds where it would not.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    tag: str
    equals: Wanted | None = None
    one_of: Annotated[tuple[Wanted, ...], Field(min_length=1)] | None = None
    regex: str | None = None
    below: float | None = None
    at_most: float | None = None
    above: float | None = None
    at_least: float | None = None
    exists: bool | None = None
    negate: bool = False

    @field_validator("equals", "one_of", mode="before")
    @classmethod
    def _no_truth(cls, given: object) -> object:
        """YAML reads a bare NO as a truth value, and DICOM's YES and NO are texts."""
        for value in given if isinstance(given, list | tuple) else (given,):
            if isinstance(value, bool):
                raise ValueError('a value of YES or NO needs quotes: "NO"')  # noqa: TRY004 - pydantic wants it so
        return given

    @model_validator(mode="after")
    def _says_one_thing(self) -> Self:
        operators = [name for name in _OPERATORS if getattr(self, name) is not None]
        bounds = [name for name in _BOUNDS if getattr(self, name) is not None]
        if len(operators) + bool(bounds) != 1 or len(bounds) > 2:
            raise ValueError(f"a condition has one of {', '.join(_OPERATORS)}, or one or two of {', '.join(_BOUNDS)}")
        if self.path.vr == "SQ" and self.exists is None:
            raise ValueError(
                f"{self.tag} is a sequence: name what lies within it ({self.tag}/CodeValue), or ask exists"
            )
        if self.regex is not None:
            try:
                re.compile(self.regex)
            except re.error as error:
                raise ValueError(f"the regular expression is not valid: {error}") from None
        return self

    @property
    def path(self) -> TagPath:
        """The tag, parsed."""
        return tag_path(self.tag)

    @property
    def sentence(self) -> str:
        """What it asks, to be printed."""
        said = [
            f"{name} {value!r}"
            for name in (*_OPERATORS, *_BOUNDS)
            if (value := getattr(self, name)) is not None and name != "one_of"
        ]
        if self.one_of is not None:
            said = [f"one of {', '.join(repr(value) for value in self.one_of)}"]
        return f"{'not: ' if self.negate else ''}{self.tag} {' and '.join(said)}"


class RuleSettings(BaseModel):
    """One rule; the first that matches decides.

    Attributes:
        name: what metrics, log, audit trail and `kneeoa pacs explain` call it.
        when: conditions, all of which must hold; none always hold.
        decide: grade, or ignore.
        priority: 1 is graded first, 10 last; None is 5.
        destinations: AE titles or names of those that results go to; None is all, an empty list nobody.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: str = Field(pattern=r"^[A-Za-z0-9_.-]{1,40}$")
    when: tuple[ConditionSettings, ...] = ()
    decide: Decision = Decision.GRADE
    priority: int | None = Field(default=None, ge=1, le=10)
    destinations: tuple[str, ...] | None = None

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.name in {OWN_RESULT, NO_RULE}:
            raise ValueError(f"{self.name} is the name of a rule that is always there")
        if self.decide is Decision.IGNORE and not (self.priority is None and self.destinations is None):
            raise ValueError(f"{self.name} ignores: it has neither priority nor destinations")
        return self


class _RulesFile(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    rules: tuple[RuleSettings, ...]


def all_rules(
    given: Sequence[RuleSettings], file: Path | None, destinations: Sequence[str]
) -> tuple[RuleSettings, ...]:
    """The rules of the settings, then those of the file, checked together.

    Args:
        given: those of the settings.
        file: YAML, a list of rules or a mapping with the key `rules`; or None.
        destinations: full names of all destinations, such as "dicom:PACS" and "stow:vna".

    Returns:
        The rules, their destinations by full names.

    Raises:
        ValueError: the file cannot be read or is not valid, two rules have one name, or a destination is not there.
    """
    rules = (*given, *(() if file is None else _read(file)))
    names = [rule.name for rule in rules]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"two rules are called {', '.join(twice)}")
    return tuple(_with_full_names(rule, destinations) for rule in rules)


def _read(file: Path) -> tuple[RuleSettings, ...]:
    import yaml

    try:
        content = yaml.safe_load(file.read_text(encoding="utf-8"))
        shape = {"rules": content} if isinstance(content, list) else content
        return TypeAdapter(_RulesFile).validate_python(shape).rules
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors(include_input=False))
        raise ValueError(f"{file} is not valid: {faults}") from None
    except (OSError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise ValueError(f"{file} cannot be read ({type(error).__name__})") from None


def _with_full_names(rule: RuleSettings, destinations: Sequence[str]) -> RuleSettings:
    if rule.destinations is None:
        return rule
    full: list[str] = []
    for name in rule.destinations:
        found = [one for one in destinations if name in {one, one.partition(":")[2]}]
        if not found:
            known = ", ".join(destinations) or "none"
            raise ValueError(f"rule {rule.name} names the destination {name}, which is not there; there is: {known}")
        if len(found) > 1:
            raise ValueError(f"rule {rule.name} names {name}, which may be {' or '.join(found)}: write it so")
        full += found
    return rule.model_copy(update={"destinations": tuple(dict.fromkeys(full))})
