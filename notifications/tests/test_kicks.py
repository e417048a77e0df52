"""Workers are woken, but never by too many kicks."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest
import time_machine
from django.db import transaction
from django.utils import timezone
from django_q.models import OrmQ

from notifications import kicks, tasks
from notifications.channels.base import Message
from notifications.models import Notification
from notifications.tests.pages import page
from pagerpal.testing import NOON, Recorder, make_user, seconds

pytestmark = pytest.mark.django_db


def test_a_kick_queues_a_task_that_names_nothing() -> None:
    assert kicks.kick(kicks.SEND_DUE) == 1

    task = OrmQ.objects.get().task
    assert (task["func"], task["args"], task["kwargs"]) == (kicks.SEND_DUE, (), {})


def test_no_more_kicks_wait_than_twice_the_workers(settings: Any) -> None:
    settings.WORKERS = 3

    assert kicks.kick(kicks.SEND_DUE, due=100) == 6
    assert kicks.kick(kicks.SEND_DUE) == 0


def test_kicks_that_a_worker_has_taken_do_not_count(settings: Any) -> None:
    settings.WORKERS = 2
    kicks.kick(kicks.SEND_DUE, due=4)
    OrmQ.objects.update(lock=timezone.now() + seconds(120))

    assert kicks.kick(kicks.SEND_DUE, due=2) == 2


def test_a_rolled_back_transaction_takes_its_kick_along() -> None:
    with transaction.atomic():
        kicks.kick(kicks.SEND_DUE)
        transaction.set_rollback(True)

    assert OrmQ.objects.count() == 0


def test_the_task_sends_everything_that_is_due(recorder: Recorder) -> None:
    for number in range(3):
        page(make_user(f"u{number}"), ref=f"r{number}", thread=f"t{number}", urgency="low")

    with time_machine.travel(NOON, tick=False):
        tasks.send_due()

    assert len(recorder.take_all()) == 3
    assert OrmQ.objects.count() == 0


def test_the_task_begins_nothing_late_and_asks_for_another(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(4):
        page(make_user(f"u{number}"), ref=f"r{number}", thread=f"t{number}", urgency="low")
    clock = {"at": 1000.0}
    monkeypatch.setattr("notifications.tasks.time.monotonic", lambda: clock["at"])

    def take_a_second(_: Message) -> None:
        clock["at"] += 1.0

    recorder.on_send = take_a_second
    with time_machine.travel(NOON, tick=False):
        tasks.send_due()

    assert len(recorder.take_all()) == 2
    assert Notification.objects.filter(state="pending").count() == 2
    assert OrmQ.objects.count() == 2


def test_a_send_never_outlasts_the_task(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: list[float] = []
    moments = iter([1000.0, 1000.0, 1001.9, 1002.1])
    monkeypatch.setattr("notifications.tasks.time.monotonic", lambda: next(moments))

    def note(_: datetime, *, seconds: float) -> bool:
        given.append(seconds)
        return True

    monkeypatch.setattr("notifications.dispatch.send_best_due", note)

    tasks.send_due()

    assert given == [8.0, 8.0]
    assert all(1.9 + seconds <= tasks.SEND_UNTIL for seconds in given)
