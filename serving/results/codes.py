"""The one table of codes that results are told in, and a site's own file over it.

No standard code exists for a Kellgren-Lawrence grade, joint space narrowing or joint space width (searched: PS3.16), so
these come from a private, versioned dictionary. A site that has codes of its own names them in a YAML file:

    kl_grade: {value: "KL", scheme: 99SITE, meaning: Kellgren-Lawrence grade}

Keys are those of `default_codes`; whatever is not named keeps the private code.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from kneeoa.model.errors import ConfigError, ReasonCode
from kneeoa.model.grades import KL_GRADES

SCHEME = "99KNEEOA"
SCHEME_VERSION = "1"
SCHEME_NAME = "KneeOA results"
SCHEME_UID = "2.25.201453274146271406553041857265341862513"
"""UUID derived (PS3.5 B.2), made once for this dictionary."""
COMPARTMENTS = MappingProxyType({"medial": "M", "lateral": "L", "image_left": "IL", "image_right": "IR"})
_WORDS = MappingProxyType(
    {"medial": "Medial", "lateral": "Lateral", "image_left": "Image-left", "image_right": "Image-right"}
)
_GRADES = ("none", "doubtful", "minimal", "moderate", "severe")
_NARROWING = ("normal", "mild", "moderate", "severe")
_OF_COMPARTMENT = MappingProxyType(
    {
        "jsw_minimum": ("JSW-MIN", "minimum joint space width"),
        "jsw_minimum_low": ("JSW-LOW", "minimum joint space width, lower 95 % limit"),
        "jsw_minimum_high": ("JSW-HIGH", "minimum joint space width, upper 95 % limit"),
        "jsw_mean": ("JSW-MEAN", "mean joint space width"),
        "jsw_percent": ("JSW-PCT", "minimum JSW over width of tibial plateau"),
        "jsw_quality": ("JSW-QUAL", "probability that minimum JSW is within 0.5 mm"),
        "jsw_rank": ("JSW-RANK", "share of KL 0 knees with narrower JSW"),
        "jsw_scale": ("JSW-SCALE", "joint space width measured at"),
        "jsw_contact": ("JSW-CONTACT", "joint space visible"),
        "jsw_reason": ("JSW-REASON", "joint space width not measured because"),
        "jsn": ("JSN", "joint space narrowing grade"),
        "jsn_percent": ("JSN-PCT", "narrowing against median of KL 0"),
        "jsn_borderline": ("JSN-BORDER", "narrowing grade borderline"),
        "jsn_origin": ("JSN-ORIGIN", "narrowing grade told by"),
        "fixed_plateau": ("JSWP", "JSW along plateau at x"),
        "fixed_femur": ("JSWF", "JSW along femur at x"),
    }
)
_SINGLE = MappingProxyType(
    {
        "report": ("REPORT", "Knee osteoarthritis, graded by AI"),
        "kl_grade": ("KL", "Kellgren-Lawrence grade"),
        "kl_expected": ("KL-EXPECTED", "Kellgren-Lawrence grade, expected"),
        "kl_possible": ("KL-POSSIBLE", "Kellgren-Lawrence grade not excluded"),
        "kl_abstain": ("KL-ABSTAIN", "One Kellgren-Lawrence grade named"),
        "oa_probability": ("OA-PROB", "Probability of radiographic OA (KL >= 2)"),
        "status": ("STATUS", "Grading status"),
        "graded": ("GRADED", "Graded"),
        "refused": ("REFUSED", "Not graded"),
        "reason": ("REASON", "Reason for not grading"),
        "remark": ("REMARK", "Remark"),
        "flag": ("FLAG", "Flag"),
        "side_source": ("SIDE-SOURCE", "Side told by"),
        "intended_use": ("USE", "Intended use"),
        "not_sole": ("NOT-SOLE", "Made by AI; not for sole diagnosis"),
        "place": ("PLACE", "Place in study report"),
        "headline": ("HEADLINE", "Film that speaks for this side"),
        "other_film": ("OTHER-FILM", "Other film of this side"),
        "yes": ("YES", "Yes"),
        "no": ("NO", "No"),
        "scale_joint": ("AT-JOINT", "Joint (calibrated film)"),
        "scale_detector": ("AT-DETECTOR", "Detector (larger than anatomy)"),
        "jsn_origin_measured": ("BY-MEASURE", "Measurement against knees of KL 0"),
        "jsn_origin_network": ("BY-NETWORK", "Network trained on readers' grades"),
        "no_contrast": ("NO-CONTRAST", "No contrast at the joint"),
        "no_joint": ("NO-JOINT", "No joint found"),
        "joint_at_the_border": ("JOINT-BORDER", "Joint at the border"),
        "flag_other": ("F-OTHER", "Other flag"),
    }
)
_FLAGS = MappingProxyType(
    {
        "side_conflict": ("F-SIDE-CONFLICT", "Statements of the side do not agree"),
        "side_unknown": ("F-SIDE-UNKNOWN", "Nothing tells the side for sure"),
        "side_by_convention": ("F-SIDE-HANGING", "Side told by hanging convention only"),
        "unusual_film": ("F-UNUSUAL", "Unusual film: trust the grade less"),
        "unknown_spacing": ("F-NO-SPACING", "No pixel spacing stated"),
        "bilateral": ("F-BILATERAL", "Object names both sides"),
        "no_window": ("F-NO-WINDOW", "No window stated"),
        "window_ignored": ("F-WINDOW", "Stated window showed nothing"),
        "for_processing": ("F-RAW", "For Processing object"),
        "reduced": ("F-REDUCED", "Film reduced to be graded"),
        "uid_reused": ("F-UID-REUSED", "SOP Instance UID stands for other pixels too"),
        "films_disagree": ("F-DISAGREE", "Films of this side are two grades apart or more"),
    }
)
_SIDE_SOURCES = ("tag", "orientation", "marker", "picture", "hanging", "user", "none")
_LONGEST_VALUE = 16
"""Code Value (0008,0100) is SH."""


@dataclass(frozen=True, slots=True)
class Concept:
    """A coded concept, as DICOM's triplet (PS3.3 8.8) and FHIR's Coding have it."""

    value: str
    scheme: str
    meaning: str


class _Entry(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    value: Annotated[str, Field(min_length=1, max_length=_LONGEST_VALUE)]
    scheme: Annotated[str, Field(min_length=1, max_length=16)]
    meaning: Annotated[str, Field(min_length=1, max_length=64)]


@dataclass(frozen=True, slots=True)
class CodeTable:
    """What concepts are called.

    Attributes:
        concepts: by key.
        site: a digest of the site's file, or "" without one: with other codes a result is another object.
    """

    concepts: Mapping[str, Concept]
    site: str = ""

    def __getitem__(self, key: str) -> Concept:
        return self.concepts[key]

    def flag(self, name: str) -> Concept:
        """The concept of a report's flag; one that the table does not know keeps its name as the meaning."""
        known = self.concepts.get(f"flag_{name}")
        return known or Concept(self["flag_other"].value, self["flag_other"].scheme, name.replace("_", " ")[:64])

    def at(self, kind: str, compartment: str, x: str) -> Concept:
        """The concept of a joint space width at a fixed place.

        Args:
            kind: "fixed_plateau" or "fixed_femur".
            compartment: as the report names it.
            x: the place, such as "0.200".
        """
        exact = self.concepts.get(f"{kind}_{compartment}_{x}")
        if exact is not None:
            return exact
        base = self[f"{kind}_{compartment}"]
        return Concept(f"{base.value}-{x}"[:_LONGEST_VALUE], base.scheme, f"{base.meaning}={x}")


