"""The worker: Django-Q2's pool, and in its idle parent the sweep, the heartbeat and the watchdog.

Due times in rows are the truth. The sweep looks at them twice a second and kicks the pool when
something is due, so that a lost kick, a killed worker or a power cut costs a moment and no page.
The watchdog ends the whole process group when the pool has stopped working without dying (a
killed worker may have held the pool's lock); whoever started us starts us again. The supervisor
does the same with this process when its rounds stop.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal
import socket
import threading
import time
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NoReturn

from django.conf import settings
from django.db import DatabaseError, connection, connections, transaction
from django.utils import timezone
from django_q.cluster import Cluster
from django_q.signals import post_execute, pre_execute

from alertsources import looking
from alertsources.silences import LOOK_AGAIN
from incidents import engine
from incidents.models import Incident
from notifications import claims, dispatch, fetching, kicks, outbox
from pagerpal import fellows, freshness, orphans, pulse, supervisor, warming
from pagerpal.broker import BEAT
from pagerpal.models import WorkerHeartbeat
from pagerpal.sqlite.base import WriteQueue

log = logging.getLogger(__name__)

LOOK_AROUND = "pagerpal.aside.look_around"
# Tasks after which a process is as fresh as before.
LIGHT = (BEAT, LOOK_AROUND)

SWEEP_EVERY = 0.5
BEAT_EVERY = 5.0
# How often the pool is asked to look at what only the time calls for: reminders, hand-overs ...
LOOK_EVERY = 30.0
# A worker that was silent for this long is history.
FORGET_AFTER = timedelta(hours=1)
# How long a stop waits for the tasks in hand: the longest task and what waits behind it.
STOP_WITHIN = 30.0
# How long late pages are held back for the engine, which ends those that a newer step replaces.
HOLD_LATE_PAGES = 30.0
# A third of the processor's time where somebody else wants it, all of it where nobody does.
NICENESS = 5
# Written out, as all that is asked in each round: by the ORM it would copy shared memory.
TABLE = WorkerHeartbeat._meta.db_table
FORGET = f"DELETE FROM {TABLE} WHERE beat_at < %s"  # noqa: S608
WRITE_BEAT = f"""
    INSERT INTO {TABLE} (name, started_at, beat_at, sweep_ms, waiting) VALUES (%s, %s, %s, %s, %s)
    ON CONFLICT (name) DO UPDATE SET
        beat_at = excluded.beat_at, sweep_ms = excluded.sweep_ms, waiting = excluded.waiting
"""  # noqa: S608


@dataclass
class Sweep:
    """One look after another at what is due, and the kicks that follow from it."""

    waiting: int = 0
    took_ms: int = 0
    _late_since: float | None = None

    def run(self, now: datetime) -> None:
        """Reset what a dead process left, and kick the pool for what is due."""
        begun = time.monotonic()
        dispatch.reset_lapsed(now)
        incidents = engine.count_due(now) if settings.ESCALATION_WORKER_ENABLED else 0
        pages = outbox.has_due(now) if settings.NOTIFICATION_RETRY_WORKER_ENABLED else 0
        looks = looking.count_due(now) if settings.ESCALATION_WORKER_ENABLED else 0
        if not self._must_wait(now, incidents):
            _kick(incidents, pages, looks)
        else:
            _kick(incidents, 0, looks)
        if settings.NOTIFICATION_RETRY_WORKER_ENABLED:
            fetching.ask_soon(now)
        self.waiting = incidents + pages + looks
        self.took_ms = round((time.monotonic() - begun) * 1000)

    def _must_wait(self, now: datetime, incidents: int) -> bool:
        """Whether late pages give way to the engine: we were down, and some are superseded.

        Only for a while: if the engine does not get on, they are sent all the same.
        """
        if not incidents or not Incident.objects.due(now - engine.STALE_AFTER).exists():
            self._late_since = None
            return False
        if self._late_since is None:
            self._late_since = time.monotonic()
        return time.monotonic() - self._late_since < HOLD_LATE_PAGES


def _kick(incidents: int, pages: int, looks: int) -> None:
    if not incidents and not pages and not looks:
        return  # an idle house writes nothing
    with transaction.atomic():
        if looks:  # a task takes one batch after another
            kicks.kick(LOOK_AGAIN)
        if incidents:
            kicks.kick(engine.RUN_DUE_STEPS, due=incidents)
        if pages:
            kicks.kick(kicks.SEND_DUE, due=pages)


class Rounds:
    """Asks the pool every now and then to make the rounds; one node of several makes them."""

    def __init__(self) -> None:
        self._next_at = 0.0

    def ask(self) -> None:
        """Queue the task when it is time; tried again in a moment where the queue has no room."""
        if time.monotonic() < self._next_at:
            return
        with transaction.atomic():
            asked = kicks.kick(LOOK_AROUND)
        if asked:
            self._next_at = time.monotonic() + LOOK_EVERY


class Heart:
    """This worker's row, by which /health knows that it lives."""

    def __init__(self) -> None:
        self.name = f"{socket.gethostname()[:100]}:{os.getpid()}"
        self._started_at = timezone.now()
        self._next_at = 0.0

    def beat(self, now: datetime, swept: Sweep) -> None:
        """Write the row when it is time; the first beat also forgets the workers of old."""
        if time.monotonic() < self._next_at:
            return
        with transaction.atomic():
            old, started_at, beat_at = map(
                connection.ops.adapt_datetimefield_value,
                (now - FORGET_AFTER, self._started_at, now),
            )
            with connection.cursor() as cursor:
                cursor.execute(FORGET, [old])
                row = [self.name, started_at, beat_at, swept.took_ms, swept.waiting]
                cursor.execute(WRITE_BEAT, row)
        self._next_at = time.monotonic() + BEAT_EVERY

    def stop(self) -> None:
        """Let nobody wait for us: others share the work at once, and a restore need not wait."""
        with contextlib.suppress(DatabaseError):
            WorkerHeartbeat.objects.filter(name=self.name).delete()


