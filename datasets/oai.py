"""Osteoarthritis Initiative (OAI): central readings and joint space widths, joined to a user's pictures.

Data sheet. The OAI followed 4,796 people from 45 to 79 years of age for 96 months; fixed-flexion PA films of both
knees. Registered users get it from the NIMH Data Archive (https://nda.nih.gov/oai), under its terms of use; nothing of
it ships with KneeOA.

- Semi-quantitative readings, Boston University: `kxr_sq_bu00.txt`, `01`, `03`, `05`, `06`, `08`, `10` (baseline, 12,
  24, 36, 48, 72, 96 months). A row is one knee read in one project. `ID`; `SIDE` is 1 for the **right** and 2 for the
  left knee; `READPRJ` is the reading project; `V00BARCDBU` the film's barcode; `V00XRKL` the KL grade; `V00XRJSM`,
  `V00XRJSL` narrowing, medial and lateral; `V00XROSFM`, `V00XROSFL`, `V00XROSTM`, `V00XROSTL` osteophytes; `V00XRSCFM`
  ... sclerosis (femur or tibia, medial or lateral). `V00` becomes `V01`, `V03` ... in the files of later visits.
- A knee may stand in several projects: all of its readings are kept, each under the name of its project.
- Partial grades such as 1.4 tell that a knee got worse within a grade since its last film. Their whole part is the
  grade; the value as written is kept.
- `.`, `.A` ... `.Z` are missing. Many knees have a KL grade and no features: a missing osteophyte is not a grade 0.
- Joint space widths, Duryea: `kxr_qjsw_duryea00.txt` ...: `V00MCMJSW` (medial minimum, mm), `V00JSW150` ... `V00JSW300`
  (medial, at 0.150 ... 0.300 of the femur's width) and `V00LJSW700` ... `V00LJSW900` (lateral). `V00NOMJSWX` and
  `V00NOLJSWX` other than 0 say that the medial or the lateral width could not be measured; it is left out then.

The layout was taken from the published descriptions and from other people's programs, not from the files themselves.

References:
    Nevitt M., Felson D., Lester G., The Osteoarthritis Initiative: protocol for the cohort study, 2006.
    Neumann G. et al., Location specific radiographic joint space width. Osteoarthritis Cartilage 2009;17:761.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

from kneeoa.datasets.cohort_errors import CohortError, CohortMistake
from kneeoa.datasets.cohort_films import CohortKnees, KneeVisit, VisitReadings, join_films
from kneeoa.datasets.cohort_text import CohortRow, read_cohort_rows
from kneeoa.datasets.readings import COLUMN_CODES, Feature, Reading, WidthReading
from kneeoa.model.radiograph import Side

VISIT_MONTHS = MappingProxyType({"0": 0, "1": 12, "3": 24, "5": 36, "6": 48, "8": 72, "10": 96})
"""Months after enrolment of the visits whose films were read."""
SIDES = MappingProxyType({"1": Side.RIGHT, "2": Side.LEFT})
MEDIAL_PLACES = tuple(range(150, 301, 25))
LATERAL_PLACES = tuple(range(700, 901, 25))
_READINGS_FILE, _WIDTHS_FILE = "kxr_sq_bu00.txt or one of its later visits", "kxr_qjsw_duryea00.txt or a later visit"
_VISIT_COLUMN = re.compile(r"^V(\d\d)")
_FILE_VISIT = re.compile(r"(\d\d)\.\w+$")


def read_oai(
    films: Path, readings: Sequence[Path], widths: Sequence[Path] = (), projects: Sequence[str] = ()
) -> CohortKnees:
    """Joins the OAI's readings to pictures.

    Args:
        films: the table of pictures; see `datasets.cohort_films`.
        readings: `kxr_sq_bu*.txt`, at least one.
        widths: `kxr_qjsw_duryea*.txt`.
        projects: reading projects to keep, such as "15"; all where empty.

    Raises:
        CohortError: see `CohortMistake`; every one of them can happen here.
        DatasetError: see `datasets.cohort_films.join_films`.
    """
    if not readings:
        raise CohortError(CohortMistake.NO_FILE, f"no readings were named. Give {_READINGS_FILE}.")
    found: dict[KneeVisit, VisitReadings] = {}
    seen_projects: set[str] = set()
    for path in readings:
        for row, visit in _visit_rows(path, _READINGS_FILE, "XRKL"):
            project = row.whole("READPRJ")
            seen_projects.add(project)
            if not projects or project in projects:
                _add(found, _key(row, visit), _readings(row, visit, project), row)
    unknown = sorted(set(projects) - seen_projects)
    if unknown:
        raise CohortError(
            CohortMistake.UNKNOWN_PROJECT,
            f"no row has the reading project {', '.join(unknown)} (found: {', '.join(sorted(seen_projects))}).",
        )
    for path in widths:
        for row, visit in _visit_rows(path, _WIDTHS_FILE, "MCMJSW"):
            key = _key(row, visit)
            known = found.get(key, VisitReadings())
            fresh = tuple(width for width in _widths(row, f"V{visit}") if width not in known.widths)
            found[key] = replace(known, widths=(*known.widths, *fresh))
    return join_films(films, {key: one for key, one in found.items() if one.readings})


def _visit_rows(path: Path, wanted: str, ending: str) -> Iterator[tuple[CohortRow, str]]:
    """The rows of one file with the two digits of its visit, which its columns bear."""
    if "_rel_" in path.name.lower():
        raise CohortError(CohortMistake.OTHER_FILE, f"{path.name} is of the study of repeated readings. Give {wanted}.")
    visit = ""
    for row in read_cohort_rows(path, wanted, "ID"):
        visit = visit or _visit_of(path.name, row, wanted, ending)
        yield row, visit
    if not visit:
        raise CohortError(CohortMistake.OTHER_FILE, f"{path.name} has no rows. Give {wanted}.")


def _visit_of(name: str, row: CohortRow, wanted: str, ending: str) -> str:
    if "SIDE" not in row.cells:
        raise CohortError(CohortMistake.OTHER_FILE, f"{name} has no column SIDE. Give {wanted}.")
    said = {match[1] for column in row.cells if column.endswith(ending) and (match := _VISIT_COLUMN.match(column))}
    if not said:
        raise CohortError(CohortMistake.OTHER_FILE, f"{name} has no column V00{ending} or its like. Give {wanted}.")
    named = _FILE_VISIT.search(name)
    if len(said) > 1 or (named and named[1] not in said):
        raise CohortError(
            CohortMistake.MIXED_VISITS,
            f"{name} has columns of the visits {', '.join(sorted(said))}. Give each visit in the file that bears its "
            "number, as it was downloaded.",
        )
    visit = said.pop()
    if str(int(visit)) not in VISIT_MONTHS:
        raise CohortError(
            CohortMistake.UNKNOWN_VISIT,
            f"{name} is of visit {visit}; films were read at visits {', '.join(VISIT_MONTHS)}.",
        )
    return visit


def _key(row: CohortRow, visit: str) -> KneeVisit:
    subject, side = row.whole("ID"), SIDES.get(row.whole("SIDE"))
    if not subject:
        raise CohortError(CohortMistake.OTHER_FILE, f"{row.place}: ID is empty. Download the file again.")
    if side is None:
        raise CohortError(
            CohortMistake.UNKNOWN_SIDE,
            f"{row.place}: SIDE is {row.cells['SIDE']!r}. It is 1 for the right knee and 2 for the left one.",
        )
    return KneeVisit(subject, str(int(visit)), side)


def _readings(row: CohortRow, visit: str, project: str) -> VisitReadings:
    found = []
    for code, feature in COLUMN_CODES.items():
        column = f"V{visit}XR{code}"
        value = row.number(column)
        if value is None:
            continue
        if not 0 <= value < feature.highest + 1:
            raise CohortError(
                CohortMistake.OFF_SCALE,
                f"{row.place}: {column} is {value:g}; its scale ends at {feature.highest}. Download the file again.",
            )
        found.append(Reading(feature, value, project))
    barcode = row.whole(f"V{visit}BARCDBU")
    return VisitReadings(tuple(found), (), frozenset({barcode} if barcode else ()))


def _add(found: dict[KneeVisit, VisitReadings], key: KneeVisit, new: VisitReadings, row: CohortRow) -> None:
    known = found.get(key, VisitReadings())
    values: dict[tuple[Feature, str], float] = {(r.feature, r.reader): r.value for r in known.readings}
    for reading in new.readings:
        if values.get((reading.feature, reading.reader), reading.value) != reading.value:
            raise CohortError(
                CohortMistake.CONTRADICTION,
                f"{row.place}: project {reading.reader or 'without a name'} has read {reading.feature} of this knee "
                "twice, with different grades. Give each release of a file once.",
            )
    fresh = tuple(r for r in new.readings if (r.feature, r.reader) not in values)
    found[key] = VisitReadings((*known.readings, *fresh), known.widths, known.barcodes | new.barcodes)


def _widths(row: CohortRow, prefix: str) -> Iterator[WidthReading]:
    medial, lateral = (row.number(f"{prefix}{column}") in {None, 0.0} for column in ("NOMJSWX", "NOLJSWX"))
    columns = [("minimum_medial", "MCMJSW", medial)]
    columns += [(f"medial_{place / 1000:.3f}", f"JSW{place}", medial) for place in MEDIAL_PLACES]
    columns += [(f"lateral_{place / 1000:.3f}", f"LJSW{place}", lateral) for place in LATERAL_PLACES]
    for place, column, measured in columns:
        value = row.number(prefix + column)
        if value is not None and value >= 0 and measured:
            yield WidthReading(place, value)
