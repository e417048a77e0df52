"""Tests of the worker's parent process: the sweep, the heartbeat, the watchdog."""

from __future__ import annotations

import logging
import time
from collections import Counter
from datetime import datetime
from types import SimpleNamespace
from typing import Any

import pytest
from django.db import OperationalError, connections
from django.utils import timezone
from django_q.models import OrmQ

from alertsources.cleaning import clean
from alertsources.intake import Delivery, take
from alertsources.silences import LOOK_AGAIN
from alertsources.sources.base import ParsedAlert
from incidents.models import Incident
from notifications.models import Notification
from pagerpal import pulse, worker
from pagerpal.models import WorkerHeartbeat
from pagerpal.testing import (
    NOON,
    make_incident,
    make_source,
    make_team,
    make_user,
    minutes,
    seconds,
)
from pagerpal.worker import FORGET_AFTER, HOLD_LATE_PAGES, LOOK_EVERY, Heart, Rounds, Sweep, Worker

pytestmark = pytest.mark.django_db

ENGINE = "incidents.tasks.run_due_steps"
SENDER = "notifications.tasks.send_due"
LOOK = "pagerpal.aside.look_around"


def a_message(now: datetime = NOON, **fields: Any) -> Notification:
    number = Notification.objects.count()
    user = make_user(f"user{number}")
    values: dict[str, Any] = {
        "purpose": "page",
        "thread": "incident:1",
        "key": f"k{number}",
        "user": user,
        "contact_method": user.contact_methods.get(),
        "channel": "ntfy",
        "address": "topic",
        "due_at": now,
        **fields,
    }
    return Notification.objects.create(**values)


def kicks() -> Counter[str]:
    """What waits in the queue."""
    return Counter(row.func() for row in OrmQ.objects.all())


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The monotonic clock, moved by hand."""
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


@pytest.fixture
def signs(clock: list[float], monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Signs of life as of now."""
    found = [clock[0]] * 3
    monkeypatch.setattr(pulse, "_signs", found)
    return found


# --- The sweep -----------------------------------------------------------------------------------
def test_an_idle_sweep_only_reads_and_reads_little(
    django_assert_num_queries: Any,
) -> None:
    with django_assert_num_queries(6) as seen:
        Sweep().run(NOON)

    assert all(query["sql"].startswith("SELECT") for query in seen.captured_queries)
    assert not kicks()


def test_each_due_incident_is_a_kick_for_the_engine() -> None:
    make_incident(now=NOON)
    make_incident(now=NOON)
    make_incident(now=NOON + seconds(1))

    Sweep().run(NOON)

    assert kicks() == {ENGINE: 2}


def test_each_due_message_is_a_kick_for_the_sender() -> None:
    a_message(NOON)
    a_message(NOON + seconds(1))

    Sweep().run(NOON)

    assert kicks() == {SENDER: 1}


def test_a_storm_queues_no_more_kicks_than_there_is_room_for(settings: Any) -> None:
    settings.WORKERS = 2
    for _ in range(6):
        a_message(NOON)
    sweep = Sweep()

    sweep.run(NOON)
    sweep.run(NOON + seconds(0.5))

    assert kicks() == {SENDER: 4}
    assert sweep.waiting == 6


def test_a_half_that_is_switched_off_is_not_kicked(settings: Any) -> None:
    make_incident(now=NOON)
    a_message(NOON)

    settings.ESCALATION_WORKER_ENABLED = False
    Sweep().run(NOON)
    first = kicks()
    OrmQ.objects.all().delete()
    settings.ESCALATION_WORKER_ENABLED = True
    settings.NOTIFICATION_RETRY_WORKER_ENABLED = False
    Sweep().run(NOON)

    assert first == {SENDER: 1}
    assert kicks() == {ENGINE: 1}


def test_after_being_down_the_engine_goes_first() -> None:
    make_incident(now=NOON)
    a_message(NOON)

    Sweep().run(NOON + minutes(11))

    assert kicks() == {ENGINE: 1}


def test_late_pages_are_not_held_back_for_ever(clock: list[float]) -> None:
    make_incident(now=NOON)
    a_message(NOON)
    sweep = Sweep()

    sweep.run(NOON + minutes(11))
    OrmQ.objects.all().delete()
    clock[0] += HOLD_LATE_PAGES
    sweep.run(NOON + minutes(12))

    assert kicks() == {ENGINE: 1, SENDER: 1}


def test_each_time_of_being_late_is_held_back_anew(clock: list[float]) -> None:
    incident = make_incident(now=NOON)
    a_message(NOON)
    sweep = Sweep()

    sweep.run(NOON + minutes(11))
    Incident.objects.filter(pk=incident.pk).update(escalate_at=NOON + minutes(20))
    clock[0] += HOLD_LATE_PAGES
    sweep.run(NOON + minutes(12))
    OrmQ.objects.all().delete()
    sweep.run(NOON + minutes(31))

    assert kicks() == {ENGINE: 1}


def test_what_a_dead_process_had_claimed_is_due_again() -> None:
    row = a_message(NOON, state="sending", lease_until=NOON + seconds(30))

    Sweep().run(NOON + seconds(31))

    row.refresh_from_db()
    assert row.state == "pending"
    assert kicks()[SENDER] >= 1


# --- The rounds ----------------------------------------------------------------------------------
def test_the_rounds_are_asked_for_at_once_and_then_each_half_minute(clock: list[float]) -> None:
    rounds = Rounds()

    for passed in (0, 29, 1, 29):
        clock[0] += passed
        rounds.ask()

    assert kicks() == {LOOK: 2}
    assert LOOK_EVERY == 30


