"""Keeps web and worker running: starts both, restarts either alone, stops both when told.

`manage.py serve` turns into this process by exec, so that Django's memory goes away: it imports
nothing but the standard library. The `supervisor` package would do this too, but takes 17.6 MB
(measured, PSS; this one 5.7), is 7,000 more lines to keep up with, and leaves its programs running
when it is itself killed; here they end with it (see orphans.py).
"""

from __future__ import annotations

import os
import select
import signal
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PROGRAMS = {
    "web": ["-m", "gunicorn", "-c", f"{ROOT}/pagerpal/gunicorn_conf.py", "pagerpal.wsgi"],
    "worker": [f"{ROOT}/manage.py", "worker"],
}
# A program that ran for less than this died quickly: the next start waits, longer each time.
QUICK = 10.0
LEAST_PAUSE, MOST_PAUSE = 0.5, 10.0
# More than gunicorn's and the worker's own limits of 30 s.
GRACE = 40.0


class Program:
    """One of the two, in a process group of its own."""

    def __init__(self, name: str, arguments: list[str]) -> None:
        self.name = name
        self.arguments = arguments
        self.pid = 0
        self.start_at = 0.0
        self._started_at = 0.0
        self._pause = 0.0

    def start(self, now: float) -> None:
        self.pid = os.posix_spawn(
            sys.executable,
            [sys.executable, *self.arguments],
            {**os.environ, "PAGERPAL_SUPERVISOR": str(os.getpid())},
            setpgroup=0,
            setsigmask=(),
            setsigdef=(signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD),
        )
        self._started_at = now

    def ended(self, status: int, now: float) -> None:
        """Clear away what it left and plan its next start."""
        self.kill_group()
        self.pid = 0
        is_quick = now - self._started_at < QUICK
        self._pause = min(max(2 * self._pause, LEAST_PAUSE), MOST_PAUSE) if is_quick else 0.0
        self.start_at = now + self._pause
        say(f"{self.name} ended ({how(status)}), starting again in {self._pause:g} s")

    def kill_group(self) -> None:
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):  # macOS: no permission to kill zombies
            return


class Supervisor:
    """One loop that sleeps until a child dies, a signal comes or a start is planned."""

    def __init__(self, programs: list[Program]) -> None:
        self.programs = programs
        self.stops = 0  # how often we were told to stop

    def run(self) -> None:
        wake = self._listen()
        while not self.stops:
            self._start_what_is_due()
            self._sleep(wake, self._next_start())
            self._reap()
        self._stop(wake)

    def _listen(self) -> int:
        reader, writer = os.pipe()
        os.set_blocking(reader, False)
        os.set_blocking(writer, False)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._told_to_stop)
        return reader

    def _told_to_stop(self, number: int, frame: object) -> None:
        self.stops += 1

    def _start_what_is_due(self) -> None:
        now = time.monotonic()
        for program in self.programs:
            if not program.pid and program.start_at <= now:
                program.start(now)

    def _next_start(self) -> float | None:
        waiting = [program.start_at for program in self.programs if not program.pid]
        return max(0.0, min(waiting) - time.monotonic()) if waiting else None

    def _sleep(self, wake: int, seconds: float | None) -> None:
        if select.select([wake], [], [], seconds)[0]:
            os.read(wake, 512)

    def _reap(self) -> None:
        """Collect the dead, also strangers: as process 1 of a container we inherit orphans."""
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if not pid:
                return
            for program in self.programs:
                if program.pid == pid:
                    program.ended(status, time.monotonic())

    def _stop(self, wake: int) -> None:
        """Tell both to end, wait for them, then kill. Told twice: kill at once."""
        say("stopping")
        for program in self.programs:
            if program.pid:
                os.kill(program.pid, signal.SIGTERM)
        ends = time.monotonic() + GRACE
        while any(program.pid for program in self.programs):
            left = ends - time.monotonic()
            if left <= 0 or self.stops > 1:
                break
            self._sleep(wake, left)
            self._reap()
        for program in self.programs:
            if program.pid:
                program.kill_group()
        say("stopped")


def how(status: int) -> str:
    code = os.waitstatus_to_exitcode(status)
    return f"signal {-code}" if code < 0 else f"code {code}"


def say(text: str) -> None:
    print(f"supervisor: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    Supervisor([Program(name, arguments) for name, arguments in PROGRAMS.items()]).run()
