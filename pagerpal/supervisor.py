"""Keeps web, worker and mail running: forks them, starts any one alone again, stops all when told.

One that has promised signs of life and gives none for a minute is killed and started again.

All are forks of one process that has loaded everything, so that they share its memory. Measured
with PSS, all processes, after start and after 200 incidents: this way 120 and 200 MB; as programs
of their own under a supervisor that imports nothing 149 and 234 MB, though that one is 7 MB
smaller. The `supervisor` package (17.6 MB, 7,000 lines) would be the second way, and leaves its
programs running when it is itself killed; here they end with it (see orphans.py).
"""

from __future__ import annotations

import logging
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable
from multiprocessing.sharedctypes import RawArray
from typing import NoReturn

from django.db import connections

from pagerpal import logs, orphans

log = logging.getLogger(__name__)

# A program that ran for less than this died quickly: the next start waits, longer each time.
QUICK = 10.0
LEAST_PAUSE, MOST_PAUSE = 0.5, 10.0
# More than gunicorn's and the worker's own limits of 30 s.
GRACE = 40.0
STOPPING = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)
# Longer than a round may wait for its database; the worker looks after its own pool (pulse.py).
HANGS_AFTER = 60.0
LOOK_EVERY = 5.0

# When this program last lived, in memory shared with its supervisor: 0 until it says so.
_sign = RawArray("d", 1)


def touch() -> None:
    """A sign of life. From the first one on, others must follow."""
    _sign[0] = time.monotonic()


class Program:
    """One of them, in a process group of its own."""

    def __init__(self, name: str, main: Callable[[], object]) -> None:
        self.name = name
        self.main = main
        self.pid = 0
        self.start_at = 0.0
        self.sign = RawArray("d", 1)
        self._started_at = 0.0
        self._pause = 0.0

    def start(self, now: float) -> None:
        connections.close_all()
        if threading.active_count() > 1:
            raise RuntimeError(f"threads before the fork: {threading.enumerate()}")
        sys.stdout.flush()
        parent = os.getpid()
        self.sign[0] = 0.0
        self.pid = os.fork()
        if not self.pid:
            self._become(parent)
        self._started_at = now

    def ended(self, status: int, now: float) -> str:
        """Clear away what it left and plan its next start; says how it ended."""
        self.kill_group()
        self.pid = 0
        is_quick = now - self._started_at < QUICK
        self._pause = min(max(2 * self._pause, LEAST_PAUSE), MOST_PAUSE) if is_quick else 0.0
        self.start_at = now + self._pause
        return f"{self.name} ended ({how(status)})"

    def silent_for(self, now: float) -> float:
        """Seconds since its last sign of life; 0 where it has not given any."""
        return now - self.sign[0] if self.pid and self.sign[0] else 0.0

    def excuse(self, now: float) -> None:
        """Count from now: we slept, and it with us."""
        self.sign[0] = self.sign[0] and now

    def kill_group(self) -> None:
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):  # macOS: no permission to kill zombies
            return

    def _become(self, parent: int) -> NoReturn:
        global _sign
        _sign = self.sign
        code = 1
        try:
            os.setpgid(0, 0)
            signal.set_wakeup_fd(-1)
            for number in (*STOPPING, signal.SIGCHLD):
                signal.signal(number, signal.SIG_DFL)
            signal.signal(signal.SIGINT, signal.default_int_handler)
            orphans.die_with_parent(parent)
            logs.play(self.name)
            self.main()
            code = 0
        except SystemExit as end:
            code = end.code if isinstance(end.code, int) else int(bool(end.code))
        except BaseException:
            log.critical("%s failed", self.name, exc_info=True)
        finally:
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)  # never back into the code of the parent


class Supervisor:
    """One loop that sleeps until a child dies, a signal comes, or it is time to start or look."""

    def __init__(self, programs: list[Program]) -> None:
        self.programs = programs
        self.stops = 0  # how often we were told to stop

    def run(self) -> None:
        """Return when told to stop and all have ended."""
        wake = self._listen()
        while not self.stops:
            self._start_what_is_due()
            begun = time.monotonic()
            self._sleep(wake, self._next_start())
            self._reap()
            self._end_what_hangs(begun, time.monotonic())
        self._stop(wake)

    def _listen(self) -> int:
        reader, writer = os.pipe()
        os.set_blocking(reader, False)
        os.set_blocking(writer, False)
        signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda number, frame: None)
        for number in STOPPING:
            signal.signal(number, self._told_to_stop)
        return reader

    def _told_to_stop(self, number: int, frame: object) -> None:
        self.stops += 1

    def _start_what_is_due(self) -> None:
        now = time.monotonic()
        for program in self.programs:
            if not program.pid and program.start_at <= now:
                program.start(now)

    def _next_start(self) -> float:
        """How long to sleep until then, or until the next look at who lives."""
        waiting = [program.start_at for program in self.programs if not program.pid]
        return min([LOOK_EVERY, *(max(0.0, at - time.monotonic()) for at in waiting)])

    def _end_what_hangs(self, begun: float, now: float) -> None:
        for program in self.programs:
            if now - begun > 2 * LOOK_EVERY:
                program.excuse(now)
            elif (silent := program.silent_for(now)) > HANGS_AFTER:
                log.critical("%s gave no sign of life for %.0f s: killing it", program.name, silent)
                program.kill_group()

    def _sleep(self, wake: int, seconds: float) -> None:
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
                    ended = program.ended(status, time.monotonic())
                    again = f", starting again in {program.start_at - time.monotonic():.1f} s"
                    log.warning(ended + ("" if self.stops else again))

    def _stop(self, wake: int) -> None:
        """Tell all to end, wait for them, then kill. Told twice: kill at once."""
        log.info("stopping")
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
        log.info("stopped")


def how(status: int) -> str:
    code = os.waitstatus_to_exitcode(status)
    return f"signal {-code}" if code < 0 else f"code {code}"
