"""The seam between the durable pipeline and whatever grades a film: worker processes, or this process."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from kneeoa.model.errors import KneeOAError
from kneeoa.model.grades import JSON, ReleaseFacts
from kneeoa.model.radiograph import Side
from kneeoa.model.release import release_folder

if TYPE_CHECKING:
    from kneeoa.model.grader import KneeGrader

INTERNAL = "internal_error"


class GradingError(KneeOAError):
    """A film could be neither graded nor refused; another attempt may succeed.

    Attributes:
        reason: a stable code for lists, metrics and dead letters: `decoder_crashed`, `decoder_timeout`, ...
    """

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason

    def __reduce__(self) -> tuple[type[GradingError], tuple[str, str]]:
        return GradingError, (self.reason, str(self))  # DBOS keeps errors as pickles


class GradingClosedError(KneeOAError):
    """Whatever grades was closed before the film's turn: no fault of the film, which the next start takes up."""


class FilmGrading(Protocol):
    """Grades one film file. Safe to call from many threads."""

    @property
    def release(self) -> ReleaseFacts:
        """Which networks grade, and with which software."""

    def grade(self, path: Path, side: Side | None = None, spacing_mm: float | None = None) -> dict[str, JSON]:
        """The film's report, as `docs/report.md` has it; a refusal is a report too.

        Args:
            path: a DICOM, PNG or JPEG file.
            side: the patient's side, where the file does not say it.
            spacing_mm: pixel spacing in millimetres, where the file does not say it.

        Raises:
            GradingError: the decoder died or took too long.
            GradingClosedError: the service is stopping.
        """

    def close(self) -> None:
        """Ends whatever was started for grading."""


class InProcessGrading:
    """Grades in this process, one network for all threads: for commands and tests, not for films of strangers.

    Args:
        release: name or folder of a release.
        device: "auto", "cpu" or "cuda".
    """

    def __init__(self, release: str, device: str = "auto") -> None:
        from threading import Lock

        self._name, self._device = release, device
        self._release = facts_of(release)
        self._grader: KneeGrader | None = None
        self._lock = Lock()

    @property
    def release(self) -> ReleaseFacts:
        """Which networks grade, and with which software."""
        return self._release

    def grade(self, path: Path, side: Side | None = None, spacing_mm: float | None = None) -> dict[str, JSON]:
        """See `FilmGrading.grade`."""
        return self._loaded().grade_file(path, side=side, spacing_mm=spacing_mm).to_json()

    def close(self) -> None:
        """Forgets the network."""
        self._grader = None

    def _loaded(self) -> KneeGrader:
        """The network, loaded when the first film comes: a start must not wait for it."""
        from kneeoa.model.grader import KneeGrader

        with self._lock:
            if self._grader is None:
                self._grader = KneeGrader.load(self._name, self._device, threads=1)
            return self._grader


def facts_of(release: str) -> ReleaseFacts:
    """Name and hash of a release, without loading its networks.

    Raises:
        ReleaseError: there is no such release.
    """
    import hashlib
    from importlib import metadata

    from kneeoa.model.errors import ReleaseError
    from kneeoa.model.release import MANIFEST, Manifest

    try:
        raw = (release_folder(release) / MANIFEST).read_bytes()
        name = Manifest.model_validate_json(raw).name
    except (OSError, ValueError) as error:
        raise ReleaseError(f"There is no release {release!r}. Name a shipped release or the folder of one.") from error
    return ReleaseFacts(name, hashlib.sha256(raw).hexdigest(), metadata.version("kneeoa"))
