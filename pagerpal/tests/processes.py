"""Starts real programs for tests: `serve`, `worker`, a server that plays ntfy; ends them all."""

from __future__ import annotations

import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psutil
import pytest
from django.conf import settings
from django.db import connection

from pagerpal.testing_database import Pattern, on_server, postgres_url

ROOT = Path(__file__).resolve().parents[2]
WORKERS = 2
KEPT_WORKER = """
import django
django.setup()
from pagerpal.management.commands.serve import run_worker
from pagerpal.supervisor import Program, Supervisor
Supervisor([Program("worker", run_worker)]).run()
"""


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return int(listener.getsockname()[1])


def wait_until(what: Callable[[], Any], *, seconds: float = 15, why: str | Program = "") -> Any:
    """The first true answer of `what`; else fails with `why`, or the log of that program."""
    ends = time.monotonic() + seconds
    while time.monotonic() < ends:
        if found := what():
            return found
        time.sleep(0.05)
    said = why.log if isinstance(why, Program) else why
    raise AssertionError(f"not within {seconds} s: {said or what}")


def get(url: str, *, seconds: float = 5) -> tuple[int, str]:
    """Status and body; status 0 when nobody answers."""
    try:
        with urllib.request.urlopen(url, timeout=seconds) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError:
        return 0, ""


# --- A server that plays ntfy --------------------------------------------------------------------
@dataclass(frozen=True)
class Call:
    """One request that the server was sent."""

    method: str
    path: str
    body: Any
    at: float


