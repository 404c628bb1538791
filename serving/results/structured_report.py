"""A film's report as a DICOM Structured Report: Comprehensive SR, TID 1500, one measurement group a knee.

A knee's group has its place on the film (SCOORD), the grade both as a code and as the first number, which is what
viewers draw, and then everything else that the report tells. A refused film or knee has a group that says so in codes.

References:
    PS3.16 TID 1500, 1410, 1501, 4019; PS3.3 A.35.3 and C.18.6 (spatial coordinates).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from highdicom.coding_schemes import CodingSchemeIdentificationItem
from highdicom.sr import (
    AlgorithmIdentification,
    CodedConcept,
    ComprehensiveSR,
    ContainerContentItem,
    DeviceObserverIdentifyingAttributes,
    FindingSite,
    GraphicTypeValues,
    ImageContentItem,
    ImageRegion,
    Measurement,
    MeasurementReport,
    MeasurementsAndQualitativeEvaluations,
    ObservationContext,
    ObserverContext,
    PlanarROIMeasurementsAndQualitativeEvaluations,
    QualitativeEvaluation,
    RelationshipTypeValues,
    SourceImageForMeasurementGroup,
    SourceImageForRegion,
    TextContentItem,
    TrackingIdentifier,
)
from numpy import array
from pydicom import Dataset
from pydicom.sr.codedict import codes as standard
from pydicom.uid import SecondaryCaptureImageStorage

from kneeoa.model.grades import FilmGrades
from kneeoa.model.radiograph import Side
from kneeoa.serving.pipeline.identity import made_uid
from kneeoa.serving.results.codes import SCHEME, SCHEME_NAME, SCHEME_UID, SCHEME_VERSION, Concept
from kneeoa.serving.results.facts import CodedFact, Facts, film_facts, knee_facts
from kneeoa.serving.results.image_library import image_library
from kneeoa.serving.results.result_object import (
    DEVICE,
    MANUFACTURER,
    SR_SERIES,
    ResultSource,
    blank_evidence,
    take_over,
    to_bytes,
)

SERIES_DESCRIPTION = "KneeOA results (AI, not for sole diagnosis)"
_LATERALITY = {Side.RIGHT: standard.SCT.Right, Side.LEFT: standard.SCT.Left}
Group = PlanarROIMeasurementsAndQualitativeEvaluations | MeasurementsAndQualitativeEvaluations


@dataclass(frozen=True, slots=True)
class Frame:
    """What a report is besides its measurements.

    Attributes:
        series_uid, series_number, description: of its series.
        library: which films were read.
        evidence: what is referred to; the first is whose study it is.
        previous: the reports that it takes the place of.
    """

    series_uid: str
    series_number: int
    description: str
    library: ContainerContentItem
    evidence: Sequence[Dataset]
    previous: Sequence[Dataset] = ()


def structured_report(of: ResultSource, *, capture: bool) -> bytes:
    """The Structured Report of one film.

    Args:
        of: the film and its report.
        capture: whether there is a Secondary Capture, which is then referred to as the visual explanation.

    Returns:
        A DICOM file.
    """
    groups = [knee_group(of, place, capture=capture) for place in range(len(of.grades.knees))]
    frame = Frame(
        of.series_uid("sr series"), SR_SERIES, SERIES_DESCRIPTION, image_library([of]), evidence_of(of, capture=capture)
    )
    return made_report(of, groups or [film_group(of, capture=capture)], frame)


def made_report(of: ResultSource, groups: Sequence[Group], frame: Frame) -> bytes:
    """A report of these groups.

    Args:
        of: whose it is, its UID, and who made it.
        groups: one a knee, or one of a film.
        frame: what it is besides.

    Returns:
        A DICOM file.
    """
    report = MeasurementReport(
        observation_context=ObservationContext(observer_device_context=_observer(of)),
        # Of CID 100 in every edition: its "XR unspecified body region" is younger than many a validator.
        procedure_reported=standard.cid100.ImagingProcedure,
        imaging_measurements=list(groups),
        title=standard.DCM.ImagingMeasurementReport,
    )
    # TID 1500: the image library comes before the measurements.
    report[0].ContentSequence.insert(len(report[0].ContentSequence) - 1, frame.library)
    result = ComprehensiveSR(
        evidence=list(frame.evidence),
        content=report[0],
        series_instance_uid=frame.series_uid,
        series_number=frame.series_number,
        sop_instance_uid=of.uid,
        instance_number=1,
        manufacturer=MANUFACTURER,
        is_complete=True,
        is_final=True,
        series_description=frame.description,
        manufacturer_model_name=DEVICE,
        device_serial_number=of.grades.release.sha256[:64],
        coding_schemes=[_scheme()],
        specific_character_set=None,
        previous_versions=list(frame.previous) or None,
    )
    take_over(result, of)
    return to_bytes(result)


def evidence_of(of: ResultSource, *, capture: bool) -> list[Dataset]:
    """A film, and its Secondary Capture where there is one, as highdicom wants what is referred to."""
    return [blank_evidence(of.film), *([_capture_evidence(of)] if capture else [])]


def coded(concept: Concept) -> CodedConcept:
    """A concept as highdicom has it."""
    version = SCHEME_VERSION if concept.scheme == SCHEME else None
    return CodedConcept(concept.value, concept.scheme, concept.meaning, version)


def _scheme() -> CodingSchemeIdentificationItem:
    return CodingSchemeIdentificationItem(
        designator=SCHEME,
        name=SCHEME_NAME,
        version=SCHEME_VERSION,
        uid=SCHEME_UID,
        responsible_organization="KneeOA developers",
    )


def _observer(of: ResultSource) -> ObserverContext:
    return ObserverContext(
        standard.DCM.Device,
        DeviceObserverIdentifyingAttributes(
            uid=of.device_uid,
            name=DEVICE,
            manufacturer_name=MANUFACTURER,
            model_name=of.grades.release.name,
            serial_number=of.grades.release.sha256,
        ),
    )


def _algorithm(of: ResultSource) -> AlgorithmIdentification:
    release = of.grades.release
    return AlgorithmIdentification(
        name=DEVICE, version=f"{release.software} {release.name}", parameters=[f"release sha256 {release.sha256}"]
    )


def knee_group(of: ResultSource, place: int, *, capture: bool, role: Concept | None = None) -> Group:
    """One knee: TID 1410 where its place is known.

    Args:
        of: the film and its report.
        place: of the knee in the report.
        capture: whether there is a Secondary Capture.
        role: what the film is for this side of the study, where it is told.
    """
    knee = of.grades.knees[place]
    side = _LATERALITY.get(knee.side)
    site = FindingSite(standard.SCT.KneeJoint, laterality=None if side is None else side)
    corners = None if knee.box is None else knee.box.corners(knee.angle_degrees or 0.0)
    name = {Side.RIGHT: "Right knee", Side.LEFT: "Left knee"}.get(knee.side, f"Knee {place + 1}")
    facts = knee_facts(of.grades, knee, of.codes)
    if role is not None:
        facts = replace(facts, codes=(*facts.codes, CodedFact(of.codes["place"], role)))
    return _made(of, (name, f"knee {place}"), corners, facts, [site], capture)


def film_group(of: ResultSource, *, capture: bool) -> Group:
    """A film without any knee."""
    return _made(of, ("Film", "film"), None, film_facts(of.grades, of.codes), None, capture)


def _made(
    of: ResultSource,
    names: tuple[str, str],
    corners: list[tuple[float, float]] | None,
    facts: Facts,
    sites: Sequence[FindingSite] | None,
    capture: bool,
) -> Group:
    tracking = TrackingIdentifier(made_uid("tracked", of.uid, names[1]), names[0])
    evaluations = [QualitativeEvaluation(coded(fact.name), coded(fact.value)) for fact in facts.codes]
    measurements = [
        Measurement(coded(fact.name), round(fact.value, 4), CodedConcept(fact.unit.value, "UCUM", fact.unit.meaning))
        for fact in facts.numbers
    ]
    outline = _on_film(corners, of.grades) if corners is not None else _whole(of)
    if outline is None:
        group: Group = MeasurementsAndQualitativeEvaluations(
            tracking_identifier=tracking,
            algorithm_id=_algorithm(of),
            finding_sites=sites,
            measurements=measurements,
            qualitative_evaluations=evaluations,
            source_images=[SourceImageForMeasurementGroup(of.film.sop_class_uid, of.film.sop_instance_uid)],
        )
    else:
        region = ImageRegion(
            GraphicTypeValues.POLYLINE,
            array([*outline, outline[0]]),
            SourceImageForRegion(of.film.sop_class_uid, of.film.sop_instance_uid),
        )
        group = PlanarROIMeasurementsAndQualitativeEvaluations(
            tracking_identifier=tracking,
            referenced_region=region,
            algorithm_id=_algorithm(of),
            finding_sites=sites,
            measurements=measurements,
            qualitative_evaluations=evaluations,
        )
    content = group[0].ContentSequence
    for remark in facts.remarks:
        content.append(TextContentItem(coded(of.codes["remark"]), remark, RelationshipTypeValues.CONTAINS))
    if capture:
        content.append(
            ImageContentItem(
                standard.DCM.VisualExplanation,
                SecondaryCaptureImageStorage,
                of.capture_uid,
                relationship_type=RelationshipTypeValues.CONTAINS,
            )
        )
    return group


def _on_film(corners: list[tuple[float, float]], grades: FilmGrades) -> list[tuple[float, float]]:
    """(row, column) as (column, row) from the image's corner, and within it (PS3.3 C.18.6.1.2: 0 is the first edge)."""
    rows, columns = grades.film.rows or math.inf, grades.film.columns or math.inf
    return [(min(max(x + 0.5, 0.0), columns), min(max(y + 0.5, 0.0), rows)) for y, x in corners]


def _whole(of: ResultSource) -> list[tuple[float, float]] | None:
    """The whole image, where its size is known."""
    rows, columns = of.grades.film.rows or of.film.rows, of.grades.film.columns or of.film.columns
    if rows is None or columns is None:
        return None
    return [(0.0, 0.0), (columns, 0.0), (columns, rows), (0.0, rows)]


def _capture_evidence(of: ResultSource) -> Dataset:
    evidence = blank_evidence(of.film)
    evidence.SOPClassUID = SecondaryCaptureImageStorage
    evidence.SOPInstanceUID = of.capture_uid
    evidence.SeriesInstanceUID = of.series_uid("secondary capture series")
    return evidence
