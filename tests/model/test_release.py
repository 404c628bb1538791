"""A release is loaded whole and unchanged, or not at all."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from kneeoa.model.errors import ReleaseError
from kneeoa.model.release import DEFAULT_RELEASE, MANIFEST, RELEASES, load_release

MIB = 1_000_000


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    """A copy of the shipped release that a test may spoil."""
    return Path(shutil.copytree(RELEASES / DEFAULT_RELEASE, tmp_path / "copy"))


def edit(folder: Path, change: Callable[[dict[str, object]], None]) -> None:
    manifest = json.loads((folder / MANIFEST).read_text())
    change(manifest)
    (folder / MANIFEST).write_text(json.dumps(manifest))


def test_the_shipped_release_is_whole_and_its_hash_is_that_of_its_manifest() -> None:
    release = load_release()
    raw = (RELEASES / DEFAULT_RELEASE / MANIFEST).read_bytes()
    assert release.sha256 == hashlib.sha256(raw).hexdigest()
    assert release.manifest.name == DEFAULT_RELEASE
    assert set(release.contents) == {p.name for p in (RELEASES / DEFAULT_RELEASE).iterdir()} - {MANIFEST}


def test_the_shipped_networks_keep_their_budget() -> None:
    files = [p for p in RELEASES.rglob("*") if p.is_file()]
    assert (RELEASES / DEFAULT_RELEASE / "kl.onnx").stat().st_size <= 15 * MIB
    assert sum(p.stat().st_size for p in files) <= 25 * MIB
    assert not [p for p in files if p.name.endswith(".data")]


def test_the_manifest_says_what_it_was_learnt_from() -> None:
    manifest = load_release().manifest
    assert "CC BY 4.0" in manifest.data[0].licence
    assert "Apache-2.0" in manifest.weights[0].licence
    assert manifest.classes == ("KL 0", "KL 1", "KL 2", "KL 3", "KL 4")
    assert "held" in manifest.metrics


@pytest.mark.parametrize("name", ["kl.onnx", "gate.npz"])
def test_a_changed_file_is_refused(copy: Path, name: str) -> None:
    content = bytearray((copy / name).read_bytes())
    content[len(content) // 2] ^= 1
    (copy / name).write_bytes(bytes(content))
    with pytest.raises(ReleaseError, match=f"{name}.*hash differs"):
        load_release(copy)


def test_a_missing_file_is_refused(copy: Path) -> None:
    (copy / "gate.npz").unlink()
    with pytest.raises(ReleaseError, match=r"lacks its file gate\.npz"):
        load_release(copy)


def test_another_frame_is_refused(copy: Path) -> None:
    edit(copy, lambda manifest: manifest.update(frame="square999-1"))
    with pytest.raises(ReleaseError, match="square999-1"):
        load_release(copy)


def test_a_file_outside_the_release_is_refused(copy: Path) -> None:
    def escape(manifest: dict[str, object]) -> None:
        files = manifest["files"]
        assert isinstance(files, dict)
        files["../secret"] = "0" * 64

    edit(copy, escape)
    with pytest.raises(ReleaseError, match="not a plain file name"):
        load_release(copy)


def test_a_manifest_without_the_network_or_with_unknown_keys_is_refused(copy: Path) -> None:
    edit(copy, lambda manifest: manifest.update(files={}))
    with pytest.raises(ReleaseError, match=r"lists no kl\.onnx"):
        load_release(copy)
    edit(copy, lambda manifest: manifest.update(surprise=1))
    with pytest.raises(ReleaseError, match="not valid"):
        load_release(copy)


def test_an_unknown_name_says_what_to_give() -> None:
    with pytest.raises(ReleaseError, match="name of a shipped release"):
        load_release("no-such-release")
