"""Every way in which a film cannot be graded, by name, and the errors that carry those names.

A reason code is part of the report contract: it is never reused for another meaning. Each has one sentence that says
what is wrong and one that says what to do.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from kneeoa.model.radiograph import FilmFacts


class ReasonCode(StrEnum):
    """Why a film or a knee has no grade."""

    # Read errors: the file could not be turned into pixels.
    NOT_DICOM = "not_dicom"
    TRUNCATED = "truncated"
    NO_PIXELS = "no_pixels"
    BAD_GEOMETRY = "bad_geometry"
    TOO_LARGE = "too_large"
    UNKNOWN_TRANSFER_SYNTAX = "unknown_transfer_syntax"
    CORRUPT_PIXELS = "corrupt_pixels"
    DECODER_CRASHED = "decoder_crashed"
    UNREADABLE_FILE = "unreadable_file"
    # Refusals: the file was read, and is not a film that may be graded.
    WRONG_MODALITY = "wrong_modality"
    ENCAPSULATED_DOCUMENT = "encapsulated_document"
    MULTI_FRAME = "multi_frame"
    PALETTE = "palette"
    UNREADABLE_EXPOSURE = "unreadable_exposure"
    NOT_A_KNEE = "not_a_knee"
    NOT_FRONTAL = "not_frontal"
    IMPLANT = "implant"
    INCOMPLETE_KNEE = "incomplete_knee"
    TOO_MANY_KNEES = "too_many_knees"
    NOT_A_RADIOGRAPH = "not_a_radiograph"
    CHILD = "child"


READ_ERRORS = frozenset(
    {
        ReasonCode.NOT_DICOM,
        ReasonCode.TRUNCATED,
        ReasonCode.NO_PIXELS,
        ReasonCode.BAD_GEOMETRY,
        ReasonCode.TOO_LARGE,
        ReasonCode.UNKNOWN_TRANSFER_SYNTAX,
        ReasonCode.CORRUPT_PIXELS,
        ReasonCode.DECODER_CRASHED,
        ReasonCode.UNREADABLE_FILE,
    }
)
"""Codes that mean "could not be read": `kneeoa grade` ends with status 1 for these, 0 for refusals."""

_REMEDIES = MappingProxyType(
    {
        ReasonCode.NOT_DICOM: "Send a DICOM object, or a PNG or JPEG picture of one knee.",
        ReasonCode.TRUNCATED: "Fetch the object again from its source; the file ends before its data do.",
        ReasonCode.NO_PIXELS: "Send the image object of the study, not its report or its presentation state.",
        ReasonCode.BAD_GEOMETRY: "Have the object exported again; its rows and columns cannot be right.",
        ReasonCode.TOO_LARGE: "Send the film uncompressed, or at most 64 megapixels when compressed.",
        ReasonCode.UNKNOWN_TRANSFER_SYNTAX: "Have the sender use Explicit VR Little Endian or JPEG Lossless.",
        ReasonCode.CORRUPT_PIXELS: "Fetch the object again from its source; its pixel data cannot be decoded.",
        ReasonCode.DECODER_CRASHED: "Fetch the object again uncompressed, and report the transfer syntax to us.",
        ReasonCode.UNREADABLE_FILE: "Check that the path names a file and that its permissions let it be read.",
        ReasonCode.WRONG_MODALITY: "Send a plain radiograph (CR, DX, RF, RG, or a Secondary Capture of one).",
        ReasonCode.ENCAPSULATED_DOCUMENT: "Send the radiograph itself, not a document about it.",
        ReasonCode.MULTI_FRAME: "Send a single-frame radiograph.",
        ReasonCode.PALETTE: "Send the film in grey values (MONOCHROME1 or MONOCHROME2).",
        ReasonCode.UNREADABLE_EXPOSURE: "Check exposure and window; if the film looks right on a viewer, report it.",
        ReasonCode.NOT_A_KNEE: "Send a frontal radiograph of the knee; check Body Part Examined (0018,0015).",
        ReasonCode.NOT_FRONTAL: "Send the PA or AP view; check View Position (0018,5101).",
        ReasonCode.IMPLANT: "Read this knee without KneeOA; KL grades are not defined for knees with implants.",
        ReasonCode.INCOMPLETE_KNEE: "Send a film that shows the whole joint, both margins of the plateau included.",
        ReasonCode.TOO_MANY_KNEES: "Send the films of this composition one by one.",
        ReasonCode.NOT_A_RADIOGRAPH: "Send a plain radiograph of the knee; this picture is of another kind.",
        ReasonCode.CHILD: "KL grades are defined for adults; read the film without KneeOA.",
    }
)


@dataclass(frozen=True, slots=True)
class Refusal:
    """The `refusal` object of the report contract.

    Attributes:
        code: stable reason code.
        message: one sentence, what is wrong with this film; never a patient's name, id or UID.
        remedy: one sentence, what to do.
    """

    code: ReasonCode
    message: str
    remedy: str

    @classmethod
    def because(cls, code: ReasonCode, message: str) -> Refusal:
        """The refusal of this code with its standing remedy."""
        return cls(code=code, message=message, remedy=_REMEDIES[code])

    @property
    def is_read_error(self) -> bool:
        """Whether the file could not be read at all, rather than read and refused."""
        return self.code in READ_ERRORS


class KneeOAError(Exception):
    """Base of all errors that KneeOA raises on purpose; each says what to do."""


class FilmError(KneeOAError):
    """A film cannot be read or must be refused.

    Attributes:
        refusal: code, message and remedy.
        facts: what was learnt of the film before it failed, or None.
    """

    def __init__(self, code: ReasonCode, message: str, facts: FilmFacts | None = None) -> None:
        self.refusal = Refusal.because(code, message)
        self.facts = facts
        super().__init__(f"{code}: {message} {self.refusal.remedy}")


class ReleaseError(KneeOAError):
    """A release cannot be loaded: a file is missing, a hash differs, or this version does not know its frame."""


class DatasetError(KneeOAError):
    """A dataset's files or table do not say what is needed; the message names the remedy."""


class ConfigError(KneeOAError):
    """A configuration or an override is not valid; the message names the key."""
