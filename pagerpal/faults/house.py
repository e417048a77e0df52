"""A whole PagerPal that is about to be broken, the scripts around it, and what they wrote down."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from pagerpal.bench.site import ROOT, environment
from pagerpal.faults.databases import Database, rows_of
from pagerpal.faults.driver import health
from pagerpal.faults.ledger import Judgement, Ledger, judge

# How long all that was promised may take to arrive once nothing is broken any more.
SETTLES_WITHIN = 200.0
# A worker that shows no sign of life is missed after 20 s, and all is asked each second.
RED_AFTER = 28.0
FREELY = "99999/99999"


@dataclass
class Scale:
    """All counts and lengths of the full run by one factor."""

    factor: float

    def times(self, full: int, *, least: int = 2) -> int:
        return min(full, max(least, round(full * self.factor)))

    def seconds(self, full: float, *, least: float = 3) -> float:
        return min(full, max(least, full * self.factor))


class Script:
    """One of our scripts, or manage.py, with a pipe to talk to it by."""

    def __init__(self, arguments: list[str], env: dict[str, str], log: Path) -> None:
        with log.open("ab") as file:
            self.process = subprocess.Popen(  # noqa: S603  ourselves
                arguments,
                cwd=ROOT,
                env=env,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE if "pagerpal.faults.sink" in arguments else file,
                stderr=file,
                start_new_session=True,
            )

    @property
    def pid(self) -> int:
        return self.process.pid

    def read(self) -> str:
        assert self.process.stdout is not None  # noqa: S101
        return self.process.stdout.readline().decode()

    def tell(self, line: str) -> None:
        assert self.process.stdin is not None  # noqa: S101
        self.process.stdin.write(f"{line}\n".encode())
        self.process.stdin.flush()
        self.read()

    def end(self) -> None:
        """Its standard input ends; it is killed when that does not end it."""
        assert self.process.stdin is not None  # noqa: S101
        with suppress(OSError):
            self.process.stdin.close()
        try:
            self.process.wait(130)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        if self.process.stdout is not None:
            self.process.stdout.close()


@dataclass
class House:
    """One installation, from a fresh database on; `served` are its running `manage.py serve`."""

    database: Database
    folder: Path
    keys: dict[str, list[str]]
    scale: Scale
    port: int
    more: dict[str, str] = field(default_factory=dict)
    served: list[Script] = field(default_factory=list)
    tried: int = 0
    # The most calls that can have been cut off: one for each process for tasks that was.
    excused: int = 0
    hands: int = 0
    troubles: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.ledger = Ledger(self.folder / "ledger")
        self.log = self.folder / "log"
        ours = [sys.executable, "-m", "pagerpal.faults.sink"]
        self.sink = Script([*ours, str(self.ledger.path), str(self.folder)], self._env(), self.log)
        self.ports: dict[str, int] = json.loads(self.sink.read())
        self._loads = 0
        self._watch = self._driver({"keys": [], "rate": 0, "threads": 0, "times": 0})

    # --- PagerPal itself -------------------------------------------------------------------------
    def _env(self, **more: str) -> dict[str, str]:
        made = environment(str(self.folder), self.port, self.database.url)
        made |= {"ADDRESS_LIMITS": f"ntfy={FREELY},email={FREELY}", "LOG_LEVEL": "INFO"}
        if hasattr(self, "ports"):
            made |= {"NTFY_BASE_URL": f"http://127.0.0.1:{self.ports['ntfy']}"}
            made |= {"SMTP_HOST": "127.0.0.1", "SMTP_PORT": str(self.ports["mail"])}
            made |= {"SMTP_SECURITY": "none", "SMTP_FROM": "pager@example.org"}
        return {**made, **self.more, **more}

    def serve(self, *programs: str, **more: str) -> Script:
        """`manage.py serve`, without waiting for it."""
        ours = ["-m", "pagerpal.faults.faked"] if "FAKETIME" in more else [str(ROOT / "manage.py")]
        command = [sys.executable, *ours, "serve", *programs]
        script = Script(command, self._env(**more), self.log)
        self.served.append(script)
        return script

    def manage(self, *arguments: str) -> int:
        command = [sys.executable, str(ROOT / "manage.py"), *arguments]
        script = Script(command, self._env(), self.log)
        script.end()
        return script.process.returncode

    def stop(self, script: Script, number: int = signal.SIGTERM) -> int:
        """End it by this signal; its exit code."""
        script.process.send_signal(number)
        code = script.process.wait(60)
        script.end()
        self.served.remove(script)
        return code

    def is_healthy(self) -> bool:
        return health(self.port) == 200

    def wait_until_healthy(self) -> None:
        self.wait_until(self.is_healthy, 60, "no healthy start")

    def wait_until(self, what: Callable[[], Any], seconds: float, why: str) -> bool:
        """Whether it came true in time; else `why` is a trouble."""
        ends = time.monotonic() + seconds
        while time.monotonic() < ends:
            if what():
                return True
            time.sleep(0.1)
        self.troubles.append(why)
        return False

    # --- Its processes ---------------------------------------------------------------------------
    def web(self, script: Script) -> list[int]:
        """gunicorn's master and its processes; empty while there are none."""
        for child in _children(script.pid):
            if self._listens(child):
                return [child, *_children(child)]
        return []

    def worker(self, script: Script) -> list[int]:
        """The parent of the worker, its sentinel, then the pool; empty while there are none."""
        for child in _children(script.pid):
            if not self._listens(child) and (sentinels := _children(child)):
                return [child, sentinels[0], *_children(sentinels[0])]
        return []

    def _listens(self, pid: int) -> bool:
        with suppress(psutil.Error):
            listening = psutil.Process(pid).net_connections("tcp")
            return any(one.laddr.port == self.port and not one.raddr for one in listening)
        return False

    def kill(self, pids: list[int], *, excuses: int = 1) -> None:
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.tried += 1
        self.excused += excuses

    @contextmanager
    def stopped(self, pids: list[int]) -> Iterator[None]:
        """SIGSTOP, and SIGCONT in the end."""
        _signal(pids, signal.SIGSTOP)
        try:
            yield
        finally:
            _signal(pids, signal.SIGCONT)

    def everybody(self) -> list[int]:
        found = []
        for script in self.served:
            with suppress(psutil.Error):
                children = psutil.Process(script.pid).children(recursive=True)
                found += [script.pid, *(child.pid for child in children)]
        return found

    # --- What happens around it ------------------------------------------------------------------
    @contextmanager
    def load(
        self, *kinds: str, rate: float = 8, threads: int = 4, times: int = 1
    ) -> Iterator[None]:
        """Alerts for the sources of these teams, until the end."""
        self._loads += 1
        keys = [key for kind in kinds or ("one", "tap") for key in self.keys[kind]]
        script = self._driver({"keys": keys, "rate": rate, "threads": threads, "times": times})
        try:
            yield
        finally:
            script.end()

    def _driver(self, load: dict[str, Any]) -> Script:
        load |= {"port": self.port, "name": f"load-{self._loads}"}
        ours = [sys.executable, "-m", "pagerpal.faults.driver", str(self.ledger.path)]
        return Script([*ours, json.dumps(load)], self._env(), self.log)

    @contextmanager
    def blocked(self) -> Iterator[None]:
        """Nothing can go out meanwhile."""
        begun = time.time()
        try:
            yield
        finally:
            self.ledger.note("blocked", until=time.time(), **{"at": begun})

    def stay_broken(self, seconds: float) -> None:
        """Let so much time pass in which paging is stuck; in the end /health must have said so."""
        time.sleep(seconds)
        if seconds >= RED_AFTER and self.is_healthy():
            self.troubles.append(f"/health was green after {seconds:.0f} s without paging")

    # --- The end ---------------------------------------------------------------------------------
    def judgement(self) -> Judgement:
        return judge(self.ledger.lines(), rows_of(self.database))

    def settle(self) -> Judgement:
        """Wait until all that was promised has arrived; lend a hand when it does not."""
        for hands in range(2):
            ends = time.monotonic() + SETTLES_WITHIN
            while time.monotonic() < ends:
                with suppress(Exception):  # the database may just have come back
                    found = self.judgement()
                    if not found.lost and not self._waits():
                        return found
                time.sleep(1)
            if not hands:
                self.hands += 1
                self._start_again()
        return self.judgement()

    def _waits(self) -> bool:
        under_way = "SELECT 1 FROM notifications_notification WHERE state = 'sending'"
        return bool(self.database.ask(under_way))

    def _start_again(self) -> None:
        for script in list(self.served):
            self.stop(script, signal.SIGKILL)
        self.serve()
        self.wait_until_healthy()

    def close(self) -> None:
        for pid in self.everybody():
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        for script in self.served:
            script.end()
        self._watch.end()
        self.sink.end()


def _children(pid: int) -> list[int]:
    try:
        return sorted(child.pid for child in psutil.Process(pid).children())
    except psutil.Error:
        return []


def _signal(pids: list[int], number: signal.Signals) -> None:
    for pid in pids:
        with suppress(ProcessLookupError):
            os.kill(pid, number)


def pause(least: float, most: float) -> None:
    time.sleep(random.uniform(least, most))  # noqa: S311
