"""Nothing is learnt from a set that leaks: `datasets check` runs before training, and its errors stop it.

Beyond `datasets check`, the training split is looked at as what it becomes, the knees that are learnt from, those
`held`, and those of the fold that judges: a copy that stands in two would reward the network that remembers it.
Findings that are known and meant can be accepted by kind, with a reason; both go into `data-check.json`, the
checkpoint's configuration and the release.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from kneeoa.configs.schema import DataConfig
from kneeoa.datasets.checks import DatasetReport, Finding, Severity, check_dataset
from kneeoa.datasets.grade_folders import KneeImage
from kneeoa.datasets.splits import fold_of, is_held
from kneeoa.model.errors import DatasetError
from kneeoa.model.grades import JSON
from kneeoa.training.graded_sets import read_configured

RECORD = "data-check.json"
FIT, HELD, FOLD = "fit", "held", "fold"
_NAMED = 3


class LeakError(DatasetError):
    """The set has errors that nobody has accepted.

    Args:
        findings: the errors that forbid its use.
        name: of the set.
    """

    def __init__(self, findings: Sequence[Finding], name: str) -> None:
        said = " ".join(finding.message for finding in findings[:_NAMED])
        more = f" ... and {len(findings) - _NAMED} more." if len(findings) > _NAMED else ""
        kinds = ", ".join(sorted({finding.kind.value for finding in findings}))
        super().__init__(
            f"{name} must not be learnt from as it is: {said}{more} Mend the set (`kneeoa datasets check` lists all), "
            f"or, where this is known and meant, set data.accept=[{kinds}] and data.accept_reason: both are recorded."
        )
        self.findings = tuple(findings)


@dataclass(frozen=True, slots=True)
class DataVerdict:
    """What the check before training found.

    Attributes:
        digest: sha256 over every knee's file name, subject, side, grade and split: another set has another one.
        report: counts and findings, the training split told apart into fit and held.
        accepted: errors that the configuration accepts.
        reason: why.
        note: what reading the set left out, or empty.
    """

    digest: str
    report: DatasetReport
    accepted: tuple[Finding, ...]
    reason: str
    note: str = ""

    def to_json(self) -> dict[str, JSON]:
        """The content of `data-check.json`."""
        return {
            "digest": self.digest,
            "accepted": [*sorted({finding.kind.value for finding in self.accepted})],
            "accepted_findings": len(self.accepted),
            "accept_reason": self.reason,
            "note": self.note,
            **self.report.to_json(),
        }


def gate_data(data: DataConfig, out: Path) -> DataVerdict:
    """Checks the whole set, every split of it, and writes what it found beside the run.

    Args:
        data: the set.
        out: the run's folder; receives `data-check.json`, also where the set is refused.

    Raises:
        LeakError: there are errors that `data.accept` does not name.
        DatasetError: see `graded_sets.read_configured`.
    """
    found = read_configured(data)
    knees = [_as_used(knee, data) for knee in found.knees]
    report = check_dataset(knees)
    errors = [finding for finding in report.findings if finding.severity is Severity.ERROR]
    accepted = tuple(finding for finding in errors if finding.kind.value in data.accept)
    verdict = DataVerdict(data_digest(knees), report, accepted, data.accept_reason if accepted else "", found.note)
    out.mkdir(parents=True, exist_ok=True)
    text = json.dumps(verdict.to_json(), indent=1, ensure_ascii=False)
    (out / RECORD).write_text(text + "\n", encoding="utf-8")
    refused = [finding for finding in errors if finding not in accepted]
    if refused:
        raise LeakError(refused, found.name)
    return verdict


def data_digest(knees: Sequence[KneeImage]) -> str:
    """sha256 that tells one set of graded knees from another; not of the pixels, and independent of the folder."""
    lines = sorted(f"{k.path.name}\t{k.subject}\t{k.side.value}\t{k.kl}\t{k.split}" for k in knees)
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _as_used(knee: KneeImage, data: DataConfig) -> KneeImage:
    if knee.split != data.train_split:
        return knee
    if data.folds and data.fold is not None and fold_of(knee.subject, data.folds) == data.fold:
        return replace(knee, split=FOLD)
    return replace(knee, split=HELD if is_held(knee.subject) else FIT)
