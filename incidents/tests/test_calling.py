"""Giving an incident to somebody, and calling people to it, while others act too."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection

from incidents import calling, lifecycle
from incidents.lifecycle import Actor, Refused
from incidents.models import Incident
from notifications.channels.base import SendError
from notifications.models import Notification
from pagerpal.testing import (
    NOON,
    Recorder,
    make_incident,
    make_policy,
    make_team,
    make_user,
    minutes,
    run_worker,
)
from schedules.models import User
from schedules.people import switch_off

pytestmark = pytest.mark.django_db


def by(user: User) -> Actor:
    return Actor.person(user, "page")


@pytest.fixture
def alice() -> User:
    return make_user("alice")


@pytest.fixture
def bob() -> User:
    return make_user("bob")


@pytest.fixture
def incident(alice: User, bob: User) -> Incident:
    """Alice has it; the policy of its team pages carol."""
    carol = make_user("carol")
    team = make_team("Platform", alice, bob, carol)
    policy = make_policy(team, carol)
    return make_incident(team, policy=policy, state="acknowledged", owner=alice)


def test_who_is_given_it_and_is_silent_loses_it_to_the_policy(
    recorder: Recorder, incident: Incident, alice: User, bob: User
) -> None:
    calling.reassign(incident.pk, by(alice), bob, now=NOON)
    run_worker(NOON)
    recorder.take("topic-bob")

    run_worker(NOON + minutes(4))
    assert {to for _, to, _ in recorder.take_all()} == {"topic-bob"}
    run_worker(NOON + minutes(5))

    recorder.take("topic-carol")
    recorder.take_all()  # bob is called on as before


def test_who_is_given_it_and_cannot_be_reached_costs_no_time(
    recorder: Recorder, incident: Incident, alice: User, bob: User
) -> None:
    User.objects.get(name="carol").contact_methods.update(
        channel="email", address="carol@example.org"
    )
    recorder.broken["ntfy"] = SendError("no such topic", permanent=True)

    calling.reassign(incident.pk, by(alice), bob, now=NOON)
    run_worker(NOON)

    recorder.take("carol@example.org", "email")


def test_it_is_not_given_to_somebody_without_an_address(
    incident: Incident, alice: User, bob: User
) -> None:
    bob.contact_methods.all().delete()

    with pytest.raises(Refused, match="bob has no working contact method"):
        calling.reassign(incident.pk, by(alice), bob, now=NOON)

    incident.refresh_from_db()
    assert (incident.state, incident.owner, incident.timeline.count()) == ("acknowledged", alice, 0)


def test_it_is_not_given_to_somebody_who_left_meanwhile(
    recorder: Recorder, incident: Incident, alice: User, bob: User
) -> None:
    known = User.objects.get(pk=bob.pk)
    switch_off(bob, make_user("root"), now=NOON)

    with pytest.raises(Refused, match="bob was switched off"):
        calling.reassign(incident.pk, by(alice), known, now=NOON)


def test_who_helps_is_called_on_until_they_answer(
    recorder: Recorder, incident: Incident, alice: User, bob: User
) -> None:
    calling.page_people(incident.pk, by(alice), [bob], now=NOON)
    run_worker(NOON)
    run_worker(NOON + minutes(1))
    assert [to for _, to, _ in recorder.take_all()] == ["topic-bob"] * 2

    moved = lifecycle.acknowledge(incident.pk, by(bob), now=NOON + minutes(1))
    run_worker(NOON + minutes(10))

    recorder.take_all()  # what takes the messages off the phone
    assert moved.changed
    assert not Notification.objects.unfinished().filter(purpose="page").exists()
    assert Incident.objects.get().owner == alice


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("number", range(3))
def test_giving_it_away_and_taking_it_at_once_end_in_one_of_both(
    recorder: Recorder, incident: Incident, alice: User, bob: User, number: int
) -> None:
    barrier = threading.Barrier(2)

    def run(act: Callable[[], Any]) -> None:
        try:
            barrier.wait()
            act()
        finally:
            connection.close()

    acts = (
        lambda: calling.reassign(incident.pk, by(alice), bob, now=NOON),
        lambda: lifecycle.take_over(incident.pk, by(bob), now=NOON),
    )
    threads = [threading.Thread(target=run, args=(act,)) for act in acts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    found = Incident.objects.get()
    waits = Notification.objects.unfinished().filter(purpose="page").exists()
    assert (found.state, found.owner, waits) == ("acknowledged", bob, False)