def default_codes() -> CodeTable:
    """The private dictionary, whole."""
    return CodeTable(MappingProxyType(dict(_default())))


def load_codes(path: Path | None) -> CodeTable:
    """The table with a site's file over it.

    Args:
        path: a YAML file, or None.

    Raises:
        ConfigError: the file cannot be read, a key is unknown, or a code is not valid; the message names the key.
    """
    table = default_codes()
    if path is None:
        return table
    import yaml

    try:
        text = path.read_text(encoding="utf-8")
        entries = TypeAdapter(dict[str, _Entry]).validate_python(yaml.safe_load(text) or {})
    except ValidationError as error:
        faults = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors(include_input=False))
        raise ConfigError(f"The codes of {path.name} are not valid: {faults}.") from None
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise ConfigError(f"The codes of {path.name} cannot be read ({type(error).__name__}).") from None
    unknown = sorted(key for key in entries if not _known(key, table))
    if unknown:
        raise ConfigError(f"The codes of {path.name} name what no result tells: {', '.join(unknown[:5])}.")
    named = {key: Concept(entry.value, entry.scheme, entry.meaning) for key, entry in entries.items()}
    digest = hashlib.sha256(repr(sorted((key, named[key]) for key in named)).encode()).hexdigest()[:16]
    return CodeTable(MappingProxyType({**table.concepts, **named}), digest if named else "")