def test_a_full_queue_puts_the_rounds_off_for_a_moment(clock: list[float], settings: Any) -> None:
    settings.WORKERS = 1
    for _ in range(2):
        a_message(NOON)
    Sweep().run(NOON)
    rounds = Rounds()

    rounds.ask()
    OrmQ.objects.earliest("pk").delete()
    rounds.ask()

    assert kicks() == {SENDER: 1, LOOK: 1}


# --- The heartbeat -------------------------------------------------------------------------------
def test_the_first_beat_is_written_at_once_and_the_next_after_five_seconds(
    clock: list[float],
) -> None:
    heart, swept = Heart(), Sweep()

    heart.beat(NOON, swept)
    clock[0] += 4.9
    heart.beat(NOON + seconds(4.9), swept)
    first = WorkerHeartbeat.objects.get().beat_at
    clock[0] += 0.2
    heart.beat(NOON + seconds(5.1), swept)

    assert first == NOON
    assert WorkerHeartbeat.objects.get().beat_at == NOON + seconds(5.1)


def test_a_beat_says_what_waits() -> None:
    a_message(NOON)
    sweep = Sweep()
    sweep.run(NOON)

    Heart().beat(NOON, sweep)

    assert WorkerHeartbeat.objects.get().waiting == 1


def test_workers_of_old_are_forgotten() -> None:
    for name, age in (("old:1", FORGET_AFTER + seconds(1)), ("recent:1", FORGET_AFTER)):
        WorkerHeartbeat.objects.create(name=name, started_at=NOON, beat_at=NOON - age)
    heart = Heart()

    heart.beat(NOON, Sweep())

    names = set(WorkerHeartbeat.objects.values_list("name", flat=True))
    assert names == {"recent:1", heart.name}


# --- A round -------------------------------------------------------------------------------------
def test_a_round_that_fails_is_logged_and_the_next_one_goes_on(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    closed: list[bool] = []
    running = Worker()
    monkeypatch.setattr(connections, "close_all", lambda: closed.append(True))

    with monkeypatch.context() as patch, caplog.at_level(logging.ERROR):
        patch.setattr(running.sweep, "run", raise_operational_error)
        running._round()
        running._round()
    make_incident(now=timezone.now())
    running._round()

    assert len(closed) == 2
    assert [bool(record.exc_info) for record in caplog.records] == [True, False]
    assert kicks() == {ENGINE: 1, LOOK: 1}


def raise_operational_error(now: datetime) -> None:
    raise OperationalError("gone")


# --- The watchdog --------------------------------------------------------------------------------
def test_a_pool_that_shows_life_is_left_alone(signs: list[float], clock: list[float]) -> None:
    clock[0] += pulse.LIMIT

    assert pulse.trouble() == ""


@pytest.mark.parametrize("sign", [pulse.STARTED, pulse.FINISHED, pulse.GUARDED])
def test_each_missing_sign_of_life_is_trouble_in_the_end(
    signs: list[float], clock: list[float], sign: int
) -> None:
    clock[0] += pulse.LIMITS[sign] + 1
    signs[:] = [clock[0]] * 3
    signs[sign] = 1000.0

    assert pulse.NAMES[sign] in pulse.trouble()


def test_trouble_ends_the_whole_group(signs: list[float], monkeypatch: pytest.MonkeyPatch) -> None:
    ended: list[str] = []
    monkeypatch.setattr(worker, "end_group", ended.append)
    running = Worker()
    running.cluster = FakeCluster(is_alive=True)

    running._watch()
    signs[pulse.STARTED] -= pulse.LIMIT + 1
    running._watch()

    assert ended == [f"no task was started for {pulse.LIMIT + 1:.0f} s"]


def test_a_dead_sentinel_ends_the_whole_group(
    signs: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    ended: list[str] = []
    monkeypatch.setattr(worker, "end_group", ended.append)
    running = Worker()
    running.cluster = FakeCluster(is_alive=False)

    running._watch()

    assert ended == ["the sentinel has died (exit code -9)"]


def test_a_machine_that_slept_is_excused(
    signs: list[float], clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    def sleep(length: float) -> None:
        clock[0] += 3600

    monkeypatch.setattr(time, "sleep", sleep)

    Worker()._rest()

    assert pulse.trouble() == ""


class FakeCluster:
    """A pool's face towards its parent."""

    exitcode = -9

    def __init__(self, *, is_alive: bool) -> None:
        self.sentinel = self
        self._is_alive = is_alive

    def is_alive(self) -> bool:
        return self._is_alive


def test_alerts_that_are_to_be_judged_anew_are_a_kick_for_one_worker() -> None:
    source = make_source(make_team(), wait_for=minutes(5))
    delivery = Delivery(source, b"{}", [clean(ParsedAlert("k", "firing", "x"), source)])
    take(delivery, now=NOON)

    Sweep().run(NOON + minutes(5))

    assert kicks() == {LOOK_AGAIN: 1}


@pytest.mark.parametrize(("vendor", "asked"), [("postgresql", [worker.NICENESS]), ("sqlite", [])])
def test_web_goes_first_where_workers_keep_nobody_from_the_database(
    monkeypatch: pytest.MonkeyPatch, vendor: str, asked: list[int]
) -> None:
    given: list[int] = []
    monkeypatch.setattr("pagerpal.worker.os.nice", given.append)
    monkeypatch.setattr("pagerpal.worker.connection", SimpleNamespace(vendor=vendor))

    worker._let_web_go_first()

    assert given == asked


def test_a_worker_that_stops_leaves_no_row_behind() -> None:
    heart = Heart()
    heart.beat(timezone.now(), Sweep())

    heart.stop()

    assert not WorkerHeartbeat.objects.exists()