class NtfyServer:
    """Records every call. `hang()` keeps callers waiting until `release()`; `fail()` refuses."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self._open = threading.Event()
        self._open.set()
        self._status = 200
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def hang(self) -> None:
        self._open.clear()

    def fail(self, status: int = 500) -> None:
        self._status = status

    def release(self) -> None:
        """Answer those that were kept waiting."""
        self._open.set()

    def work(self) -> None:
        self._status = 200
        self.release()

    def topics(self) -> list[str]:
        """To whom the calls so far went, in order."""
        return [call.body["topic"] for call in list(self.calls) if isinstance(call.body, dict)]

    def wait_for(self, number: int, *, seconds: float = 15) -> list[Call]:
        wait_until(
            lambda: len(self.calls) >= number,
            seconds=seconds,
            why=f"{number} messages; there are {len(self.calls)}",
        )
        return list(self.calls)

    def close(self) -> None:
        self.work()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def answer(self, call: Call) -> int:
        """Note the call, then keep its caller waiting for as long as we hang."""
        self.calls.append(call)
        self._open.wait(60)
        return self._status

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        playing = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_one(self) -> None:
                raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                try:
                    body: Any = json.loads(raw) if raw else None
                except ValueError:
                    body = raw.decode(errors="replace")
                status = playing.answer(Call(self.command, self.path, body, time.time()))
                answer = json.dumps({"id": secrets.token_hex(6)}).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            do_POST = do_PUT = do_GET = do_DELETE = handle_one  # noqa: N815

            def handle(self) -> None:
                try:
                    super().handle()
                except ConnectionError:
                    self.close_connection = True  # the caller was killed: that is the test

            def log_message(self, *args: Any) -> None:
                return

        return Handler


# --- Programs ------------------------------------------------------------------------------------
@dataclass
class Program:
    """A process that we started, with all that it started in turn."""

    process: subprocess.Popen[bytes]
    log_path: Path

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def log(self) -> str:
        return self.log_path.read_text(errors="replace")

    @property
    def is_running(self) -> bool:
        return self.process.poll() is None

    def children(self, *, recursive: bool = False) -> list[psutil.Process]:
        """Oldest first."""
        try:
            found = psutil.Process(self.pid).children(recursive=recursive)
        except psutil.NoSuchProcess:
            return []
        return sorted(found, key=lambda child: child.pid)

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def wait(self, *, seconds: float = 45) -> int:
        return self.process.wait(seconds)


@dataclass
class Pool:
    """The processes behind one `manage.py worker`, named."""

    main: int
    sentinel: int
    workers: list[int]
    monitor: int
    pusher: int

    @property
    def all(self) -> list[int]:
        return [self.main, self.sentinel, *self.workers, self.monitor, self.pusher]


@dataclass
class Site:
    """One installation: a database, a data folder, an environment, and what runs on them."""

    database_url: str
    folder: Path
    environment: dict[str, str] = field(default_factory=dict)
    port: int = field(default_factory=free_port)
    programs: list[Program] = field(default_factory=list)
    # Found again by it in /proc, wherever a process may have been moved to.
    mark: str = field(default_factory=lambda: secrets.token_hex(8))

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def manage(self, *arguments: str, **environment: str) -> Program:
        """`manage.py <arguments>`, in the background."""
        return self.start(str(ROOT / "manage.py"), *arguments, **environment)

    def start(self, *arguments: str, **environment: str) -> Program:
        """This Python with these arguments, in the background, in a session of its own."""
        log_path = self.folder / f"log-{len(self.programs)}.txt"
        with log_path.open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, *arguments],
                cwd=ROOT,
                env=self._environ() | environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        program = Program(process, log_path)
        self.programs.append(program)
        return program

    def run(self, *arguments: str) -> str:
        """`manage.py <arguments>` to its end; its output. Fails when it fails."""
        program = self.manage(*arguments)
        assert program.wait(seconds=60) == 0, program.log
        return program.log

    def start_worker(self, **environment: str) -> tuple[Program, Pool]:
        """A worker whose pool is up."""
        program = self.manage("worker", **environment)
        found: Pool = wait_until(lambda: pool_under(program.pid), why=program)
        return program, found

    def start_kept_worker(self, **environment: str) -> tuple[Program, Pool]:
        """The same under the supervisor, which starts it again when it dies."""
        program = self.start("-c", KEPT_WORKER, **environment)
        return program, self.kept_pool(program)

    def kept_pool(self, program: Program, before: Pool | None = None) -> Pool:
        """The pool of the worker that the supervisor runs now; `before` is how it was."""

        def find() -> Pool | None:
            return next((pool_under(main.pid, before) for main in program.children()), None)

        found: Pool = wait_until(find, why=program)
        return found

    def start_web(self, application: str = "pagerpal.wsgi", **environment: str) -> Program:
        """gunicorn as `serve` would start it, answering."""
        config = str(ROOT / "pagerpal/gunicorn_conf.py")
        program = self.start("-m", "gunicorn", "-c", config, application, **environment)
        wait_until(lambda: get(f"{self.url}/health/live")[0] == 200, why=program)
        return program

    def end(self) -> None:
        """Kill everything that carries our mark."""
        for _ in range(100):
            marked = self.survivors()
            if not marked:
                break
            for process in marked:
                try:
                    process.kill()
                except psutil.NoSuchProcess:
                    continue
            time.sleep(0.02)
        for program in self.programs:
            program.wait(seconds=10)

    def survivors(self) -> list[psutil.Process]:
        """All running processes of this site, however orphaned."""
        found = []
        for process in psutil.process_iter():
            try:
                if (
                    process.status() != psutil.STATUS_ZOMBIE
                    and process.environ().get("PAGERPAL_TEST_MARK") == self.mark
                ):
                    found.append(process)
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue
        return found

    def _environ(self) -> dict[str, str]:
        ours = (
            *("NTFY_", "SMTP_", "INBOUND_", "IMAP_"),
            *("PAGERPAL_", "NOTIFICATION_", "ESCALATION_", "DATABASE_"),
        )
        kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        return kept | {
            "DJANGO_SETTINGS_MODULE": "pagerpal.settings",
            "DATABASE_URL": self.database_url,
            "SECRET_KEY": settings.SECRET_KEY,
            "PAGERPAL_ENV_FILE": os.devnull,
            "PAGERPAL_DATA_DIR": str(self.folder),
            "PAGERPAL_PORT": str(self.port),
            "PAGERPAL_WORKERS": str(WORKERS),
            "PAGERPAL_TEST_MARK": self.mark,
            "PYTHONUNBUFFERED": "1",
            **self.environment,
        }


def pool_under(main: int, before: Pool | None = None) -> Pool | None:
    """The processes of a worker: all look alike, but a new pool starts them in a known order."""
    try:
        sentinels = psutil.Process(main).children()
        children = sorted(child.pid for child in sentinels[0].children()) if sentinels else []
    except psutil.NoSuchProcess:
        return None
    if len(children) != WORKERS + 2:
        return None
    *workers, monitor, pusher = children
    if before and before.sentinel == sentinels[0].pid:  # only workers were replaced since
        monitor, pusher = before.monitor, before.pusher
        workers = [pid for pid in children if pid not in {monitor, pusher}]
    return Pool(main, sentinels[0].pid, workers, monitor, pusher)


# --- Databases -----------------------------------------------------------------------------------
def url_of_test_database() -> str:
    """The database of the running test, for another process."""
    values = connection.settings_dict
    if connection.vendor == "sqlite":
        return f"sqlite:///{values['NAME']}"
    return postgres_url(str(values["NAME"]))


@contextmanager
def another_database(folder: Path, pattern: Pattern | None = None) -> Iterator[str]:
    """The URL of a new one of the kind that the tests run on: a copy of the pattern, or empty."""
    if connection.vendor == "sqlite":
        file = folder / "pagerpal.sqlite3"
        if pattern:
            pattern.copy_to(str(file))
        yield f"sqlite:///{file}"
        return
    name = f"pagerpal_throw_away_{secrets.token_hex(4)}"
    if pattern:
        pattern.copy_to(name)
    else:
        on_server("CREATE DATABASE {}", name)
    yield postgres_url(name)
    on_server("DROP DATABASE {} WITH (FORCE)", name)


# --- Fixtures, loaded by conftest.py -------------------------------------------------------------
@pytest.fixture
def ntfy() -> Iterator[NtfyServer]:
    server = NtfyServer()
    yield server
    server.close()


@pytest.fixture
def site(transactional_db: None, tmp_path: Path, ntfy: NtfyServer) -> Iterator[Site]:
    """Processes on the database of the test itself, sending to the server that plays ntfy."""
    running = Site(
        url_of_test_database(),
        tmp_path,
        {"NOTIFICATION_SENDING_ENABLED": "true", "NTFY_BASE_URL": ntfy.url},
    )
    yield running
    running.end()
    connection.close()


@pytest.fixture
def new_site(transactional_db: None, tmp_path: Path) -> Iterator[Site]:
    """An installation of its own on an empty database, which its first program migrates."""
    with another_database(tmp_path) as url:
        running = Site(url, tmp_path)
        yield running
        running.end()


@pytest.fixture
def migrated_site(transactional_db: None, pattern: Pattern, tmp_path: Path) -> Iterator[Site]:
    """The same as its first program leaves it, for whom migrating is not the point."""
    with another_database(tmp_path, pattern) as url:
        running = Site(url, tmp_path)
        yield running
        running.end()
