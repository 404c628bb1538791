"""Knee crops in folders named after their Kellgren-Lawrence grade.

Data sheet. The layout is that of Chen P. (2018), "Knee Osteoarthritis Severity Grading Dataset", Mendeley Data V1,
doi:10.17632/56rmx5bjcr.1: `<split>/<grade>/<subject><side>.png|jpg`, for example `train/2/9001695L.png`, at 224 or 299
pixels (kneeKL224, kneeKL299) or any other size. One knee a picture, as displayed: a right knee has its medial side at
image right. The grades are the OAI's central readings; the set has no spacing, no narrowing reading and no full film.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from kneeoa.datasets.readings import NO_FACTS, Feature, KneeFacts, of_feature, shares
from kneeoa.model.errors import DatasetError
from kneeoa.model.radiograph import Side

PICTURE_SUFFIXES = (".png", ".jpg", ".jpeg")
_NAME = re.compile(r"^(?P<subject>.+?)_?(?P<side>[LR])$", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class KneeImage:
    """One graded knee crop on disk.

    Attributes:
        path: the picture.
        subject: cohort identifier; both knees of a person share it. Empty where the set does not tell subjects apart.
        side: `Side.LEFT` or `Side.RIGHT`.
        kl: Kellgren-Lawrence grade, 0-4; of several readers, the lower median of their grades.
        split: "train", "val", "test" or whatever the set calls its parts.
        facts: what else the set tells; nothing where it is only graded.
    """

    path: Path
    subject: str
    side: Side
    kl: int
    split: str
    facts: KneeFacts = NO_FACTS

    @property
    def kl_shares(self) -> tuple[float, ...]:
        """(5,) share of the readers for each KL grade; all of it on `kl` where the set tells of no readers."""
        given = [reading.grade for reading in of_feature(self.facts.readings, Feature.KL)]
        return shares(given or [self.kl], Feature.KL.highest)


def read_grade_folders(root: Path, splits: tuple[str, ...] | None = None) -> list[KneeImage]:
    """Lists the graded knees below `root`, sorted by split and name.

    Args:
        root: a folder that holds split folders (`train`, `val`, ...), which hold grade folders (`0` ... `4`).
        splits: the split folders to read; None reads every one there is.

    Returns:
        One record a picture. Pictures are not opened here.

    Raises:
        DatasetError: `root` or a split is missing, no picture was found, or a name does not tell subject and side.
    """
    if not root.is_dir():
        msg = f"There is no folder {root}. Give the folder that holds train/ and val/."
        raise DatasetError(msg)
    present = tuple(
        sorted(p.name for p in root.iterdir() if p.is_dir() and any((p / str(kl)).is_dir() for kl in range(5)))
    )
    wanted = present if splits is None else splits
    missing = [name for name in wanted if name not in present]
    if missing or not wanted:
        msg = (
            f"{root} holds no split {', '.join(missing) or 'at all'} (found: {', '.join(present) or 'none'}). "
            "Expected <split>/<grade>/<subject><side>.png with grades 0 to 4."
        )
        raise DatasetError(msg)
    knees = [knee for split in wanted for knee in _read_split(root, split)]
    if not knees:
        msg = f"{root} holds no pictures. Expected <split>/<grade>/<subject><side> with ending {PICTURE_SUFFIXES}."
        raise DatasetError(msg)
    return knees


def _read_split(root: Path, split: str) -> list[KneeImage]:
    knees = []
    for grade in range(5):
        folder = root / split / str(grade)
        for path in folder.iterdir() if folder.is_dir() else ():
            if path.suffix.lower() not in PICTURE_SUFFIXES:
                continue
            match = _NAME.match(path.stem)
            if match is None:
                msg = f"{split}/{grade}/{path.name} does not end in L or R: rename it <subject><side>."
                raise DatasetError(msg)
            side = Side(match["side"].upper())
            knees.append(KneeImage(path=path, subject=match["subject"], side=side, kl=grade, split=split))
    return sorted(knees, key=lambda knee: knee.path.name)
