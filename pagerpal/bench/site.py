"""A whole PagerPal on a database that is thrown away, and an ntfy server that notes what came."""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import statistics
import subprocess
import sys
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

ROOT = Path(__file__).resolve().parent.parent.parent
STEP_DELAY = 2.0
NOISY_LIMIT = 600


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
        # A message may tell of several.
        numbers = re.findall(r"#(\d+)", f"{body.get('title')} {body.get('message')}")
        with self.news:
            for number in numbers or [0]:
                self.came.setdefault((int(number), body["topic"]), time.time())
            self.news.notify_all()

    def wait_for(self, number: int, topic: str, *, at_most: float = 20.0) -> float:
        """When the first message about this incident reached the topic (UNIX seconds)."""
        with self.news:
            if not self.news.wait_for(lambda: (number, topic) in self.came, at_most):
                raise RuntimeError(f"no page about #{number} reached {topic} in {at_most:g} s")
            return self.came[number, topic]


@contextlib.contextmanager
def phone(*, answers_after: float = 0) -> Iterator[tuple[Phone, str]]:
    """A running ntfy player and its address; it takes so many seconds for each message."""
    playing = Phone()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            size = int(self.headers["Content-Length"] or 0)
            playing.note(json.loads(self.rfile.read(size)))
            time.sleep(answers_after)
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
def served(port: int, **more: str) -> Iterator[tuple[subprocess.Popen[bytes], float]]:
    """`manage.py serve` with more in its environment, and the seconds to a healthy /health."""
    begun = time.monotonic()
    process = subprocess.Popen(  # noqa: S603  our own program
        [sys.executable, str(ROOT / "manage.py"), "serve"],
        env={**os.environ, **more},
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


def prepare() -> dict[str, str]:
    """A migrated database with teams, one for each kind of load; returns their sources' keys."""
    import django

    django.setup()
    from django.core.management import call_command
    from django.db import connections

    call_command("migrate", verbosity=0)
    keys = {name: _team(name) for name in ("now", "steps", "storm")}
    keys["noisy"] = _team("noisy", limit_per_minute=NOISY_LIMIT)
    keys["groups"] = _team("groups", kind="alertmanager")
    connections.close_all()
    return keys


def _team(name: str, **settings_of_source: Any) -> str:
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
    AlertSource.objects.create(
        team=team, name=name, key_hash=hashed(key), key_hint=key[-4:], **settings_of_source
    )
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


def post(session: requests.Session, port: int, key: str, name: str, **more: str) -> int:
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


def percentile(values: list[float], percent: int) -> float:
    return statistics.quantiles(values, n=100, method="inclusive")[percent - 1]


def ms(seconds: float) -> str:
    return f"{1000 * seconds:.0f} ms"


def environment(folder: str, port: int, database: str) -> dict[str, str]:
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
