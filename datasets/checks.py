"""What is wrong with a set of graded knees before a network learns from it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import numpy as np

from kneeoa.datasets.fingerprints import Fingerprint, fingerprint, near_pairs
from kneeoa.datasets.grade_folders import KneeImage, read_grade_folders
from kneeoa.datasets.knee_pixels import read_knee
from kneeoa.datasets.table import read_table
from kneeoa.model.errors import DatasetError, FilmError
from kneeoa.model.grades import JSON, KL_GRADES

SHOWN = 20
"""Findings of one kind that `lines` spells out; `to_json` has all."""


class FindingKind(StrEnum):
    """What can be wrong."""

    LEAK = "leak"
    """A subject stands in two splits: the second does not judge, it remembers."""
    EXACT_DUPLICATE = "exact_duplicate"
    """Pictures with the same grey values."""
    NEAR_DUPLICATE = "near_duplicate"
    """Two pictures that differ by compression, size, window, inversion or a flip."""
    CONFLICTING_GRADES = "conflicting_grades"
    """Copies of one picture with different grades."""
    UNREADABLE = "unreadable"
    """A picture that cannot be decoded."""
    CONSTANT = "constant"
    """A picture with one grey value."""


class Severity(StrEnum):
    """Whether a set with this finding may be used: an error forbids it, a warning asks for a look."""

    ERROR = "error"
    WARNING = "warning"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong.

    Attributes:
        kind: what.
        severity: how bad.
        message: one sentence that names the pictures or the subject.
        images: the pictures' paths, relative to the set's folder.
    """

    kind: FindingKind
    severity: Severity
    message: str
    images: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DatasetReport:
    """What a set holds and what is wrong with it.

    Attributes:
        knees: pictures by split, then by KL grade 0-4.
        subjects: subjects by split.
        findings: errors first, otherwise in the set's order.
    """

    knees: dict[str, tuple[int, ...]]
    subjects: dict[str, int]
    findings: tuple[Finding, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing forbids the set's use; there may be warnings."""
        return all(finding.severity is not Severity.ERROR for finding in self.findings)

    def to_json(self) -> dict[str, JSON]:
        """The report as plain JSON values, every finding spelled out."""
        return {
            "ok": self.ok,
            "splits": {
                split: {"knees": sum(grades), "subjects": self.subjects[split], "knees_by_kl": list(grades)}
                for split, grades in self.knees.items()
            },
            "findings": [
                {
                    "kind": finding.kind.value,
                    "severity": finding.severity.value,
                    "message": finding.message,
                    "images": list(finding.images),
                }
                for finding in self.findings
            ],
        }

    def lines(self) -> list[str]:
        """The report as lines of text: what the set holds, then the findings by kind, then the verdict."""
        text = [
            f"{split}: {sum(grades)} knees of {self.subjects[split]} subjects; "
            + ", ".join(f"KL {kl}: {count}" for kl, count in zip(KL_GRADES, grades, strict=True))
            for split, grades in self.knees.items()
        ]
        shown: Counter[tuple[Severity, FindingKind]] = Counter()
        for finding in self.findings:
            shown[finding.severity, finding.kind] += 1
            if shown[finding.severity, finding.kind] <= SHOWN:
                text.append(f"{finding.severity}: {finding.message}")
        text += [f"{severity}: {kind} ... and {n - SHOWN} more" for (severity, kind), n in shown.items() if n > SHOWN]
        errors = sum(finding.severity is Severity.ERROR for finding in self.findings)
        text.append(f"{errors} errors, {len(self.findings) - errors} warnings")
        return text


def check_dataset(data: Path | Sequence[KneeImage]) -> DatasetReport:
    """Reads every picture of a set and reports what is wrong.

    Seven thousand pictures of 299 x 299 take about half a minute on one core; twice as many take twice as long to read
    and four times as long to compare, which is a few seconds of it.

    Args:
        data: a folder in the published layout, a table, or the knees themselves.

    Returns:
        Counts and findings; `ok` says whether there is an error among them.

    Raises:
        DatasetError: there are no knees, or see `read_grade_folders` and `read_table`.
    """
    if isinstance(data, Path):
        knees: Sequence[KneeImage] = read_grade_folders(data) if data.is_dir() else read_table(data)
    else:
        knees = data
    if not knees:
        raise DatasetError("There are no knees to check. Give a folder of splits, or a CSV or Parquet table.")
    names = _names(knees)
    prints: list[Fingerprint | None] = []
    findings = list(_leaks(knees, names))
    for knee, name in zip(knees, names, strict=True):
        print_, finding = _read(knee, name)
        prints.append(print_)
        findings += [finding] if finding else []
    groups = _groups(prints)
    findings += _exact(knees, names, groups)
    findings += _near(knees, names, groups, prints)
    return DatasetReport(
        knees=_count_grades(knees),
        subjects={split: len({k.subject for k in knees if k.split == split}) for split in _splits(knees)},
        # Sorting is stable: within a severity the set's order stays.
        findings=tuple(sorted(findings, key=lambda finding: finding.severity is not Severity.ERROR)),
    )


def _names(knees: Sequence[KneeImage]) -> list[str]:
    """Paths relative to the deepest folder that holds all, so that a report names no one's home folder."""
    paths = [knee.path.absolute() for knee in knees]
    shared = set(paths[0].parents).intersection(*({*path.parents} for path in paths))
    root = max(shared, key=lambda folder: len(folder.parts)) if shared else None
    return [path.relative_to(root).as_posix() if root else path.as_posix() for path in paths]


def _splits(knees: Sequence[KneeImage]) -> list[str]:
    return list(dict.fromkeys(knee.split for knee in knees))


def _count_grades(knees: Sequence[KneeImage]) -> dict[str, tuple[int, ...]]:
    counts = Counter((knee.split, knee.kl) for knee in knees)
    return {split: tuple(counts[split, kl] for kl in KL_GRADES) for split in _splits(knees)}


def _leaks(knees: Sequence[KneeImage], names: Sequence[str]) -> Iterator[Finding]:
    by_subject: defaultdict[str, list[int]] = defaultdict(list)
    for i, knee in enumerate(knees):
        by_subject[knee.subject].append(i)
    for subject, members in by_subject.items():
        splits = _splits([knees[i] for i in members])
        # Sets that do not tell subjects apart cannot be said to leak.
        if subject and len(splits) > 1:
            message = f"Subject {subject} stands in {' and '.join(splits)}: keep all knees of a subject in one split."
            yield Finding(FindingKind.LEAK, Severity.ERROR, message, tuple(names[i] for i in members))


def _read(knee: KneeImage, name: str) -> tuple[Fingerprint | None, Finding | None]:
    try:
        found = fingerprint(read_knee(knee))
    except FilmError as error:
        message = f"{name} cannot be read ({error.refusal.code}): {error.refusal.message}"
        return None, Finding(FindingKind.UNREADABLE, Severity.ERROR, message, (name,))
    if found.constant:
        message = f"{name} has one grey value: there is no knee in it. Leave it out."
        return None, Finding(FindingKind.CONSTANT, Severity.ERROR, message, (name,))
    return found, None


def _groups(prints: Sequence[Fingerprint | None]) -> list[list[int]]:
    """Indices of pictures that are the same to the last grey value; readable ones that have no copy stand alone."""
    by_digest: defaultdict[bytes, list[int]] = defaultdict(list)
    for i, print_ in enumerate(prints):
        if print_ is not None:
            by_digest[print_.digest].append(i)
    return list(by_digest.values())


def _exact(knees: Sequence[KneeImage], names: Sequence[str], groups: Sequence[list[int]]) -> Iterator[Finding]:
    for group in groups:
        if len(group) < 2:
            continue
        images = tuple(names[i] for i in group)
        splits = _splits([knees[i] for i in group])
        across = len(splits) > 1
        where = f"across {' and '.join(splits)}" if across else f"in {splits[0]}"
        message = f"The same picture {where}: {', '.join(images)}. Keep one."
        yield Finding(FindingKind.EXACT_DUPLICATE, Severity.ERROR if across else Severity.WARNING, message, images)
        yield from _conflict(knees, names, group)


def _near(
    knees: Sequence[KneeImage],
    names: Sequence[str],
    groups: Sequence[list[int]],
    prints: Sequence[Fingerprint | None],
) -> Iterator[Finding]:
    # One of each group stands for its copies: a thousand copies would make half a million pairs.
    firsts = [group[0] for group in groups]
    details = [found.detail for found in (prints[i] for i in firsts) if found is not None]
    if len(details) < 2:
        return
    for pair in near_pairs(np.stack(details)):
        members = [firsts[pair.first], firsts[pair.second]]
        images = tuple(names[i] for i in members)
        how = ("mirrored " if pair.mirrored else "") + ("with inverted grey values " if pair.correlation < 0 else "")
        splits = _splits([knees[i] for i in members])
        where = f"across {' and '.join(splits)}" if len(splits) > 1 else f"in {splits[0]}"
        message = (
            f"Nearly the same picture {how}{where}: {' and '.join(images)} (correlation {abs(pair.correlation):.2f}). "
            "Look at both, and keep one."
        )
        # Across splits it is the leak that flatters figures, whether or not the bytes agree.
        severity = Severity.ERROR if len(splits) > 1 else Severity.WARNING
        yield Finding(FindingKind.NEAR_DUPLICATE, severity, message, images)
        yield from _conflict(knees, names, members)


def _conflict(knees: Sequence[KneeImage], names: Sequence[str], members: Sequence[int]) -> Iterator[Finding]:
    if len({knees[i].kl for i in members}) > 1:
        graded = ", ".join(f"{names[i]} has KL {knees[i].kl}" for i in members)
        message = f"Copies of one picture with different grades: {graded}. Settle the grade."
        yield Finding(FindingKind.CONFLICTING_GRADES, Severity.WARNING, message, tuple(names[i] for i in members))
