"""Hostile files by recipe: a base, what is done to it, and a seed. The same recipe gives the same bytes."""

from __future__ import annotations

import random
from dataclasses import dataclass

from tests.hostile.bases import OTHERS, PICTURES, Base, base, bundled, phantom_names
from tests.hostile.byte_mutations import BYTE_MUTATIONS
from tests.hostile.header_mutations import HEADER_MUTATIONS, with_header_mutation

MUTATIONS = (*HEADER_MUTATIONS, *BYTE_MUTATIONS)
"""Header mutations first: they need an object that can still be parsed."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a hostile file is made; its text is all that is needed to make it again."""

    base: str
    mutations: tuple[str, ...]
    seed: int

    @property
    def source(self) -> Base:
        """The unharmed file."""
        return base(self.base)

    def content(self) -> bytes:
        """The hostile file."""
        content = self.source.content
        for number, name in enumerate(self.mutations):
            rng = random.Random(f"{self.seed} {number} {name}")  # noqa: S311 - no secret
            if name in BYTE_MUTATIONS:
                content = BYTE_MUTATIONS[name](content, rng)
            else:
                content = with_header_mutation(content, HEADER_MUTATIONS[name], rng)
        return content


def base_names() -> tuple[str, ...]:
    """All bases; half of the draws of `recipes` are knees, whatever their number here."""
    return (*phantom_names(), *PICTURES, *OTHERS, *bundled())


def recipes(count: int, first: int = 0) -> list[Recipe]:
    """The numbered recipes from `first` on: every mutation in turn, on bases drawn by number."""
    return [_recipe(number) for number in range(first, first + count)]


def _recipe(number: int) -> Recipe:
    rng = random.Random(number)  # noqa: S311 - no secret
    # Every tenth object is a picture; of the others as many are phantoms as come from elsewhere.
    groups = (PICTURES, *(phantom_names(),) * 6, *(OTHERS + tuple(bundled()),) * 3)
    names = groups[rng.randrange(10)]
    chosen = MUTATIONS[number % len(MUTATIONS)]
    if names is PICTURES and chosen in HEADER_MUTATIONS:
        chosen = rng.choice(tuple(BYTE_MUTATIONS))
    more = tuple(rng.choice(MUTATIONS) for _ in range(rng.choice((0, 0, 0, 1, 2))))
    # What needs a parsable object comes before what harms its bytes.
    ordered = tuple(sorted((chosen, *more), key=lambda name: name in BYTE_MUTATIONS))
    return Recipe(rng.choice(names), ordered, number)
