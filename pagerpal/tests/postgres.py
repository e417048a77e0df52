"""A PostgreSQL server of a test's own, to be restarted and thrown away."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from django.db import connection, connections

from pagerpal.tests.processes import free_port


def programs() -> Path | None:
    """Where initdb and pg_ctl are, the newest; None when no server is installed."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/pg_ctl"), key=_version)
    if found:
        return found[-1].parent
    on_path = shutil.which("pg_ctl")
    return Path(on_path).resolve().parent if on_path else None


def _version(path: Path) -> int:
    name = path.parents[1].name
    return int(name) if name.isdigit() else 0


class Server:
    """One cluster in a temporary folder, on a port of its own."""

    def __init__(self, folder: Path, binaries: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self._binaries = binaries
        self.url = f"postgres://postgres@127.0.0.1:{self.port}/postgres"

    def create(self) -> None:
        self._run("initdb", "-D", str(self._data), "-A", "trust", "-U", "postgres", "--no-sync")
        self.start()

    def start(self) -> None:
        options = f"-p {self.port} -c listen_addresses=127.0.0.1 -k {self.folder} -c fsync=off"
        log = str(self.folder / "log")
        self._run("pg_ctl", "-D", str(self._data), "-w", "-l", log, "-o", options, "start")

    def stop(self, how: str) -> None:
        """`how`: fast ends all connections; immediate is a crash."""
        self._run("pg_ctl", "-D", str(self._data), "-w", "-m", how, "stop")

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    def _run(self, program: str, *arguments: str) -> None:
        command = [str(self._binaries / program), *arguments]
        if os.geteuid() == 0:  # the server refuses to be root's
            command = ["runuser", "-u", "postgres", "--", *command]
        # No pipes: the server would keep them open.
        done = subprocess.run(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, cwd="/", timeout=60
        )
        assert done.returncode == 0, f"{command} failed; see {self.folder}"


@contextmanager
def alone(binaries: Path) -> Iterator[Server]:
    """Running, until the end."""
    folder = Path(tempfile.mkdtemp(prefix="pagerpal-postgres-"))
    if os.geteuid() == 0:
        shutil.chown(folder, "postgres", "postgres")
    server = Server(folder, binaries)
    server.create()
    try:
        yield server
    finally:
        server.stop("immediate")
        shutil.rmtree(folder)


@contextmanager
def own_server(binaries: Path) -> Iterator[Server]:
    """The same; the ORM of this test talks to it until the end."""
    with alone(binaries) as server:
        yield from _used(server)


def _used(server: Server) -> Iterator[Server]:
    ours = connections["default"]
    own = {**connection.settings_dict, "HOST": "127.0.0.1", "PORT": server.port}
    own |= {"NAME": "postgres", "USER": "postgres", "PASSWORD": ""}
    connections["default"] = type(ours)(own, "default")
    try:
        yield server
    finally:
        connection.close()
        connections["default"] = ours
