"""Keyed hashes in place of what names a patient, a study or a file.

References:
    RFC 2104 (HMAC); PS3.15 annex E (what identifies a patient in a DICOM object).
"""

from __future__ import annotations

import hashlib
import hmac
from dataclasses import replace
from pathlib import Path

from kneeoa.model.errors import ConfigError
from kneeoa.serving.archive.manifest_schema import ManifestRow

LEAST_KEY_BYTES = 16
_DIGITS = 32
"""Of the 64 of SHA-256: 128 bits."""
_OLDEST_TOLD = 90


class Pseudonyms:
    """Replaces identities by HMAC-SHA-256 under a key: the same identity has the same hash wherever the key is used.

    Args:
        key: secret; whoever has it can find out whether a given identity is in a table.
    """

    def __init__(self, key: bytes) -> None:
        self._key = key

    @classmethod
    def from_file(cls, path: Path) -> Pseudonyms:
        """Reads a key file; whatever bytes it has are the key, but for spaces and line ends around them.

        Raises:
            ConfigError: it cannot be read, or is too short to be a secret.
        """
        try:
            key = path.read_bytes().strip()
        except OSError as error:
            raise ConfigError(f"The key file cannot be read: {error.strerror}. Name another one.") from None
        if len(key) < LEAST_KEY_BYTES:
            raise ConfigError(
                f"The key file has less than {LEAST_KEY_BYTES} bytes. Make one: head -c 32 /dev/urandom > KEYFILE"
            )
        return cls(key)

    @property
    def fingerprint(self) -> str:
        """Tells whether two runs used the same key, and nothing else of it."""
        return self.of("fingerprint", "key")

    def of(self, kind: str, identity: str) -> str:
        """The hash of an identity.

        Args:
            kind: what it identifies; the same text as another kind has another hash.
            identity: the text.
        """
        text = f"{kind}\0{identity}".encode("utf-8", "surrogatepass")
        return hmac.new(self._key, text, hashlib.sha256).hexdigest()[:_DIGITS]

    def hide(self, row: ManifestRow) -> ManifestRow:
        """A row whose source, UIDs and patient are hashes, and that tells no age above 89."""

        def hashed(kind: str, identity: str | None) -> str | None:
            return None if identity is None else self.of(kind, identity)

        return replace(
            row,
            source=self.of("source", row.source),
            member=hashed("member", row.member),
            sop_instance_uid=hashed("uid", row.sop_instance_uid),
            study_instance_uid=hashed("uid", row.study_instance_uid),
            series_instance_uid=hashed("uid", row.series_instance_uid),
            patient=hashed("patient", row.patient),
            age_years=None if row.age_years is None else min(row.age_years, _OLDEST_TOLD),
        )
