"""Keys open what they say and no more; the audit trail cannot be changed unseen."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from kneeoa.serving.audit import AUDIT_FILE, AuditError, AuditTrail, Deed, verify
from kneeoa.serving.security.keys import KeyFile
from kneeoa.serving.security.principal import AuthenticationError, Scope
from kneeoa.serving.security.rate import RateLimit

READ = frozenset({Scope.READ})


def test_a_key_is_kept_as_a_hash_alone_in_a_file_of_its_owner(tmp_path: Path) -> None:
    keys = KeyFile(tmp_path)
    key = keys.create("a viewer", READ)
    assert keys.authenticate(key).scopes == READ
    assert key not in keys.path.read_text()
    assert keys.path.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("wrong", ["", "kneeoa_", "kneeoa_00000000_x", "KEY", "\udc80"])
def test_a_wrong_key_opens_nothing(tmp_path: Path, wrong: str) -> None:
    keys = KeyFile(tmp_path)
    key = keys.create("a viewer", READ)
    for given in (wrong, key[:-1], key + "x"):
        with pytest.raises(AuthenticationError):
            keys.authenticate(given)


def test_expired_revoked_and_rotated_keys(tmp_path: Path) -> None:
    keys = KeyFile(tmp_path)
    with pytest.raises(AuthenticationError, match="expired"):
        keys.authenticate(keys.create("short", READ, days=0))
    old = keys.create("long", READ)
    new = keys.rotate(old.split("_")[1], grace_hours=0)
    assert keys.authenticate(new).scopes == READ
    with pytest.raises(AuthenticationError, match="revoked"):
        keys.authenticate(old)


def trail(folder: Path) -> list[str]:
    audit = AuditTrail(folder)
    for n in range(5):
        audit.write(Deed("local", "film_sent", study_uid=f"1.2.{n}"))
    return (folder / AUDIT_FILE).read_text().splitlines()


def test_a_whole_trail_is_verified(tmp_path: Path) -> None:
    trail(tmp_path)
    end = verify(tmp_path)
    assert end.count == 5
    AuditTrail(tmp_path).write(Deed("local", "film_sent"))
    assert verify(tmp_path, end).count == 6


def test_a_changed_removed_or_repeated_line_is_found(tmp_path: Path) -> None:
    lines = trail(tmp_path)
    changed = json.dumps({**json.loads(lines[2]), "who": "nobody"})
    for wrong in ([*lines[:2], changed, *lines[3:]], [*lines[:2], *lines[3:]], [*lines[:3], *lines[2:]]):
        (tmp_path / AUDIT_FILE).write_text("\n".join(wrong) + "\n")
        with pytest.raises(AuditError, match=r"broken at line [34]"):
            verify(tmp_path)


def test_a_trail_that_was_cut_off_is_found_by_an_end_noted_before(tmp_path: Path) -> None:
    lines = trail(tmp_path)
    end = verify(tmp_path)
    (tmp_path / AUDIT_FILE).write_text("\n".join(lines[:4]) + "\n")
    with pytest.raises(AuditError, match="cut off"):
        verify(tmp_path, end)


def test_a_line_that_a_crash_cut_short_is_passed_over(tmp_path: Path) -> None:
    lines = trail(tmp_path)
    (tmp_path / AUDIT_FILE).write_text("\n".join(lines[:4]) + "\n" + lines[4][:40])
    AuditTrail(tmp_path).write(Deed("local", "film_sent"))
    assert verify(tmp_path).count == 5


def test_a_rate_is_kept_and_recovers() -> None:
    now = [0.0]
    rate = RateLimit(60, lambda: now[0])
    assert [rate.wait_seconds("a") for _ in range(10)] == [0.0] * 10
    assert rate.wait_seconds("a") == pytest.approx(1.0)
    assert rate.wait_seconds("b") == 0
    now[0] = 1.0
    assert rate.wait_seconds("a") == 0
