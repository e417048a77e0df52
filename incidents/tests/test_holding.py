"""Tests of what a restored backup holds, and what ends it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from incidents import engine, lifecycle
from incidents.forecast import forecast
from incidents.holding import hold_all
from incidents.lifecycle import Actor
from incidents.models import Incident
from notifications.models import Notification
from pagerpal.testing import NOON, make_incident, make_team, make_user
from schedules.models import User

pytestmark = pytest.mark.django_db

LATER = NOON + timedelta(hours=3)


@pytest.fixture
def alice() -> User:
    return make_user("alice")


def held(user: User, **fields: Any) -> Incident:
    incident = make_incident(make_team("house", user), **fields)
    hold_all("Restored.", now=LATER)
    incident.refresh_from_db()
    return incident


def message(user: User, key: str, **fields: Any) -> Notification:
    method = user.contact_methods.first()
    assert method is not None
    values = {
        "purpose": "page",
        "thread": "incident:1",
        "due_at": NOON,
        "channel": method.channel,
        "address": method.address,
    } | fields
    return Notification.objects.create(key=key, user=user, contact_method=method, **values)


def test_the_engine_leaves_a_held_incident_alone(alice: User) -> None:
    incident = held(alice)

    assert incident.held_at == LATER
    assert engine.count_due(LATER + timedelta(days=1)) == 0
    assert forecast(incident, LATER) == []
    assert incident.timeline.get(via="restore").text == "Restored."


def test_who_owns_a_held_incident_is_not_asked(alice: User) -> None:
    incident = make_incident(make_team("house", alice))
    lifecycle.acknowledge(incident.pk, Actor.person(alice, "page"), now=NOON)
    Incident.objects.update(ask_at=NOON)

    hold_all("Restored.", now=LATER)

    assert engine.count_due(LATER) == 0


def test_asking_for_the_next_step_ends_it(alice: User) -> None:
    incident = held(alice)

    lifecycle.escalate_now(incident.pk, Actor.person(alice, "page"), now=LATER)

    incident.refresh_from_db()
    assert incident.held_at is None
    assert engine.count_due(LATER) == 1


def test_taking_and_resolving_end_it(alice: User) -> None:
    incident = held(alice)

    lifecycle.acknowledge(incident.pk, Actor.person(alice, "page"), now=LATER)
    incident.refresh_from_db()
    taken = incident.held_at
    hold_all("Restored.", now=LATER)
    lifecycle.resolve(incident.pk, Actor.person(alice, "page"), now=LATER)
    incident.refresh_from_db()

    assert (taken, incident.held_at) == (None, None)


def test_news_of_its_monitor_starts_paging_anew(alice: User) -> None:
    incident = held(alice)

    lifecycle.join(
        incident, title="Disk full", severity="high", urgency="high", is_new=True, now=LATER
    )

    incident.refresh_from_db()
    assert (incident.held_at, incident.episode) == (None, 2)
    assert incident.escalate_at == LATER


def test_what_waited_is_held_and_what_still_has_its_time_waits_on(alice: User) -> None:
    page = message(alice, "page", due_at=LATER + timedelta(hours=1))
    sending = message(alice, "sending", state="sending", lease_until=LATER)
    given_up = message(
        alice, "given up", state="sending", lease_until=LATER, cancelled_at=NOON, purpose="notice"
    )
    late = message(alice, "late", purpose="reminder")
    coming = message(alice, "coming", purpose="reminder", due_at=LATER + timedelta(hours=1))
    soon = message(
        alice,
        "soon",
        purpose="reminder",
        due_at=LATER + timedelta(hours=1),
        state="sending",
        lease_until=LATER,
    )

    count = hold_all("Restored.", now=LATER)

    states = dict(Notification.objects.values_list("key", "state"))
    assert count.messages == 3
    assert states == {
        page.key: "held",
        sending.key: "held",
        given_up.key: "cancelled",
        late.key: "held",
        coming.key: "pending",
        soon.key: "pending",
    }
