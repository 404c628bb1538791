"""Objects on their way: made once, kept until all destinations have them, made anew where they are lost.

A file holds all objects of one batch, so that it is wholly there or not at all. Its name is the batch's id, which is
hashed and says nothing of a patient.
"""

from __future__ import annotations

import os
import secrets
import struct
from collections.abc import Callable, Mapping
from io import BytesIO
from pathlib import Path
from threading import Lock

from pydicom import dcmread

from kneeoa.serving.pipeline.destinations import SentObject
from kneeoa.serving.store.originals import named_failures

_KINDS = ("sc", "sr", "study_sr")
_HEAD = struct.Struct(f">{len(_KINDS)}Q")
_LOCKS = 16
"""Destinations are served at the same time: one of them makes the objects of a batch and the others wait for it."""


class Outbox:
    """The folder of objects on their way.

    Args:
        data: the service's data folder.
        make: makes the objects of a batch, by kind.
    """

    def __init__(self, data: Path, make: Callable[[str], Mapping[str, bytes]]) -> None:
        self._folder = data / "outbox"
        self._make = make
        self._locks = tuple(Lock() for _ in range(_LOCKS))

    def prepare(self) -> None:
        """Makes the folder, for this user alone, and removes what a crash left half written.

        Raises:
            StoreError: it cannot be written.
        """
        with named_failures():
            self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
            for rest in self._folder.glob("*.part"):
                rest.unlink(missing_ok=True)

    def objects(self, batch: str) -> dict[str, bytes]:
        """The objects of a batch, DICOM files by kind; those that cannot be made are left out.

        Args:
            batch: id of a result, or of a study's document.

        Raises:
            StoreError: the disk is full or cannot be written.
            Exception: whatever `make` raises.
        """
        with self._locks[hash(batch) % _LOCKS]:
            kept = self._kept(batch)
            if kept is not None:
                return kept
            made = {kind: content for kind, content in self._make(batch).items() if content}
            with named_failures():
                self._keep(batch, made)
            return made

    def forget(self, batch: str) -> None:
        """Removes the objects of a batch; they are made anew where they are asked for again."""
        with self._locks[hash(batch) % _LOCKS], named_failures():
            self._path(batch).unlink(missing_ok=True)

    def batches(self) -> list[str]:
        """Batches whose objects are there."""
        return sorted(path.stem for path in self._folder.glob("*.objects"))

    def _path(self, batch: str) -> Path:
        return self._folder / f"{batch}.objects"

    def _kept(self, batch: str) -> dict[str, bytes] | None:
        try:
            raw = self._path(batch).read_bytes()
        except OSError:
            return None
        sizes = _HEAD.unpack_from(raw) if len(raw) >= _HEAD.size else ()
        if len(raw) != _HEAD.size + sum(sizes):
            return None  # torn by a crash of the machine: it is made anew
        found, start = {}, _HEAD.size
        for kind, size in zip(_KINDS, sizes, strict=True):
            if size:
                found[kind] = raw[start : start + size]
            start += size
        return found

    def _keep(self, batch: str, made: Mapping[str, bytes]) -> None:
        """Not forced to the disk: what is torn is seen by its length, and can be made anew."""
        part = self._folder / f"{secrets.token_hex(16)}.part"
        handle = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(handle, "wb") as target:
                target.write(_HEAD.pack(*(len(made.get(kind, b"")) for kind in _KINDS)))
                for kind in _KINDS:
                    target.write(made.get(kind, b""))
            part.replace(self._path(batch))
        finally:
            part.unlink(missing_ok=True)


def described(content: bytes) -> SentObject:
    """What names an object.

    Args:
        content: a DICOM file of ours.
    """
    header = dcmread(
        BytesIO(content),
        stop_before_pixels=True,
        specific_tags=["SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"],
    )
    return SentObject(
        study_uid=str(header.StudyInstanceUID),
        series_uid=str(header.SeriesInstanceUID),
        sop_class_uid=str(header.SOPClassUID),
        sop_uid=str(header.SOPInstanceUID),
    )
