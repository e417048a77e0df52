"""Measures PagerPal on this machine, from outside, and prints a table with the machine's load.

`make bench` runs it on SQLite, and on PostgreSQL where TEST_DATABASE_URL names a server. Every
database is thrown away afterwards. Nothing here is a test: figures depend on the machine.
"""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import re
import selectors
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import psutil
import requests

from pagerpal import bench_schedules

ROOT = Path(__file__).resolve().parent.parent
PAGES = 100
STEPS = 40
STEP_DELAY = 2.0
CONNECTIONS = 8
IDLE_FOR = 10.0


@dataclass
class Figure:
    """One line of the table."""

    what: str
    measured: str
    bar: str = ""


@dataclass
class Phone:
    """Plays ntfy: notes when each message came, by incident number and topic."""

    came: dict[tuple[int, str], float] = field(default_factory=dict)
    news: threading.Condition = field(default_factory=threading.Condition)

    def note(self, body: dict[str, Any]) -> None:
        number = re.search(r"#(\d+)", body.get("title", ""))
        with self.news:
            self.came.setdefault((int(number[1]) if number else 0, body["topic"]), time.time())
            self.news.notify_all()

    def wait_for(self, number: int, topic: str, *, at_most: float = 20.0) -> float:
        """When the first message about this incident reached the topic (UNIX seconds)."""
        with self.news:
            if not self.news.wait_for(lambda: (number, topic) in self.came, at_most):
                raise RuntimeError(f"no page about #{number} reached {topic} in {at_most:g} s")
            return self.came[number, topic]


@contextlib.contextmanager
def phone() -> Iterator[tuple[Phone, str]]:
    """A running ntfy player and its address."""
    playing = Phone()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            size = int(self.headers["Content-Length"] or 0)
            playing.note(json.loads(self.rfile.read(size)))
            self._answer(b'{"id": "x"}')

        def do_PUT(self) -> None:
            self._answer(b"{}")

        def _answer(self, body: bytes) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield playing, f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@contextlib.contextmanager
def served(port: int) -> Iterator[tuple[subprocess.Popen[bytes], float]]:
    """`manage.py serve`, and how many seconds it took to a healthy /health."""
    begun = time.monotonic()
    process = subprocess.Popen(  # noqa: S603  our own program
        [sys.executable, str(ROOT / "manage.py"), "serve"],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL if not os.environ.get("BENCH_VERBOSE") else None,
        start_new_session=True,
    )
    try:
        while not _is_healthy(port):
            if process.poll() is not None or time.monotonic() - begun > 60:
                raise RuntimeError("serve did not get healthy")
            time.sleep(0.02)
        yield process, time.monotonic() - begun
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(60)
        except subprocess.TimeoutExpired:
            process.kill()


def _is_healthy(port: int) -> bool:
    try:
        return requests.get(f"http://127.0.0.1:{port}/health", timeout=2).ok
    except requests.RequestException:
        return False


def measure(port: int, alerts: int) -> list[Figure]:
    """All figures for the database of the environment, which is fresh."""
    keys = _prepare()
    with phone() as (ntfy, address):
        os.environ["NTFY_BASE_URL"] = address
        with served(port) as (process, seconds):
            figures = [Figure("start to a healthy /health", f"{seconds:.1f} s", "under 4 s")]
            figures += idle(process.pid)
            figures += page_latency(port, keys["now"], ntfy)
            figures += escalation_lateness(port, keys["steps"], ntfy)
            figures += throughput(port, keys["storm"], alerts)
            used = memory(process.pid)
            figures.append(Figure("memory after the storm (PSS)", f"{used:.0f} MB"))
    return figures


def _prepare() -> dict[str, str]:
    """A migrated database with three teams, one for each kind of load; returns their keys."""
    import django

    django.setup()
    from django.core.management import call_command
    from django.db import connections

    call_command("migrate", verbosity=0)
    keys = {name: _team(name) for name in ("now", "steps", "storm")}
    connections.close_all()
    return keys


def _team(name: str) -> str:
    from alertsources.keys import hashed, new_key
    from alertsources.models import AlertSource
    from incidents.models import EscalationPolicy, EscalationStep
    from notifications.models import ContactMethod
    from schedules.models import Membership, Team, User

    team = Team.objects.create(name=name)
    policy = EscalationPolicy.objects.create(team=team, is_default=True)
    for place in (0, 1):
        user = User.objects.create_user(f"{name}{place}@example.org", name=f"{name}{place}")
        Membership.objects.create(team=team, user=user)
        ContactMethod.objects.create(user=user, channel="ntfy", address=f"{name}-{place}")
        delay = timedelta(seconds=STEP_DELAY) if name == "steps" else timedelta(minutes=5)
        step = EscalationStep.objects.create(policy=policy, position=place, delay=delay)
        step.people.add(user)
    key = new_key()
    AlertSource.objects.create(team=team, name=name, key_hash=hashed(key), key_hint=key[-4:])
    return key


