"""What polls of archives need not fetch again: films that are here, and instances that were looked at and not kept.

Of the latter no UID is kept, but a hash of it and of the rules: with other rules an instance is looked at anew.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Collection

from sqlalchemy import delete, select

from kneeoa.serving.store.database import Database
from kneeoa.serving.store.films import insert_into
from kneeoa.serving.store.tables import Film, PassedOver

_CHUNK = 500
_DAY_SECONDS = 86_400.0


class KnownInstances:
    """Asks and tells which instances are known.

    Args:
        database: the store.
        rules: what decides, as text.
    """

    def __init__(self, database: Database, rules: str) -> None:
        self._database, self._rules = database, rules

    def known(self, uids: Collection[str]) -> set[str]:
        """Those of these SOP Instance UIDs that need not be fetched.

        Raises:
            StoreError: the database does not answer.
        """
        found: set[str] = set()
        listed = sorted(uids)
        for start in range(0, len(listed), _CHUNK):
            keys = {self._key(uid): uid for uid in listed[start : start + _CHUNK]}
            with self._database.read() as session:
                films = session.scalars(select(Film.sop_uid).where(Film.sop_uid.in_(keys.values())))
                found.update(uid for uid in films if uid is not None)
                passed = session.scalars(select(PassedOver.key).where(PassedOver.key.in_(keys)))
                found.update(keys[key] for key in passed)
        return found

    def pass_over(self, uid: str, reason: str) -> None:
        """Notes that an instance was looked at and not kept.

        Args:
            uid: its SOP Instance UID.
            reason: name of a rule, or a reason code.

        Raises:
            StoreError: it could not be written.
        """
        row = {"key": self._key(uid), "reason": reason, "noted": time.time()}
        with self._database.write() as session:
            session.execute(insert_into(session, PassedOver).values(**row).on_conflict_do_nothing())

    def forget(self, days: float) -> None:
        """Removes notes that are older; what they are about is not asked for any more."""
        with self._database.write() as session:
            session.execute(delete(PassedOver).where(PassedOver.noted < time.time() - days * _DAY_SECONDS))

    def _key(self, uid: str) -> str:
        return hashlib.sha256(f"passed over\0{uid}\0{self._rules}".encode()).hexdigest()
