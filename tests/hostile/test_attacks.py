"""Each attack ends for its own reason, in bounded time and memory; what is only strange is graded."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.hostile.attacks import ATTACKS
from tests.hostile.grading_process import Pool, Request
from tests.hostile.verdict import complaints_of


def end(name: str, pool: Pool, folder: Path) -> None:
    attack, path = ATTACKS[name], folder / "attack"
    made = attack.make()
    with path.open("wb") as file:
        file.writelines([made] if isinstance(made, bytes) else made)
    outcome = pool.grade(Request(path, draw=True))
    path.unlink()
    assert not list(complaints_of(outcome))
    assert outcome.code in (attack.codes or {None})


@pytest.mark.parametrize("name", [name for name, attack in ATTACKS.items() if not attack.large])
def test_attack_ends_for_its_reason(name: str, pool: Pool, tmp_path: Path) -> None:
    end(name, pool, tmp_path)


@pytest.mark.soak
@pytest.mark.parametrize("name", [name for name, attack in ATTACKS.items() if attack.large])
def test_large_attack_ends_for_its_reason(name: str, pool: Pool, tmp_path: Path) -> None:
    end(name, pool, tmp_path)
