"""A PostgreSQL cluster of the tests' own: on loopback, as an unprivileged user, in a folder that goes away."""

from __future__ import annotations

import os
import pwd
import shutil
import socket
import subprocess
import tempfile
from pathlib import Path

_USER = "postgres"


def _programs() -> Path:
    """The folder of initdb: Debian keeps one a version, outside the path."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    named = shutil.which("initdb")
    if not found and named is None:
        raise AssertionError("PostgreSQL is not installed; run: apt-get install postgresql")
    return found[-1].parent if found else Path(str(named)).parent


class PostgresCluster:
    """A running cluster."""

    def __init__(self) -> None:
        self._programs = _programs()
        self._folder = Path(tempfile.mkdtemp(prefix="kneeoa-postgres-"))
        if os.getuid() == 0:
            shutil.chown(self._folder, _USER)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self._count = 0
        data = str(self._folder / "data")
        self._run("initdb", "-D", data, "-A", "trust", "-U", "knee", "--no-sync", "-E", "UTF8")
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c fsync=off"
        self._run("pg_ctl", "-D", data, "-w", "-l", str(self._folder / "log"), "-o", options, "start")

    def new_database(self) -> str:
        """The URL of a new, empty database."""
        self._count += 1
        name = f"knee_{self._count}"
        where = ["-h", "127.0.0.1", "-p", str(self.port), "-U", "knee"]
        self._run("createdb", *where, name)
        return f"postgresql://knee@127.0.0.1:{self.port}/{name}"

    def stop(self) -> None:
        """Ends the cluster and removes its folder."""
        self._run("pg_ctl", "-D", str(self._folder / "data"), "-m", "immediate", "stop")
        shutil.rmtree(self._folder)

    def _run(self, program: str, *arguments: str) -> None:
        user = pwd.getpwnam(_USER).pw_uid if os.getuid() == 0 else None
        done = subprocess.run(
            [self._programs / program, *arguments],
            cwd=self._folder,
            user=user,
            stdout=subprocess.DEVNULL,  # a pipe would stay open in the server
            stderr=subprocess.DEVNULL,
            check=False,
        )
        if done.returncode:
            log = self._folder / "log"
            raise AssertionError(f"{program} failed: {log.read_text() if log.exists() else done.returncode}")
