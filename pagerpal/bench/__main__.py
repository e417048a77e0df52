"""Measures PagerPal on this machine, from outside, and prints one table with the machine's load.

`make bench` runs it on SQLite, and on PostgreSQL where TEST_DATABASE_URL names a server. Every
database is thrown away afterwards. Nothing here is a test: figures depend on the machine.
"""

from __future__ import annotations

import json
import os
import platform
import re
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable
from contextlib import nullcontext, suppress
from datetime import UTC, datetime
from pathlib import Path

import psutil

from pagerpal.bench import (
    admin_lists,
    curves,
    escalation,
    growth,
    intake,
    messages,
    pages,
    paging,
    programs,
    scrapes,
    setting_up,
    several,
    tabs,
)
from pagerpal.bench import schedules as bench_schedules
from pagerpal.bench.site import ROOT, Figure, environment, throw_away_postgres


def schedules() -> list[Figure]:
    """The figures of the schedules, on the database of the environment, which is fresh."""
    import django

    django.setup()
    from django.core.management import call_command

    call_command("migrate", verbosity=0)
    return [Figure(*line) for line in bench_schedules.measure()]


def run(label: str, database: str, what: str, size: str) -> None:
    """Measure one part in a process of its own, whose environment names the database; print it."""
    folder = tempfile.mkdtemp(prefix="pagerpal-bench-")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    load = os.getloadavg()[0]
    try:
        done = subprocess.run(  # noqa: S603  ourselves
            [sys.executable, "-m", "pagerpal.bench", "--child", str(port), what, size],
            env=environment(folder, port, database),
            cwd=ROOT,
            stdout=subprocess.PIPE,
            check=True,
        )
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    for line in json.loads(done.stdout.splitlines()[-1]):
        cells = [what, label, line["what"], line["measured"], line["bar"], f"{load:.1f}"]
        print(f"| {' | '.join(cells)} |", flush=True)


def head() -> str:
    """Which machine, which code and when; then the head of the table."""
    memory = psutil.virtual_memory().total / 2**30
    machine = f"{os.cpu_count()} cores ({processor()}), {memory:.0f} GB, {platform.platform()}"
    python = f"Python {platform.python_version()}"
    when = datetime.now(UTC).strftime("%d %b %Y %H:%M UTC")
    load = f"load {os.getloadavg()[0]:.2f} before the first part"
    columns = "| part | database | what | measured | bar | load before |"
    return f"{when}: {machine}, {python}, {load}, {commit()}\n\n{columns}\n{'| --- ' * 6}|"


def processor() -> str:
    """As Linux names it."""
    with suppress(OSError):
        found = re.search(r"model name\s*: (.+)", Path("/proc/cpuinfo").read_text())
        return found[1] if found else platform.machine()
    return platform.machine()


def commit() -> str:
    """Which code this is; a copy without its history does not know."""
    asked = ["git", "describe", "--always", "--dirty"]
    try:
        done = subprocess.run(asked, cwd=ROOT, capture_output=True, text=True, check=True)  # noqa: S603
    except (OSError, subprocess.CalledProcessError):
        return "commit unknown"
    return f"commit {done.stdout.strip()}"


def measured(port: int, what: str, size: int) -> list[Figure]:
    """The figures of one part, in this process, whose environment names a fresh database."""
    parts: dict[str, Callable[[], list[Figure]]] = {
        "schedules": schedules,
        "pages": lambda: pages.measure(size),
        "api": lambda: programs.measure(size),
        "admin": lambda: admin_lists.measure(size),
        "setup": setting_up.measure,
        "bursts": lambda: intake.bursts(port),
        "beside": lambda: intake.beside(port, size),
        "escalation": lambda: escalation.measure(port, size),
        "scrapes": lambda: scrapes.measure(size),
        "tabs": lambda: tabs.measure(port, size),
        "growth": lambda: growth.measure(port, size),
        "messages": lambda: messages.measure(port),
        "paging": lambda: paging.measure(port, size),
        "keeping": lambda: several.keeping(size),
        "workers": several.measure,
        "curves": lambda: curves.measure(port),
    }
    return parts[what]()


def of_one_database(label: str, server: str = "") -> None:
    parts = [("paging", os.environ.get("BENCH_ALERTS", "5000")), ("bursts", "0")]
    parts += [("beside", "1000"), ("beside", "1000000"), ("pages", "100000"), ("api", "100000")]
    parts += [("messages", "0"), ("escalation", "1000"), ("tabs", "20"), ("setup", "0")]
    parts += [("growth", "50000"), ("scrapes", "1000000"), ("keeping", str(several.OLD))]
    parts += [("admin", "100000"), ("curves", "0")]
    # SQLite has one machine; the arithmetic of the schedules is the same on both.
    parts += [("workers", "0")] if server else [("schedules", "0")]
    only = os.environ.get("BENCH_PARTS", " ".join(what for what, _ in parts)).split()
    for what, size in parts:
        if what not in only:
            continue
        with throw_away_postgres(server) if server else nullcontext("") as database:
            run(label, database, what, size)


def main(arguments: list[str]) -> None:
    if arguments[:1] == ["--child"]:
        figures = measured(int(arguments[1]), arguments[2], int(arguments[3]))
        print(json.dumps([vars(figure) for figure in figures]))
        return
    print(head(), flush=True)
    if os.environ.get("BENCH_ONLY", "sqlite") == "sqlite":
        of_one_database("SQLite")
    if server := os.environ.get("TEST_DATABASE_URL"):
        of_one_database("PostgreSQL", server)


if __name__ == "__main__":
    main(sys.argv[1:])
