"""A worklist as long as a year's, made of one study that was graded."""

from __future__ import annotations

import sqlite3
from pathlib import Path

_AS_THEY_ARE = "report, report_uid, worst_grade, films_disagree"


def copy_study(data: Path, uid: str, count: int) -> None:
    """Adds older studies `1.2.1000` and on with another's report to a running service on SQLite.

    Args:
        data: its data folder.
        uid: the study that is copied.
        count: how many are added.
    """
    into = f"INSERT INTO studies (study_uid, first_received, last_received, {_AS_THEY_ARE})"
    copy = f"{into} SELECT ?, first_received - ?, last_received - ?, {_AS_THEY_ARE} FROM studies WHERE study_uid = ?"  # noqa: S608 - our own words
    with sqlite3.connect(data / "kneeoa.sqlite") as database:
        database.executemany(copy, [(f"1.2.{n}", n, n, uid) for n in range(1000, 1000 + count)])
