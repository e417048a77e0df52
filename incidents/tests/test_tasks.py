"""What one task of the engine does in its time, and what it leaves to others."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
import time_machine
from django_q.models import OrmQ

from incidents import engine, tasks
from incidents.models import Incident
from notifications.kicks import SEND_DUE
from notifications.models import Notification
from pagerpal.testing import NOON, Recorder, make_incident, make_policy, make_team, make_user

pytestmark = pytest.mark.django_db


class Clock:
    """A clock that only the test moves on."""

    def __init__(self) -> None:
        self.at = 1000.0

    def monotonic(self) -> float:
        return self.at


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Iterator[Clock]:
    found = Clock()
    monkeypatch.setattr("incidents.tasks.time", found)
    with time_machine.travel(NOON, tick=False):
        yield found


@pytest.fixture
def kicks() -> Any:
    """What the tasks that wait in the queue are to do."""
    return lambda: [row.task["func"] for row in OrmQ.objects.order_by("pk")]


def test_the_first_page_goes_out_in_the_task_that_planned_it(
    recorder: Recorder, clock: Clock, kicks: Any
) -> None:
    team = make_team("Platform", make_user("alice"), make_user("bob"))
    make_incident(team, policy=make_policy(team, "team"))

    tasks.run_due_steps()

    assert len(recorder.take_all()) == 1
    assert Notification.objects.filter(state="pending", due_at__lte=NOON).count() == 1
    assert kicks() == [SEND_DUE]


def test_no_incident_is_begun_two_seconds_after_the_start(
    recorder: Recorder, clock: Clock, kicks: Any
) -> None:
    alone = [make_user(name) for name in ("alice", "bob", "carol")]
    for user in alone:
        team = make_team(f"Team of {user}", user)
        make_incident(team, policy=make_policy(team, user))

    def take_a_second(_: Any) -> None:
        clock.at += 1.0

    recorder.on_send = take_a_second
    tasks.run_due_steps()

    assert len(recorder.take_all()) == 2
    assert Incident.objects.due(NOON).count() == 1
    assert kicks() == [engine.RUN_DUE_STEPS]


@pytest.mark.parametrize(("planned_for", "seconds"), [(0.0, 8.0), (1.9, 8.0), (5.0, 6.0)])
def test_a_send_never_outlasts_the_task(
    monkeypatch: pytest.MonkeyPatch, clock: Clock, planned_for: float, seconds: float
) -> None:
    given: list[float] = []

    def plan(_: Any) -> list[engine.Stepped]:
        clock.at += planned_for
        return [engine.Stepped(1, 1, 4711)] if not given else []

    def send(pk: int, *, now: datetime, seconds: float) -> bool:
        given.append(seconds)
        return True

    monkeypatch.setattr("incidents.tasks._plan", plan)
    monkeypatch.setattr("incidents.tasks.dispatch.send_one", send)

    tasks.run_due_steps()

    assert given == [seconds]


def test_of_several_planned_together_what_cannot_be_begun_in_time_is_left_to_others(
    monkeypatch: pytest.MonkeyPatch, clock: Clock, kicks: Any
) -> None:
    sent: list[int] = []

    def send(pk: int, *, now: datetime, seconds: float) -> bool:
        sent.append(pk)
        clock.at += 1.5
        return True

    together = [engine.Stepped(pk, 1, pk) for pk in (1, 2, 3)]
    monkeypatch.setattr("incidents.tasks._plan", lambda _: [] if sent else together)
    monkeypatch.setattr("incidents.tasks.dispatch.send_one", send)

    tasks.run_due_steps()

    assert sent == [1, 2]
    assert kicks() == [SEND_DUE]