def tree(pid: int) -> list[psutil.Process]:
    root = psutil.Process(pid)
    return [root, *root.children(recursive=True)]


def memory(pid: int) -> float:
    """Megabytes of all processes, shared pages counted once (PSS)."""
    total = 0
    for process in tree(pid):
        with contextlib.suppress(psutil.Error):
            total += process.memory_full_info().pss
    return total / 1e6


def idle(pid: int) -> list[Figure]:
    time.sleep(3)
    before = {p.pid: sum(p.cpu_times()[:2]) for p in tree(pid)}
    time.sleep(IDLE_FOR)
    used = sum(sum(p.cpu_times()[:2]) - before.get(p.pid, 0.0) for p in tree(pid))
    return [
        Figure("memory idle (PSS, all processes)", f"{memory(pid):.0f} MB", "under 150 MB"),
        Figure("CPU idle", f"{100 * used / IDLE_FOR:.1f} % of a core", "under 6 %"),
    ]


def _post(session: requests.Session, port: int, key: str, name: str, **more: str) -> int:
    """Post an alert; returns the number of its incident."""
    answer = session.post(
        f"http://127.0.0.1:{port}/api/v1/alerts",
        json={"title": name, "external_id": name, "severity": "critical", **more},
        headers={"X-API-Key": key},
        timeout=10,
    )
    answer.raise_for_status()
    number: int = (answer.json().get("incidents") or [0])[0]
    return number


def page_latency(port: int, key: str, ntfy: Phone) -> list[Figure]:
    """From the answer to the monitor to the call of the provider, one alert at a time."""
    waits = []
    with requests.Session() as session:
        for number in range(PAGES):
            incident = _post(session, port, key, f"now-{number}")
            accepted = time.time()
            waits.append(ntfy.wait_for(incident, "now-0") - accepted)
            _post(session, port, key, f"now-{number}", status="resolved")
            time.sleep(0.13 + number % 7 / 100)  # not in step with the worker's polling
    return [
        Figure("alert accepted to provider called, p50", _ms(_p(waits, 50)), "under 120 ms"),
        Figure("alert accepted to provider called, p99", _ms(_p(waits, 99)), "under 500 ms"),
    ]


def escalation_lateness(port: int, key: str, ntfy: Phone) -> list[Figure]:
    """How long after its time the second step's call came, by the first step's own clock."""
    numbers = []
    with requests.Session() as session:
        for number in range(STEPS):
            numbers.append(_post(session, port, key, f"steps-{number}"))
            time.sleep(0.11)
        called = {number: ntfy.wait_for(number, "steps-1") for number in numbers}
        late = [called[number] - due for number, due in _due_times(numbers).items()]
        for number in range(STEPS):
            _post(session, port, key, f"steps-{number}", status="resolved")
    return [
        Figure("escalation step late, p50", _ms(_p(late, 50))),
        Figure("escalation step late, p99", _ms(_p(late, 99)), "under 1,000 ms"),
        Figure("escalation steps early", str(sum(one < 0 for one in late)), "none"),
    ]


def _due_times(numbers: list[int]) -> dict[int, float]:
    from django.db import connections

    from incidents.models import Page

    first = Page.objects.filter(incident__in=numbers, user__email="steps0@example.org")
    due = {page.incident_id: page.created_at.timestamp() + STEP_DELAY for page in first}
    connections.close_all()
    return due


def throughput(port: int, key: str, alerts: int) -> list[Figure]:
    """Distinct alerts over keep-alive connections, each answered after its commit."""
    context = multiprocessing.get_context("spawn")
    with context.Pool(1) as pool:
        seconds, waits, refused = pool.apply(fire, (port, key, alerts))
    present = _present(alerts)
    return [
        Figure(
            f"distinct alerts over {CONNECTIONS} connections",
            f"{alerts / seconds:.0f}/s",
            "250/s or more",
        ),
        Figure("the same, answer time p50", _ms(_p(waits, 50))),
        Figure("the same, answer time p99", _ms(_p(waits, 99)), "under 100 ms"),
        Figure("of them refused", str(refused), "none"),
        Figure("of them stored", f"{present} of {alerts}", "all"),
    ]


def _present(alerts: int) -> int:
    from django.db import connections

    from alertsources.models import Alert

    found = Alert.objects.filter(key__startswith="storm-").values("key").distinct().count()
    connections.close_all()
    return found


