"""Multicenter Osteoarthritis Study (MOST): central readings, joined to a user's pictures.

Data sheet. MOST followed 3,026 people from 50 to 79 years of age who had knee osteoarthritis or were at risk of it, for
84 months; weight-bearing semiflexed PA and lateral films. Registered users get it from its coordinating centre and the
NIA's repository, under its terms of use; nothing of it ships with KneeOA.

- Readings: `MOSTV01235XRAY.txt`, one row a **person**. `MOSTID`; then a column a visit, leg and feature:
  `V{0,1,2,3,5}X{R,L}{KL,JSM,JSL,OSFM,OSFL,OSTM,OSTL}`, for example `V0XRKL`. The letter after `X` is the **leg**, right
  or left; in the OAI's `V00XRKL` the `XR` is for X-ray. Both are easily taken for the other.
- Visits 0, 1, 2, 3, 5 are at baseline, 15, 30, 60, 84 months. Visit 4 had no clinic and no films.
- Values above the scale (KL above 4, the others above 3) and negative ones are codes, such as 8 for a replaced joint
  and 9 for a film that could not be read. They are no grades and are left out.
- Halves such as 1.5 tell change within a grade: the whole part is the grade, the value as written is kept.
- The readings are of the PA films: list no laterals.

The layout was taken from the published descriptions and from other people's programs, not from the files themselves.

References:
    Segal N. et al., The Multicenter Osteoarthritis Study: opportunities for rehabilitation research. PM R 2013;5:647.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from types import MappingProxyType

from kneeoa.datasets.cohort_errors import CohortError, CohortMistake
from kneeoa.datasets.cohort_films import CohortKnees, KneeVisit, VisitReadings, join_films
from kneeoa.datasets.cohort_text import CohortRow, read_cohort_rows
from kneeoa.datasets.readings import COLUMN_CODES, Reading
from kneeoa.model.radiograph import Side

VISIT_MONTHS = MappingProxyType({"0": 0, "1": 15, "2": 30, "3": 60, "5": 84})
"""Months after enrolment of the visits with films."""
READER = "MOST"
WANTED = "MOSTV01235XRAY.txt"
_COLUMN = re.compile(r"^V(\d)X([RL])([A-Z]+)$")
_OAI_COLUMN = re.compile(r"^V\d\dXR")


def read_most(films: Path, readings: Sequence[Path]) -> CohortKnees:
    """Joins MOST's readings to pictures.

    Args:
        films: the table of pictures; see `datasets.cohort_films`.
        readings: `MOSTV01235XRAY.txt`; several where they were split by visit.

    Raises:
        CohortError: see `CohortMistake`.
        DatasetError: see `datasets.cohort_films.join_films`.
    """
    if not readings:
        raise CohortError(CohortMistake.NO_FILE, f"no readings were named. Give {WANTED}.")
    found: dict[KneeVisit, VisitReadings] = {}
    for path in readings:
        rows = 0
        for row in read_cohort_rows(path, WANTED, "MOSTID"):
            rows += 1
            for key, one in _of_person(row).items():
                if found.setdefault(key, one) != one:
                    raise CohortError(
                        CohortMistake.CONTRADICTION,
                        f"{row.place}: this knee has other readings in an earlier row. Give each release once.",
                    )
        if not rows:
            raise CohortError(CohortMistake.OTHER_FILE, f"{path.name} has no rows. Give {WANTED}.")
    return join_films(films, found)


def _of_person(row: CohortRow) -> dict[KneeVisit, VisitReadings]:
    subject = row.whole("MOSTID")
    if not subject:
        raise CohortError(CohortMistake.OTHER_FILE, f"{row.place}: MOSTID is empty. Download the file again.")
    given: defaultdict[KneeVisit, list[Reading]] = defaultdict(list)
    known = False
    for column in row.cells:
        match = _COLUMN.match(column)
        if match is None or match[3] not in COLUMN_CODES:
            continue
        known = True
        if match[1] not in VISIT_MONTHS:
            raise CohortError(
                CohortMistake.UNKNOWN_VISIT,
                f"{row.place}: {column} is of visit {match[1]}; films were read at visits {', '.join(VISIT_MONTHS)}.",
            )
        feature, value = COLUMN_CODES[match[3]], row.number(column)
        # What is above the scale is a code: a replaced joint, a film that could not be read.
        if value is not None and 0 <= value < feature.highest + 1:
            given[KneeVisit(subject, match[1], Side(match[2]))].append(Reading(feature, value, READER))
    if not known:
        oai = any(_OAI_COLUMN.match(column) for column in row.cells)
        said = "its columns are the OAI's: set data.format=oai" if oai else f"it has no column V0XRKL. Give {WANTED}"
        raise CohortError(CohortMistake.OTHER_FILE, f"{row.place}: {said}.")
    return {key: VisitReadings(tuple(readings)) for key, readings in given.items()}
