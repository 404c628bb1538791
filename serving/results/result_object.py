"""What every DICOM result has in common: its UIDs, its series, whose it is, and who made it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from pathlib import Path

from pydicom import Dataset, dcmwrite
from pydicom.charset import convert_encodings
from pydicom.dataelem import RawDataElement
from pydicom.tag import Tag
from pydicom.uid import UID

from kneeoa.model.grades import FilmGrades
from kneeoa.serving.pipeline.identity import capture_uid, identify, made_uid, result_id, result_uid, site_uid
from kneeoa.serving.results.codes import CodeTable
from kneeoa.serving.results.source_film import COPIED, REQUIRED, SPECIFIC_CHARACTER_SET, SourceFilm, read_source

MANUFACTURER = "KneeOA"
DEVICE = "KneeOA"
SR_SERIES, CAPTURE_SERIES, STUDY_SERIES = 9901, 9902, 9903
"""Series numbers that no modality uses."""
IMPLEMENTATION_UID = "2.25.330119316409402171733260152226152838466"
IMPLEMENTATION_NAME = "KNEEOA"
_UID_SIZE = 64


@dataclass(frozen=True, slots=True)
class ResultSource:
    """One film's report, with what its DICOM and FHIR forms need besides.

    Attributes:
        film: whose result it is.
        grades: the report.
        uid: of the result; SOP Instance UID of its Structured Report.
        made: when; local time.
        codes: what concepts are called.
    """

    film: SourceFilm
    grades: FilmGrades
    uid: str
    made: datetime
    codes: CodeTable

    @property
    def capture_uid(self) -> str:
        """SOP Instance UID of the Secondary Capture."""
        return capture_uid(self.uid)

    def series_uid(self, kind: str) -> str:
        """One series a study, release and kind of object: later films of the study join it."""
        return made_uid(kind, self.film.study_instance_uid, self.grades.release.sha256)

    @property
    def device_uid(self) -> str:
        """The observer: this software with this release."""
        return made_uid("device", self.grades.release.software, self.grades.release.sha256)

    @property
    def versions(self) -> tuple[str, str, str]:
        """Software Versions (0018,1020): software, release, and the release's hash."""
        release = self.grades.release
        return release.software, release.name, f"sha256:{release.sha256[: _UID_SIZE - 7]}"


def result_source(
    path: Path, grades: FilmGrades, codes: CodeTable, made: datetime | None = None, uid: str | None = None
) -> ResultSource:
    """What the results of a film are made from.

    Args:
        path: the film, a DICOM file.
        grades: its report.
        codes: what concepts are called; with a site's codes a result is another object.
        made: when the result was made; now by default.
        uid: of the result, as the service has it; by default as it would be of a film that came first.

    Raises:
        NoSourceError: the file states no UIDs.
    """
    film = read_source(path)
    if uid is None:
        uid = result_uid(result_id(identify(path).film_id(), grades.release.sha256))
    return ResultSource(film, grades, site_uid(uid, codes.site), made or datetime.now().astimezone(), codes)


def blank_evidence(film: SourceFilm) -> Dataset:
    """The film as highdicom wants its evidence: UIDs and size; whose it is comes later (`take_over`)."""
    evidence = Dataset()
    evidence.SOPClassUID = film.sop_class_uid
    evidence.SOPInstanceUID = film.sop_instance_uid
    evidence.StudyInstanceUID = film.study_instance_uid
    evidence.SeriesInstanceUID = film.series_instance_uid or made_uid("series", film.study_instance_uid)
    for name in ("PatientID", "PatientName", "PatientBirthDate", "PatientSex", "StudyID", "StudyDate", "StudyTime"):
        setattr(evidence, name, None)
    evidence.AccessionNumber = None
    return evidence


def take_over(result: Dataset, of: ResultSource) -> None:
    """Gives a result its patient and study, byte for byte as the film has them, its times and its makers."""
    film, made = of.film, of.made
    result.SoftwareVersions = list(of.versions)
    for tag, vr in COPIED.items():
        raw = film.copied.get(tag, b"")
        if raw or tag in REQUIRED:
            result[tag] = RawDataElement(Tag(tag), vr, len(raw), raw, 0, False, True)
        elif tag in result:
            del result[tag]
    if film.character_set:
        raw = film.character_set
        result[SPECIFIC_CHARACTER_SET] = RawDataElement(
            Tag(SPECIFIC_CHARACTER_SET), "CS", len(raw), raw, 0, False, True
        )
    elif SPECIFIC_CHARACTER_SET in result:
        del result[SPECIFIC_CHARACTER_SET]
    for tool in result.get("ContributingEquipmentSequence", ()):
        tool.ContributionDateTime = made.strftime("%Y%m%d%H%M%S")
    for name in ("InstanceCreation", "Content", "Series"):
        setattr(result, f"{name}Date", made.strftime("%Y%m%d"))
        setattr(result, f"{name}Time", made.strftime("%H%M%S"))


def to_bytes(result: Dataset) -> bytes:
    """A result as a DICOM file (PS3.10), Explicit VR Little Endian."""
    result.file_meta.ImplementationClassUID = UID(IMPLEMENTATION_UID)
    result.file_meta.ImplementationVersionName = IMPLEMENTATION_NAME
    named = result.get("SpecificCharacterSet") or "iso8859"
    # What was copied is written as it was stored: pydicom would decode it and write it anew, and stumble over faults.
    result.set_original_encoding(False, True, convert_encodings(named if isinstance(named, str) else list(named)))
    stream = BytesIO()
    dcmwrite(stream, result, enforce_file_format=True)
    return stream.getvalue()
