"""How the files of a cohort are got wrong, by name: each mistake has one error that says what to do."""

from __future__ import annotations

from enum import StrEnum

from kneeoa.model.errors import DatasetError


class CohortMistake(StrEnum):
    """What was got wrong."""

    NO_FILE = "no_file"
    """There is no such file, or none was named."""
    BINARY_FILE = "binary_file"
    """SAS, Excel or a ZIP archive where text is wanted."""
    OTHER_FILE = "other_file"
    """A text file of another kind: clinical data, the reliability study, the other cohort."""
    OTHER_SEPARATOR = "other_separator"
    """Saved anew by a spreadsheet, with another separator or fewer cells."""
    MIXED_VISITS = "mixed_visits"
    """The columns are of another visit than the file's name, or of two visits."""
    UNKNOWN_VISIT = "unknown_visit"
    """A visit at which no film was read."""
    UNKNOWN_SIDE = "unknown_side"
    """A side that is neither right nor left."""
    OFF_SCALE = "off_scale"
    """A value above its scale that is no known code."""
    NOT_A_NUMBER = "not_a_number"
    """A cell that is neither a value nor a missing one."""
    CONTRADICTION = "contradiction"
    """Two different readings of one reader for one knee and visit."""
    SHORT_BARCODE = "short_barcode"
    """A barcode that lost its leading zero in a spreadsheet."""
    OTHER_IDENTIFIERS = "other_identifiers"
    """No film has a reading: subjects or visits are written in another way."""
    UNKNOWN_PROJECT = "unknown_project"
    """A reading project that the files do not hold."""
    TWO_FILMS = "two_films"
    """Two films of one knee and visit that nothing tells apart."""


class CohortError(DatasetError):
    """A cohort's files cannot be used as they are.

    Args:
        mistake: which of the known mistakes it is; it begins the message.
        message: what is wrong where, and what to do.
    """

    def __init__(self, mistake: CohortMistake, message: str) -> None:
        super().__init__(f"{mistake}: {message}")
        self.mistake = mistake
