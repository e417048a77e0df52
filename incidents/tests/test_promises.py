"""Owners who are asked whether it is still theirs, as they wished or as their team does."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, connection, transaction

from incidents import lifecycle
from incidents.lifecycle import Actor, Refused, look_again
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

pytestmark = pytest.mark.django_db
HALF_AN_HOUR = timedelta(minutes=30)


def by(user: User) -> Actor:
    return Actor.person(user, "page")


@pytest.fixture
def alice() -> User:
    return make_user("alice")


@pytest.fixture
def incident(alice: User) -> Incident:
    """Of a team whose policy pages bob; nobody was paged yet."""
    bob = make_user("bob")
    team = make_team("Platform", alice, bob)
    return make_incident(team, policy=make_policy(team, bob))


def now_of(incident: Incident) -> Incident:
    return Incident.objects.get(pk=incident.pk)


def lines(incident: Incident) -> list[str]:
    return [entry.text for entry in incident.timeline.order_by("pk")]


def test_a_promise_is_asked_about_and_silence_starts_paging_anew(
    recorder: Recorder, incident: Incident, alice: User
) -> None:
    promise = look_again(HALF_AN_HOUR, NOON)
    moved = lifecycle.acknowledge(incident.pk, by(alice), now=NOON, promise=promise)
    assert moved.text == f"#{incident.pk} is yours. PagerPal asks again at 12:30 UTC."

    run_worker(NOON + minutes(29))
    recorder.expect_none()
    run_worker(NOON + minutes(30))
    assert "Still yours?" in recorder.take("topic-alice").body
    run_worker(NOON + minutes(34))
    recorder.expect_none()
    run_worker(NOON + minutes(35))

    recorder.take("topic-bob")
    recorder.take_all()  # takes the question off alice's phone
    found = now_of(incident)
    assert (found.state, found.owner, found.episode, found.ask_at) == ("triggered", None, 2, None)


def test_acknowledging_again_answers_and_counts_from_now(
    recorder: Recorder, incident: Incident, alice: User
) -> None:
    promise = look_again(HALF_AN_HOUR, NOON)
    lifecycle.acknowledge(incident.pk, by(alice), now=NOON, promise=promise)
    run_worker(NOON + minutes(30))
    recorder.take("topic-alice")

    moved = lifecycle.acknowledge(incident.pk, by(alice), now=NOON + minutes(32))
    run_worker(NOON + minutes(61))

    found = now_of(incident)
    assert moved.changed
    assert (found.asked_at, found.ask_at) == (None, NOON + minutes(62))
    assert [message.clears != "" for _, _, message in recorder.take_all()] == [True]
    assert "alice still has it. PagerPal asks again at 13:02 UTC." in lines(incident)


def test_a_question_that_waits_to_be_sent_again_is_ended_by_the_answer(
    recorder: Recorder, incident: Incident, alice: User
) -> None:
    promise = look_again(HALF_AN_HOUR, NOON)
    lifecycle.acknowledge(incident.pk, by(alice), now=NOON, promise=promise)
    recorder.broken["ntfy"] = SendError("no answer")
    run_worker(NOON + minutes(30))

    lifecycle.acknowledge(incident.pk, by(alice), now=NOON + minutes(30))
    recorder.broken.clear()
    run_worker(NOON + minutes(33))

    assert not Notification.objects.unfinished().filter(purpose="ask_owner").exists()


def test_the_teams_timeout_asks_whoever_promised_nothing(
    recorder: Recorder, incident: Incident, alice: User
) -> None:
    incident.team.acknowledge_timeout = HALF_AN_HOUR
    incident.team.save()

    lifecycle.acknowledge(incident.pk, by(alice), now=NOON)
    run_worker(NOON + minutes(30))

    recorder.take("topic-alice")
    assert now_of(incident).ask_at == NOON + minutes(35)


def test_without_a_promise_or_a_timeout_nobody_is_asked(
    recorder: Recorder, incident: Incident, alice: User
) -> None:
    lifecycle.acknowledge(incident.pk, by(alice), now=NOON)

    run_worker(NOON + timedelta(days=3))

    assert now_of(incident).state == "acknowledged"


def test_a_snooze_ends_with_the_question(
    recorder: Recorder, incident: Incident, alice: User
) -> None:
    lifecycle.snooze(incident.pk, by(alice), NOON + minutes(60), now=NOON)
    assert now_of(incident).is_snoozed

    run_worker(NOON + minutes(60))

    recorder.take("topic-alice")
    found = now_of(incident)
    assert (found.state, found.is_snoozed) == ("acknowledged", False)
    assert found.asked_at == NOON + minutes(60)


def test_an_owner_who_cannot_be_asked_loses_it_at_once(
    recorder: Recorder, incident: Incident, alice: User
) -> None:
    lifecycle.snooze(incident.pk, by(alice), NOON + minutes(60), now=NOON)
    alice.contact_methods.update(is_on=False)

    run_worker(NOON + minutes(60))

    recorder.take("topic-bob")
    assert "alice could not be asked whether it is still theirs." in lines(incident)


def test_a_question_that_fails_on_every_way_is_not_waited_for(
    recorder: Recorder, incident: Incident, alice: User
) -> None:
    bob = User.objects.get(name="bob")
    bob.contact_methods.update(channel="email", address="bob@example.org")
    lifecycle.snooze(incident.pk, by(alice), NOON + minutes(60), now=NOON)
    recorder.broken["ntfy"] = SendError("no such topic", permanent=True)

    run_worker(NOON + minutes(60))

    recorder.take("bob@example.org", "email")
    assert now_of(incident).state == "triggered"


@pytest.mark.parametrize(
    ("until", "why"),
    [(NOON, "That time has passed"), (NOON + timedelta(days=31), "That is too far off")],
)
def test_a_snooze_needs_an_end_that_makes_sense(
    incident: Incident, alice: User, until: Any, why: str
) -> None:
    with pytest.raises(Refused, match=why):
        lifecycle.snooze(incident.pk, by(alice), until, now=NOON)


def test_quiet_hours_put_off_the_question_and_the_silence(recorder: Recorder, alice: User) -> None:
    alice.quiet_from, alice.quiet_until = (NOON - minutes(60)).time(), (NOON + minutes(90)).time()
    alice.save()
    team = make_team("Web", alice)
    incident = make_incident(team, urgency="low", severity="warning")

    lifecycle.snooze(incident.pk, by(alice), NOON + minutes(60), now=NOON)
    run_worker(NOON + minutes(60))

    assert now_of(incident).ask_at == NOON + minutes(95)


def test_a_new_owner_is_told_of_the_next_alert_at_once(
    recorder: Recorder, incident: Incident, alice: User
) -> None:
    bob = User.objects.get(name="bob")

    def grow(minute: float) -> list[str]:
        with transaction.atomic():
            locked = Incident.objects.select_for_update().get(pk=incident.pk)
            values = {"title": "db-2", "severity": "high", "urgency": "high"}
            lifecycle.join(locked, **values, is_new=True, now=NOON + minutes(minute))
        run_worker(NOON + minutes(minute))
        return [to for _, to, one in recorder.take_all() if not one.clears]

    lifecycle.acknowledge(incident.pk, by(alice), now=NOON)
    assert grow(1) == ["topic-alice"]
    assert grow(2) == []
    lifecycle.take_over(incident.pk, by(bob), now=NOON + minutes(3))
    assert grow(4) == ["topic-bob"]


@pytest.mark.parametrize(
    "fields",
    [
        {"snoozed_until": NOON},
        {"asked_at": NOON},
        {"ask_after": HALF_AN_HOUR},
        {"ask_at": NOON, "state": "triggered"},
        {"ask_at": NOON, "asked_at": NOON, "snoozed_until": NOON},
        {"ask_at": NOON, "ask_after": timedelta(0)},
    ],
)
def test_the_database_refuses_a_promise_that_makes_no_sense(fields: dict[str, Any]) -> None:
    with pytest.raises(IntegrityError), transaction.atomic():
        make_incident(**{"state": "acknowledged", **fields})


@pytest.mark.django_db(transaction=True)
def test_the_owners_answer_and_the_end_of_their_time_leave_no_half_way(
    recorder: Recorder, incident: Incident, alice: User
) -> None:
    lifecycle.snooze(incident.pk, by(alice), NOON + minutes(60), now=NOON)
    run_worker(NOON + minutes(60))
    recorder.take("topic-alice")
    barrier, moment = threading.Barrier(2), NOON + minutes(65)

    def alone(do: Any) -> None:
        try:
            barrier.wait()
            do()
        finally:
            connection.close()

    answers = lambda: lifecycle.acknowledge(incident.pk, by(alice), now=moment)  # noqa: E731
    threads = [
        threading.Thread(target=alone, args=(do,))
        for do in (answers, lambda: lifecycle.ask_next(moment))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    found = now_of(incident)
    assert (found.state, found.owner) == ("acknowledged", alice)
    assert found.asked_at is None
    assert not Notification.objects.unfinished().filter(purpose="page").exists()
