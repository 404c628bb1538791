"""A film's report as FHIR R4: a Bundle of one DiagnosticReport, its Observations, and the Device that made them.

A knee is one Observation of its grade; each compartment with a width is another, a member of the first. Statuses are
"preliminary": FHIR's "final" says that a person answers for it. Models are those of R4B, whose DiagnosticReport,
Observation, Device and Bundle are R4's.

References:
    HL7 FHIR R4 (4.0.1); HL7 DICOM SR to FHIR Resource Mapping: what is a group, a measurement, an evaluation.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Mapping

from fhir.resources.R4B.bundle import Bundle

from kneeoa.model.grades import JSON, KneeGrades
from kneeoa.model.radiograph import Side
from kneeoa.serving.pipeline.identity import made_uid
from kneeoa.serving.results.codes import SCHEME, Concept
from kneeoa.serving.results.facts import CodedFact, Facts, NumberFact, Unit, film_facts, knee_facts
from kneeoa.serving.results.result_object import DEVICE, MANUFACTURER, ResultSource
from kneeoa.serving.results.source_film import ACCESSION_NUMBER, PATIENT_ID
from kneeoa.serving.results.words import NOTICE

MEDIA_TYPE = "application/fhir+json"
_SYSTEMS = {"SCT": "http://snomed.info/sct", "LN": "http://loinc.org", SCHEME: "urn:kneeoa:99KNEEOA"}
_ABSENT = "http://terminology.hl7.org/CodeSystem/data-absent-reason"
_DICOM_UID = "urn:dicom:uid"
_STUDY_DATE = 0x00080020
_LATERALITY = Concept("272741003", "SCT", "Laterality")
_SIDES = {Side.RIGHT: Concept("24028007", "SCT", "Right"), Side.LEFT: Concept("7771000", "SCT", "Left")}
_KNEE_JOINT = Concept("49076000", "SCT", "Knee joint")
_Resource = dict[str, JSON]


def fhir_bundle(of: ResultSource) -> bytes:
    """The Bundle of one film, valid by the models of `fhir.resources`.

    Args:
        of: the film and its report.

    Returns:
        JSON.
    """
    device = _device(of)
    observations: list[_Resource] = []
    heads: list[_Resource] = []
    for i, knee in enumerate(of.grades.knees):
        mine = _knee(of, knee, f"knee {i}", device)
        heads.append(mine[0])
        observations += mine
    if not heads:
        heads = observations = [_observation(of, "film", film_facts(of.grades, of.codes), device)]
    report = _report(of, heads)
    bundle: _Resource = {
        "resourceType": "Bundle",
        "id": _uuid("bundle", of.uid),
        "type": "collection",
        "timestamp": of.made.isoformat(timespec="seconds"),
        "entry": [
            {"fullUrl": f"urn:uuid:{resource['id']}", "resource": resource}
            for resource in (report, device, *observations)
        ],
    }
    return Bundle.model_validate(bundle).model_dump_json(exclude_none=True).encode()


def _report(of: ResultSource, heads: list[_Resource]) -> _Resource:
    report: _Resource = {
        "resourceType": "DiagnosticReport",
        "id": _uuid("report", of.uid),
        "identifier": [{"system": _DICOM_UID, "value": f"urn:oid:{of.uid}"}],
        "status": "preliminary",
        "category": [{"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0074", "code": "RAD"}]}],
        "code": _concept(of.codes["report"]),
        "issued": of.made.isoformat(timespec="seconds"),
        "performer": [{"type": "Organization", "display": f"{DEVICE} {_release(of)}"}],
        "imagingStudy": [_study(of)],
        "result": [_reference(head) for head in heads],
        "conclusion": f"{_conclusion(of)} {NOTICE}",
    }
    accession = of.film.text(ACCESSION_NUMBER)
    if accession:
        kind: JSON = {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/v2-0203", "code": "ACSN"}]}
        report["basedOn"] = [{"type": "ServiceRequest", "identifier": {"type": kind, "value": accession}}]
    return report | _subject(of)


def _knee(of: ResultSource, knee: KneeGrades, name: str, device: _Resource) -> list[_Resource]:
    """The knee's own Observation, and then its compartments'."""
    facts = knee_facts(of.grades, knee, of.codes)
    head = _observation(of, name, facts, device, knee.side)
    members = []
    for part in knee.joint_space or {}:
        widths = Facts(
            tuple(fact for fact in facts.codes if fact.part == part),
            tuple(fact for fact in facts.numbers if fact.part == part),
            (),
        )
        if widths.numbers:
            members.append(_observation(of, f"{name} {part}", widths, device, knee.side, part))
    if members:
        head["hasMember"] = [_reference(member) for member in members]
    return [head, *members]


def _observation(
    of: ResultSource, name: str, facts: Facts, device: _Resource, side: Side | None = None, part: str = ""
) -> _Resource:
    """One Observation; its value is the first code of a knee or film, the first number of a compartment."""
    codes = [fact for fact in facts.codes if fact.part == part]
    numbers = [fact for fact in facts.numbers if fact.part == part]
    tracked = made_uid("tracked", of.uid, name)
    observation: _Resource = {
        "resourceType": "Observation",
        "id": _uuid("observation", tracked),
        "identifier": [{"system": _DICOM_UID, "value": f"urn:oid:{tracked}"}],
        "status": "preliminary",
        "category": [
            {"coding": [{"system": "http://terminology.hl7.org/CodeSystem/observation-category", "code": "imaging"}]}
        ],
        "issued": of.made.isoformat(timespec="seconds"),
        "device": _reference(device),
        "derivedFrom": [_study(of)],
    }
    components: list[JSON] = []
    if part and numbers[0].name in {of.codes[f"jsw_minimum_{part}"], of.codes[f"jsw_percent_{part}"]}:
        head, *numbers = numbers
        observation |= {"code": _concept(head.name), "valueQuantity": _quantity(head.value, head.unit)}
    elif part:
        absent: JSON = {"coding": [{"system": _ABSENT, "code": "not-performed"}]}
        observation |= {"code": _concept(of.codes[f"jsw_minimum_{part}"]), "dataAbsentReason": absent}
    else:
        first, *codes = codes
        observation |= {"code": _concept(first.name), "valueCodeableConcept": _concept(first.value)}
    if side is not None:
        observation["bodySite"] = _concept(_KNEE_JOINT)
        if side in _SIDES:
            components.append(_coded(CodedFact(_LATERALITY, _SIDES[side])))
    components += [_coded(fact) for fact in codes]
    components += [_measured(fact) for fact in numbers]
    if components:
        observation["component"] = components
    observation["note"] = [{"text": text} for text in (*facts.remarks, NOTICE)]
    date = of.film.text(_STUDY_DATE)
    if re.fullmatch(r"(19|20)\d\d(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])", date):
        observation["effectiveDateTime"] = f"{date[:4]}-{date[4:6]}-{date[6:]}"
    return observation | _subject(of)


def _device(of: ResultSource) -> _Resource:
    release = of.grades.release
    return {
        "resourceType": "Device",
        "id": _uuid("device", of.device_uid),
        "identifier": [{"system": _DICOM_UID, "value": f"urn:oid:{of.device_uid}"}],
        "manufacturer": MANUFACTURER,
        "deviceName": [{"name": DEVICE, "type": "model-name"}],
        "modelNumber": release.name,
        "serialNumber": release.sha256,
        "version": [{"value": release.software}],
    }


def _subject(of: ResultSource) -> _Resource:
    patient = of.film.text(PATIENT_ID)
    return {"subject": {"type": "Patient", "identifier": {"value": patient}}} if patient else {}


def _study(of: ResultSource) -> JSON:
    value = f"urn:oid:{of.film.study_instance_uid}"
    return {"type": "ImagingStudy", "identifier": {"system": _DICOM_UID, "value": value}}


def _conclusion(of: ResultSource) -> str:
    sides: Mapping[Side, str] = {Side.RIGHT: "Right knee", Side.LEFT: "Left knee", Side.UNKNOWN: "Knee, side unknown"}
    said = []
    for knee in of.grades.knees:
        refusal = knee.refusal or of.grades.refusal
        if knee.kl is not None:
            said.append(f"{sides[knee.side]}: {of.codes[f'kl_{knee.kl.grade}'].meaning}.")
        elif refusal is not None:
            said.append(f"{sides[knee.side]}: not graded. {refusal.message}")
    if not said and of.grades.refusal is not None:
        said.append(f"Not graded. {of.grades.refusal.message}")
    return " ".join(said)


def _release(of: ResultSource) -> str:
    return f"{of.grades.release.software}, release {of.grades.release.name}"


def _reference(resource: _Resource) -> JSON:
    return {"reference": f"urn:uuid:{resource['id']}"}


def _coded(fact: CodedFact) -> JSON:
    return {"code": _concept(fact.name), "valueCodeableConcept": _concept(fact.value)}


def _measured(fact: NumberFact) -> JSON:
    return {"code": _concept(fact.name), "valueQuantity": _quantity(fact.value, fact.unit)}


def _quantity(value: float, unit: Unit) -> JSON:
    return {
        "value": round(value, 4),
        "unit": unit.meaning,
        "system": "http://unitsofmeasure.org",
        "code": unit.value,
    }


def _concept(concept: Concept) -> JSON:
    system = _SYSTEMS.get(concept.scheme, f"urn:kneeoa:scheme:{concept.scheme}")
    return {"coding": [{"system": system, "code": concept.value, "display": concept.meaning}]}


def _uuid(kind: str, uid: str) -> str:
    """An id that is the same whenever the result is made."""
    return str(uuid.UUID(int=int(made_uid(f"fhir {kind}", uid).removeprefix("2.25."))))