class Worker:
    """The parent process: starts the pool, then does its rounds until it is told to stop."""

    def __init__(self) -> None:
        self.sweep = Sweep()
        self.heart = Heart()
        self.rounds = Rounds()
        self.stops = 0  # how often we were told to stop
        self._failing = False

    def run(self) -> None:
        """Return after a stop; a pool that cannot be trusted any more never returns."""
        _lead_own_group()
        _let_web_go_first()
        _prepare_to_fork()
        WriteQueue.party = "workers"
        self.cluster = Cluster()
        for number in (signal.SIGTERM, signal.SIGINT):  # after the cluster's own, which we replace
            signal.signal(number, self._told_to_stop)
        self.cluster.start()
        log.info("worker %s has %s processes for tasks", self.heart.name, settings.WORKERS)
        while not self.stops:
            self._watch()
            self._round()
            self._rest()
        self._stop()

    def _told_to_stop(self, number: int, frame: object) -> None:
        self.stops += 1

    def _watch(self) -> None:
        supervisor.touch()
        sentinel = self.cluster.sentinel
        if not sentinel.is_alive():
            end_group(f"the sentinel has died (exit code {sentinel.exitcode})")
        if trouble := pulse.trouble():
            end_group(trouble)

    def _round(self) -> None:
        now = timezone.now()
        try:
            self.heart.beat(now, self.sweep)
            self.rounds.ask()  # before the sweep, which may use up the room in the queue
            self.sweep.run(now)
            self._failing = False
        except Exception as error:
            # The whole story once, then a line each time: a database may be away for long.
            log.error("round failed: %s", error, exc_info=not self._failing)
            self._failing = True
            connections.close_all()

    def _rest(self) -> None:
        begun = time.monotonic()
        time.sleep(SWEEP_EVERY - time.time() % SWEEP_EVERY)
        if time.monotonic() - begun > pulse.LIMIT / 2:
            pulse.excuse()  # the machine slept, and the pool with it

    def _stop(self) -> None:
        """Let the tasks in hand finish; end the group when they do not, or when told twice."""
        log.info("worker %s is stopping", self.heart.name)
        self.cluster.stop_event.set()
        ends = time.monotonic() + STOP_WITHIN
        while self.cluster.sentinel.is_alive():
            self.cluster.sentinel.join(0.2)
            if time.monotonic() > ends or self.stops > 1:
                end_group("the pool did not stop in time")
        self.heart.stop()
        log.info("worker %s has stopped", self.heart.name)


def end_group(why: str) -> NoReturn:
    """Kill this process and all that it started."""
    log.critical("%s: ending all processes of this worker", why)
    os.killpg(0, signal.SIGKILL)
    os._exit(1)  # process 1 of a container survives its own kill


def _lead_own_group() -> None:
    if os.getpgrp() != os.getpid():
        os.setpgid(0, 0)


def _let_web_go_first() -> None:
    """In a storm alerts are taken in before they are paged: what is not stored may be lost.

    On SQLite the queue of writers sees to that; there a worker that has to wait for the processor
    would keep all others from the database meanwhile.
    """
    if connection.vendor != "sqlite":
        os.nice(NICENESS)


def _prepare_to_fork() -> None:
    """Load and share what the pool needs; fork safely: no open connection and one thread."""
    warming.warm(web=False)
    claims.count_workers = fellows.count
    orphans.children_die_with_us()
    pulse.share()
    pre_execute.connect(_task_started, dispatch_uid="pagerpal")
    post_execute.connect(_task_finished, dispatch_uid="pagerpal")
    if threading.active_count() > 1:
        raise RuntimeError(f"threads before the fork: {threading.enumerate()}")


def _task_started(**kwargs: Any) -> None:
    pulse.touch(pulse.STARTED)
    if kwargs["task"]["func"] not in LIGHT:
        freshness.worked()


def _task_finished(**kwargs: Any) -> None:
    pulse.touch(pulse.FINISHED)
