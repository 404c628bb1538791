"""The script installs into an empty place, and what it installs runs where it can write into its data folder alone."""

from __future__ import annotations

import os
import re
import shutil
import signal
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tests.serving.server import RELATED, related, until

from kneeoa.datasets.phantom import PhantomSpec, write_phantom
from kneeoa.model.radiograph import Side

ROOT = Path(__file__).parents[2]
INSTALLS, SERVES = 64_001, 64_002
"""Two users that own nothing: who installs cannot write the data, who serves cannot write what is installed."""
EMPTY = {"PATH": "/usr/local/bin:/usr/bin:/bin", "HOME": "/nonexistent", "LC_ALL": "C.UTF-8"}
WAY_TO_PACKAGES = {
    name: value for name, value in os.environ.items() if re.match("PIP_|SSL_|.*_proxy$", name, re.IGNORECASE)
}
"""Where this machine has its packages from is no setting of ours."""
PYTHONS = (str(Path(sys.executable).resolve()), "/usr/local/bin/python3", "/usr/bin/python3")
"""Of which one can be run by others too: an own one may lie in a home that is closed."""
PATIENCE_SECONDS = 120.0


@pytest.mark.soak
def test_the_script_installs_into_an_empty_place_and_again(tmp_path: Path) -> None:
    prefix, data = tmp_path / "opt", tmp_path / "data"
    command = ["bash", str(ROOT / "deploy/install.sh"), "--prefix", str(prefix), "--data", str(data)]
    command += ["--python", sys.executable]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    for _ in range(2):
        subprocess.run(command, env=environment, check=True)
    assert stat.S_IMODE(data.stat().st_mode) == 0o700
    assert len(list(prefix.glob("venv-*"))) == 2
    said = subprocess.run(
        [prefix / "current/bin/kneeoa", "serve", "--check", "--data", data], capture_output=True, check=True
    )
    assert str(data).encode() in said.stdout


@pytest.fixture
def place() -> Iterator[Path]:
    """An empty folder that everyone may enter, and nobody but root may write."""
    folder = Path(tempfile.mkdtemp(prefix="kneeoa-install-"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


def own(path: Path, user: int) -> Path:
    path.mkdir(mode=0o755, exist_ok=True)
    os.chown(path, user, user)
    return path


def python_of_others() -> str:
    """A Python with venv that whoever installs may run."""
    for python in PYTHONS:
        try:
            subprocess.run([python, "-c", "import ensurepip"], env=EMPTY, user=INSTALLS, check=True)
        except (OSError, subprocess.CalledProcessError):
            continue
        return python
    pytest.skip("no Python can be run by others")


def copy_of_the_sources(folder: Path, user: int) -> None:
    """What git knows of, as it lies here, links as links: somebody who installs has a clone of their own."""
    listed = subprocess.run(["git", "-C", ROOT, "ls-files", "-z"], capture_output=True, check=True).stdout
    for name in filter(None, listed.decode().split("\0")):
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).exists():
            shutil.copy2(ROOT / name, target, follow_symlinks=False)
    for path in [folder, *folder.rglob("*")]:
        os.chown(path, user, user, follow_symlinks=False)


def belonging_to(user: int, under: Path) -> list[str]:
    """Files of a user outside a folder, on this disk and in memory."""
    places = ["/", *(one for one in ("/tmp", "/dev/shm", "/run", "/var") if Path(one).is_mount())]  # noqa: S108
    command = ["find", *places, "-xdev", "-path", str(under), "-prune", "-o", "-uid", str(user), "-print"]
    found = subprocess.run(command, capture_output=True, text=True, check=False).stdout
    return found.splitlines()


@pytest.mark.timeout(900)  # a minute alone on the machine, most of it pip's
def test_what_is_installed_serves_from_a_tree_that_it_cannot_write(place: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root, to be two others")
    python = python_of_others()
    sources, prefix, made = own(place / "sources", INSTALLS), own(place / "opt", INSTALLS), place / "film.dcm"
    copy_of_the_sources(sources, INSTALLS)
    write_phantom(PhantomSpec(side=Side.RIGHT, grade=3, seed=7), made)
    install = ["bash", str(sources / "deploy/install.sh"), "--prefix", str(prefix), "--data", str(prefix / "unused")]
    subprocess.run(
        [*install, "--python", python],
        env=EMPTY | WAY_TO_PACKAGES,
        user=INSTALLS,
        group=INSTALLS,
        extra_groups=[],
        check=True,
    )
    before = {path: path.lstat().st_mtime_ns for path in prefix.rglob("*")}
    data = own(place / "data", SERVES)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    service = subprocess.Popen(
        [prefix / "current/bin/kneeoa", "serve", "--port", str(port)],
        env={**EMPTY, "KNEEOA_DATA": str(data), "PYTHONSAFEPATH": "1", "PYTHONDONTWRITEBYTECODE": "1"},
        user=SERVES,
        group=SERVES,
        extra_groups=[],
        cwd="/",
    )
    try:
        until(lambda: is_ready(port), PATIENCE_SECONDS)
        url = f"http://127.0.0.1:{port}"
        sent = httpx.post(
            f"{url}/dicomweb/studies", content=related(made.read_bytes()), headers={"Content-Type": RELATED}
        )
        assert sent.status_code == 200
        until(lambda: bool(httpx.get(f"{url}/v1/worklist").json()["rows"][0]["knees"]), PATIENCE_SECONDS)
        assert "KneeOA" in httpx.get(url).text
    finally:
        service.terminate()
        status = service.wait(60)
    assert status in {0, -signal.SIGTERM}, "it ended by itself, or was killed"
    assert {path: path.lstat().st_mtime_ns for path in prefix.rglob("*")} == before
    assert not belonging_to(SERVES, data)


def is_ready(port: int) -> bool:
    try:
        return httpx.get(f"http://127.0.0.1:{port}/readyz").status_code == 200
    except httpx.TransportError:
        return False