def _known(key: str, table: CodeTable) -> bool:
    """A key of the table, or one of a fixed place: `fixed_femur_medial_0.200`."""
    base, _, x = key.rpartition("_")
    return key in table.concepts or (base.startswith("fixed_") and base in table.concepts and _is_place(x))


def _is_place(x: str) -> bool:
    try:
        return 0 <= float(x) <= 1
    except ValueError:
        return False


def _default() -> list[tuple[str, Concept]]:
    rows = [(key, *of) for key, of in _SINGLE.items()]
    for grade in KL_GRADES:
        rows.append((f"kl_{grade}", f"KL-{grade}", f"Kellgren-Lawrence grade {grade} ({_GRADES[grade]})"))
        rows.append((f"kl_probability_{grade}", f"KL-PROB-{grade}", f"Probability of Kellgren-Lawrence grade {grade}"))
    rows += [(f"jsn_{i}", f"JSN-{i}", f"Narrowing grade {i} ({word})") for i, word in enumerate(_NARROWING)]
    rows += [(f"flag_{key}", *of) for key, of in _FLAGS.items()]
    rows += [(f"side_{name}", f"BY-{name.upper()}", name.capitalize()) for name in _SIDE_SOURCES]
    rows += [(f"reason_{code}", f"R-{i:02d}", code.replace("_", " ").capitalize()) for code, i in _reasons()]
    for name, letter in COMPARTMENTS.items():
        for key, (value, meaning) in _OF_COMPARTMENT.items():
            rows.append((f"{key}_{name}", f"{value}-{letter}", f"{_WORDS[name]} {meaning}"))
        for i in range(len(_NARROWING)):
            words = f"{_WORDS[name]}: probability of narrowing grade {i}"
            rows.append((f"jsn_probability_{i}_{name}", f"JSN-PROB-{i}-{letter}", words))
    return [(key, Concept(value, SCHEME, meaning)) for key, value, meaning in rows]


_REASON_NUMBERS = MappingProxyType(
    {
        ReasonCode.NOT_DICOM: 1,
        ReasonCode.TRUNCATED: 2,
        ReasonCode.NO_PIXELS: 3,
        ReasonCode.BAD_GEOMETRY: 4,
        ReasonCode.TOO_LARGE: 5,
        ReasonCode.UNKNOWN_TRANSFER_SYNTAX: 6,
        ReasonCode.CORRUPT_PIXELS: 7,
        ReasonCode.DECODER_CRASHED: 8,
        ReasonCode.UNREADABLE_FILE: 9,
        ReasonCode.WRONG_MODALITY: 20,
        ReasonCode.ENCAPSULATED_DOCUMENT: 21,
        ReasonCode.MULTI_FRAME: 22,
        ReasonCode.PALETTE: 23,
        ReasonCode.UNREADABLE_EXPOSURE: 24,
        ReasonCode.NOT_A_KNEE: 25,
        ReasonCode.NOT_FRONTAL: 26,
        ReasonCode.IMPLANT: 27,
        ReasonCode.INCOMPLETE_KNEE: 28,
        ReasonCode.TOO_MANY_KNEES: 29,
        ReasonCode.NOT_A_RADIOGRAPH: 30,
        ReasonCode.CHILD: 31,
    }
)
"""Never given to another reason: archived results are read by these numbers."""


def _reasons() -> list[tuple[str, int]]:
    return [(code.value, number) for code, number in _REASON_NUMBERS.items()]
