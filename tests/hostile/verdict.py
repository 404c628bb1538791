"""What must be true of every hostile file's end."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.hostile.bases import CANARY_WORDS, base
from tests.hostile.corpus import Recipe
from tests.hostile.grading_process import Outcome, Pool, Request

from kneeoa.model.errors import ReasonCode
from kneeoa.model.grades import JSON

MOST_MB = 1000.0
MOST_SECONDS = 15.0
"""Of this process's own time: how busy the machine is with other things is no property of a file."""
GROSS_SHARE = 0.05
_BATCH = 100


@dataclass(slots=True)
class Trial:
    """Recipes on trial, with what their unharmed films are graded as."""

    pool: Pool
    folder: Path
    outcomes: list[tuple[Recipe, Outcome]] = field(default_factory=list)
    _intact: dict[str, tuple[Path, Outcome]] = field(default_factory=dict)

    def run(self, recipes: Sequence[Recipe]) -> list[str]:
        """Grades the files of the recipes; returns all complaints."""
        complaints: list[str] = []
        for start in range(0, len(recipes), _BATCH):
            batch = recipes[start : start + _BATCH]
            requests = [self._request(recipe, number) for number, recipe in enumerate(batch)]
            for recipe, outcome in zip(batch, self.pool.grade_all(requests), strict=True):
                self.outcomes.append((recipe, outcome))
                complaints += [f"{text}: {recipe}" for text in self._complaints(recipe, outcome)]
        return complaints

    def _request(self, recipe: Recipe, number: int) -> Request:
        path = self.folder / f"hostile-{number}"
        path.write_bytes(recipe.content())
        intact = self._unharmed(recipe.base)[0] if recipe.source.is_knee else None
        return Request(path, intact, draw=recipe.seed % 5 == 0)

    def _unharmed(self, name: str) -> tuple[Path, Outcome]:
        if name not in self._intact:
            path = self.folder / f"intact-{len(self._intact)}"
            path.write_bytes(base(name).content)
            self._intact[name] = path, self.pool.grade(Request(path))
        return self._intact[name]

    def _complaints(self, recipe: Recipe, outcome: Outcome) -> Iterator[str]:
        yield from complaints_of(outcome)
        if not outcome.graded or outcome.report is None:
            return
        if not recipe.source.is_knee:
            yield "graded, and is no knee"
        elif outcome.same:
            yield from _wrong(recipe, outcome.report, self._unharmed(recipe.base)[1])

    @property
    def gross(self) -> list[tuple[Recipe, Outcome]]:
        """Those that were graded although more than a twentieth of their pixels show something else."""
        return [(r, o) for r, o in self.outcomes if o.graded and (o.gross or 0.0) > GROSS_SHARE]


def complaints_of(outcome: Outcome) -> Iterator[str]:
    """What is wrong with the end of any file, whatever it was."""
    if outcome.hung:
        yield "hung"
    if outcome.death is not None:
        yield f"killed the process ({outcome.death}): {outcome.said[-2000:]}"
    report = outcome.report
    if report is None:
        return
    if outcome.said:
        yield f"noise on stderr: {outcome.said[:500]}"
    if outcome.peak_mb > MOST_MB:
        yield f"{outcome.peak_mb:.0f} MB"
    if outcome.cpu_seconds > MOST_SECONDS:
        yield f"{outcome.cpu_seconds:.1f} s"
    refusal = report["refusal"]
    if (refusal is None) is not bool(_graded_knees(report)):
        yield "neither graded nor refused, or both"
    if isinstance(refusal, dict):
        known = refusal["code"] in {code.value for code in ReasonCode}
        if not (known and refusal["message"] and refusal["remedy"]):
            yield f"a refusal that says nothing: {refusal}"
    text = json.dumps(_without_uids(report), ensure_ascii=False)
    yield from (f"names the patient: {word}" for word in CANARY_WORDS if word in text)


def _without_uids(report: dict[str, JSON]) -> dict[str, JSON]:
    """The report without the two fields that carry UIDs and the path that the caller gave."""
    film = report["film"]
    if not isinstance(film, dict):
        raise TypeError("a report without a film")
    open_fields = {"sop_instance_uid", "study_instance_uid", "source"}
    return {**report, "film": {key: value for key, value in film.items() if key not in open_fields}}


def _wrong(recipe: Recipe, report: dict[str, JSON], intact: Outcome) -> Iterator[str]:
    """Wrong about a film whose pixels are the unharmed ones."""
    (side, flags, grade), unharmed = _reading(report), intact.report
    truth = recipe.source.side
    if truth is not None and side in {"R", "L"} and side != truth.value and "side_conflict" not in flags:
        yield f"graded as the other side ({side}) without a flag"
    if unharmed is not None and intact.graded and _reading(unharmed)[0] == side and _reading(unharmed)[2] != grade:
        yield f"the same pixels, another grade ({grade})"


def _graded_knees(report: dict[str, JSON]) -> list[dict[str, JSON]]:
    knees = report["knees"]
    if not isinstance(knees, list):
        raise TypeError("a report without knees")
    return [knee for knee in knees if isinstance(knee, dict) and knee["kl"] is not None]


def _reading(report: dict[str, JSON]) -> tuple[str, list[str], int]:
    """(side, flags, grade) of the first graded knee."""
    knee, flags = _graded_knees(report)[0], report["flags"]
    if not isinstance(flags, list):
        raise TypeError("a report without flags")
    kl, remarks = knee["kl"], knee["flags"]
    if not isinstance(kl, dict) or not isinstance(remarks, list):
        raise TypeError("a knee without a grade")
    return str(knee["side"]), [str(flag) for flag in (*flags, *remarks)], int(str(kl["grade"]))
