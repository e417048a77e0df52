"""When much goes wrong at once: many incidents, calls that hang, providers that are down."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from urllib.parse import urlsplit

import pytest
from django.test import Client

from incidents import lifecycle
from incidents.lifecycle import Actor, Opening
from incidents.models import Incident
from notifications import dispatch
from notifications.channels.base import SendError
from notifications.models import DeliveryEvent, Notification
from pagerpal.testing import (
    NOON,
    Recorder,
    make_policy,
    make_team,
    make_user,
    minutes,
    run_worker,
    seconds,
)
from schedules.models import Team, User

pytestmark = pytest.mark.django_db
HANGS = SendError("no answer within 8 s", timed_out=True)


@pytest.fixture
def alice() -> User:
    return make_user("alice", email=True)


@pytest.fixture
def team(alice: User) -> Team:
    made = make_team("Platform", alice)
    make_policy(made, alice)
    return made


def opened(team: Team, *, now: datetime, severity: str = "high") -> Incident:
    policy = team.policies.get()
    opening = Opening(team=team, policy=policy, title="Disk full", severity=severity)
    return lifecycle.open_incident(opening, now=now)


def work(start: datetime, until: datetime, *, every: float = 5) -> None:
    """The worker, for so long."""
    now = start
    while now <= until:
        dispatch.reset_lapsed(now)
        run_worker(now)
        now += seconds(every)


def untold(user: User) -> set[str]:
    """Threads of which nothing was taken for this person."""
    rows = Notification.objects.filter(user=user, purpose="page")
    told = rows.taken().values("thread")
    return set(rows.exclude(thread__in=told).values_list("thread", flat=True))


def test_an_acknowledgement_while_a_call_hangs_ends_it(
    recorder: Recorder, team: Team, alice: User
) -> None:
    incident = opened(team, now=NOON)
    recorder.broken["ntfy"] = HANGS

    def acknowledge(_: Any) -> None:
        moved = lifecycle.acknowledge(
            incident.pk, Actor.person(alice, "page"), now=NOON + seconds(3)
        )
        assert moved.changed

    recorder.on_send = acknowledge
    run_worker(NOON)
    recorder.on_send = None
    recorder.broken.clear()
    work(NOON + seconds(8), NOON + minutes(12), every=60)

    assert len(recorder.failures) == 1  # nothing was called after the answer
    assert set(Notification.objects.values_list("state", flat=True)) == {"cancelled"}


def test_all_providers_down_for_ten_minutes_and_back(
    recorder: Recorder, team: Team, alice: User
) -> None:
    for kind in ("ntfy", "email"):
        recorder.broken[kind] = HANGS
    for number in range(5):
        opened(team, now=NOON + seconds(number))

    work(NOON, NOON + minutes(10), every=20)
    recorder.expect_none()
    assert len(untold(alice)) == 5
    recorder.broken.clear()
    work(NOON + minutes(10) + seconds(1), NOON + minutes(11) + seconds(31))

    assert not untold(alice)
    by_push = [sent for kind, _, sent in recorder.take_all() if kind == "ntfy"]
    assert by_push[0].title.startswith("5 incidents: #")
    assert len(by_push) <= 2


def test_a_hundred_incidents_in_a_minute_are_few_messages_and_one_tap(
    recorder: Recorder, client: Client, team: Team, alice: User
) -> None:
    for number in range(100):
        now = NOON + seconds(0.6 * number)
        opened(team, now=now)
        run_worker(now)
    work(now, NOON + minutes(2), every=10)

    messages = recorder.take_all()
    by_push = [sent for kind, _, sent in messages if kind == "ntfy"]
    assert len(messages) <= 30
    assert not untold(alice)
    for sent in by_push:
        client.post(urlsplit(sent.answer_url).path)
    assert set(Incident.objects.values_list("state", flat=True)) == {"acknowledged"}
    work(NOON + minutes(2), NOON + minutes(12), every=60)
    assert {sent.clears != "" for _, _, sent in recorder.take_all()} <= {True}


def test_in_a_storm_a_critical_page_comes_at_once(
    recorder: Recorder, team: Team, alice: User
) -> None:
    for number in range(20):
        opened(team, now=NOON + seconds(number))
        run_worker(NOON + seconds(number))
    assert DeliveryEvent.objects.filter(kind="waits").exists()
    recorder.take_all()

    critical = opened(team, now=NOON + seconds(20), severity="critical")
    run_worker(NOON + seconds(20))

    ((_, _, message),) = recorder.take_all()
    assert f"#{critical.pk}" in message.title