def fire(port: int, key: str, alerts: int) -> tuple[float, list[float], int]:
    """Post the alerts as fast as they are answered; returns seconds, waits, and refusals."""
    selector = selectors.DefaultSelector()
    numbers = iter(range(alerts))
    waits: list[float] = []
    refused = 0
    begun = time.monotonic()
    for _ in range(CONNECTIONS):
        connection = socket.create_connection(("127.0.0.1", port))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sendall(_request(key, next(numbers)))
        selector.register(connection, selectors.EVENT_READ, [time.monotonic(), b""])
    while selector.get_map():
        for entry, _ in selector.select(10):
            connection = entry.fileobj  # type: ignore[assignment]
            entry.data[1] += connection.recv(65536)
            if not _is_whole(entry.data[1]):
                continue
            waits.append(time.monotonic() - entry.data[0])
            refused += not entry.data[1].startswith(b"HTTP/1.1 2")
            number = next(numbers, None)
            if number is None:
                selector.unregister(connection)
                connection.close()
                continue
            entry.data[:] = [time.monotonic(), b""]
            connection.sendall(_request(key, number))
    return time.monotonic() - begun, waits, refused


def _request(key: str, number: int) -> bytes:
    body = json.dumps(
        {
            "title": f"Disk {number % 100}% full on db-{number}",
            "description": "Grows by 1% every 3 minutes.",
            "severity": "critical",
            "external_id": f"storm-{number}",
            "labels": {"host": f"db-{number}", "env": "prod"},
        }
    ).encode()
    head = (
        f"POST /api/v1/alerts HTTP/1.1\r\nHost: 127.0.0.1\r\nX-API-Key: {key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def _is_whole(answer: bytes) -> bool:
    head, found, body = answer.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)content-length: *(\d+)", head)
    return bool(found) and len(body) >= int(length[1] if length else 0)


def _p(values: list[float], percent: int) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


def _ms(seconds: float) -> str:
    return f"{1000 * seconds:.0f} ms"


def _environment(folder: str, port: int, database: str) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}
    return {
        **kept,
        "DJANGO_SETTINGS_MODULE": "pagerpal.settings",
        "PAGERPAL_ENV_FILE": os.devnull,
        "PAGERPAL_DATA_DIR": folder,
        "PAGERPAL_PORT": str(port),
        "DATABASE_URL": database,
        "NOTIFICATION_SENDING_ENABLED": "true",
        "LOG_LEVEL": "WARNING",
        "BENCH_VERBOSE": os.environ.get("BENCH_VERBOSE", ""),
    }


@contextlib.contextmanager
def throw_away_postgres(server: str) -> Iterator[str]:
    """A database of our own on the server of this URL."""
    import psycopg

    name = f"pagerpal_bench_{os.getpid()}"
    base = re.sub(r"^postgres(ql)?", "postgresql", server).rpartition("/")[0]
    with psycopg.connect(f"{base}/postgres", autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}")
        try:
            yield f"{base}/{name}"
        finally:
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


def schedules() -> list[Figure]:
    """The figures of the schedules, on the database of the environment, which is fresh."""
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    return [Figure(*line) for line in bench_schedules.measure()]


def run(label: str, database: str, *what: str) -> None:
    """Measure one database in a process of its own, whose environment says which."""
    folder = tempfile.mkdtemp(prefix="pagerpal-bench-")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    load = os.getloadavg()[0]
    try:
        done = subprocess.run(  # noqa: S603  ourselves
            [sys.executable, "-m", "pagerpal.bench", "--child", str(port), *what],
            env=_environment(folder, port, database),
            cwd=ROOT,
            stdout=subprocess.PIPE,
            check=True,
        )
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    print(f"\n{label}: {os.cpu_count()} cores, load before the run {load:.2f}\n")
    print("| what | measured | bar |\n| --- | --- | --- |")
    for line in json.loads(done.stdout.splitlines()[-1]):
        print(f"| {line['what']} | {line['measured']} | {line['bar']} |")


def main(arguments: list[str]) -> None:
    if arguments[:1] == ["--child"]:
        port, what = int(arguments[1]), arguments[2]
        figures = schedules() if what == "schedules" else measure(port, int(what))
        print(json.dumps([vars(figure) for figure in figures]))
        return
    alerts = os.environ.get("BENCH_ALERTS", "5000")
    if os.environ.get("BENCH_ONLY", "sqlite") == "sqlite":
        run("SQLite, synchronous=FULL", "", alerts)
    if server := os.environ.get("TEST_DATABASE_URL"):
        with throw_away_postgres(server) as database:
            run("PostgreSQL, fsync on", database, alerts)
    run("Schedules, on SQLite", "", "schedules")


if __name__ == "__main__":
    main(sys.argv[1:])
