"""The state machine: what each act does, and what happens when two act together."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from django.db import connection, transaction

from incidents import lifecycle
from incidents.lifecycle import Actor, Opening, answering
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
    seconds,
)
from schedules.models import User
from schedules.people import switch_off

pytestmark = pytest.mark.django_db


def by(user: User) -> Actor:
    return Actor.person(user, "page")


def texts(incident: Incident) -> list[str]:
    return [entry.text for entry in incident.timeline.order_by("pk")]


def paged_incident(*people: User) -> Incident:
    """One incident whose first step paged the first of these people."""
    team = make_team("Platform", *people)
    policy = make_policy(team, *people)
    opening = Opening(team=team, title="Disk full", policy=policy, source_label="Prometheus")
    incident = lifecycle.open_incident(opening, now=NOON)
    run_worker(NOON)
    incident.refresh_from_db()
    return incident


def test_an_acknowledgement_stops_the_clock_and_names_the_owner(recorder: Recorder) -> None:
    alice = make_user("alice")
    incident = paged_incident(alice, make_user("bob"))
    recorder.take("topic-alice")

    moved = lifecycle.acknowledge(incident.pk, by(alice), now=NOON + minutes(1))

    incident.refresh_from_db()
    assert moved.changed
    assert moved.text == f"#{incident.pk} is yours."
    assert (incident.state, incident.owner, incident.escalate_at) == ("acknowledged", alice, None)
    run_worker(NOON + minutes(60))
    assert [message.clears != "" for _, _, message in recorder.take_all()] == [True]


def test_the_second_of_two_is_told_who_was_first(recorder: Recorder) -> None:
    alice, bob = make_user("alice"), make_user("bob", time_zone="Europe/Berlin")
    incident = make_incident()
    lifecycle.acknowledge(incident.pk, by(alice), now=NOON)

    moved = lifecycle.acknowledge(incident.pk, by(bob), now=NOON + seconds(5))

    incident.refresh_from_db()
    assert not moved.changed
    assert moved.text == "alice has it since 13:00 CET."
    assert incident.owner == alice


def test_acknowledging_ones_own_again_changes_nothing(recorder: Recorder) -> None:
    alice = make_user("alice")
    incident = make_incident()
    lifecycle.acknowledge(incident.pk, by(alice), now=NOON)

    moved = lifecycle.acknowledge(incident.pk, by(alice), now=NOON + seconds(5))

    assert not moved.changed
    assert moved.text == "You have it since 12:00 UTC."
    assert len(texts(incident)) == 1


def test_resolving_ends_everything(recorder: Recorder) -> None:
    alice = make_user("alice")
    incident = paged_incident(alice)
    recorder.take("topic-alice")

    lifecycle.resolve(incident.pk, by(alice), now=NOON + seconds(30))

    incident.refresh_from_db()
    assert (incident.state, incident.escalate_at) == ("resolved", None)
    assert not Notification.objects.unfinished().filter(purpose="page").exists()


def test_a_resolved_incident_cannot_be_acknowledged(recorder: Recorder) -> None:
    incident = make_incident(state="resolved")

    moved = lifecycle.acknowledge(incident.pk, by(make_user()), now=NOON)

    assert not moved.changed
    assert moved.text == f"#{incident.pk} is resolved since 12:00 UTC."


def test_reopening_pages_from_the_start_in_a_new_episode(recorder: Recorder) -> None:
    alice = make_user("alice")
    incident = paged_incident(alice)
    recorder.take("topic-alice")
    lifecycle.resolve(incident.pk, by(alice), now=NOON + seconds(5))
    run_worker(NOON + seconds(6))
    recorder.take_all()

    lifecycle.reopen(incident.pk, by(alice), now=NOON + minutes(2))
    run_worker(NOON + minutes(2))

    incident.refresh_from_db()
    assert (incident.state, incident.episode, incident.owner) == ("triggered", 2, None)
    recorder.take("topic-alice")


def test_escalating_calls_the_next_step_at_once(recorder: Recorder) -> None:
    alice, bob = make_user("alice"), make_user("bob")
    incident = paged_incident(alice, bob)
    recorder.take("topic-alice")

    lifecycle.escalate_now(incident.pk, by(alice), now=NOON + seconds(20))
    run_worker(NOON + seconds(20))

    recorder.take("topic-bob")


def test_escalating_past_the_last_step_starts_the_next_round_at_once(recorder: Recorder) -> None:
    alice = make_user("alice")
    incident = paged_incident(alice)
    recorder.take("topic-alice")

    lifecycle.escalate_now(incident.pk, by(alice), now=NOON + seconds(20))
    run_worker(NOON + seconds(20))

    incident.refresh_from_db()
    assert incident.round == 1
    recorder.take("topic-alice")


def test_escalating_an_acknowledged_incident_takes_it_from_its_owner(recorder: Recorder) -> None:
    alice, bob = make_user("alice"), make_user("bob")
    incident = paged_incident(alice, bob)
    lifecycle.acknowledge(incident.pk, by(alice), now=NOON + seconds(10))
    run_worker(NOON + seconds(11))
    recorder.take_all()

    lifecycle.escalate_now(incident.pk, by(alice), now=NOON + seconds(20))
    run_worker(NOON + seconds(20))

    incident.refresh_from_db()
    assert (incident.state, incident.owner, incident.episode) == ("triggered", None, 2)
    recorder.take("topic-bob")


def test_an_owner_is_told_once_of_new_alerts_and_again_when_it_gets_worse(
    recorder: Recorder,
) -> None:
    alice = make_user("alice")
    incident = make_incident(make_team("Platform", alice), severity="high")
    lifecycle.acknowledge(incident.pk, by(alice), now=NOON)

    def grow(severity: str, minute: float) -> None:
        fresh = Incident.objects.get(pk=incident.pk)
        urgency = lifecycle.urgency_of(severity)
        moment = NOON + minutes(minute)
        lifecycle.join(
            fresh, title="db-2", severity=severity, urgency=urgency, is_new=True, now=moment
        )
        run_worker(moment)

    grow("high", 1)
    recorder.take("topic-alice")
    grow("high", 2)
    recorder.expect_none()
    grow("critical", 3)
    recorder.take("topic-alice")


def test_somebody_switched_off_in_between_cannot_own_an_incident(recorder: Recorder) -> None:
    alice = make_user("alice")
    incident = paged_incident(alice)
    recorder.take("topic-alice")
    holder = User.objects.get(pk=alice.pk)
    switch_off(alice, make_user("root"), now=NOON)

    moved = lifecycle.acknowledge(incident.pk, by(holder), now=NOON)

    incident.refresh_from_db()
    assert (moved.changed, moved.text) == (False, "This person is switched off.")
    assert (incident.state, incident.owner) == ("triggered", None)


@pytest.mark.django_db(transaction=True)
def test_who_waits_for_the_first_to_finish_is_told_their_name(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice, bob = make_user("alice"), make_user("bob")
    incident = make_incident(make_team("Platform", alice, bob))
    is_writing, said = threading.Event(), []
    real: Any = vars(answering)["end_paging"]

    def writes_slowly(*args: Any, **values: Any) -> None:
        real(*args, **values)
        is_writing.set()
        second.join(0.3)  # long enough for the second to stand before the lock

    def tap(user: User) -> None:
        try:
            assert user == alice or is_writing.wait(5)
            said.append(lifecycle.acknowledge(incident.pk, by(user), now=NOON).text)
        finally:
            connection.close()

    monkeypatch.setattr(answering, "end_paging", writes_slowly)
    first = threading.Thread(target=tap, args=(alice,))
    second = threading.Thread(target=tap, args=(bob,))
    second.start()
    first.start()
    first.join()
    second.join()

    assert said == [f"#{incident.pk} is yours.", "alice has it since 12:00 UTC."]


def grown(incident: Incident, minute: float, *, severity: str = "critical") -> Incident:
    """A new alert joins the incident, and the worker does what follows from it."""
    moment = NOON + minutes(minute)
    with transaction.atomic():
        locked = Incident.objects.select_for_update().get(pk=incident.pk)
        lifecycle.join(
            locked,
            title="db-2",
            severity=severity,
            urgency=lifecycle.urgency_of(severity),
            is_new=True,
            now=moment,
        )
    run_worker(moment)
    return Incident.objects.get(pk=incident.pk)


@pytest.mark.parametrize(("severity", "urgency"), [("critical", "high"), ("warning", "low")])
def test_an_urgent_alert_whose_owner_has_no_address_is_paged_anew(
    recorder: Recorder, severity: str, urgency: str
) -> None:
    alice, bob = make_user("alice", ntfy=False), make_user("bob")
    team = make_team("Platform", alice, bob)
    policy = make_policy(team, bob)
    incident = make_incident(team, policy=policy, severity=severity, urgency=urgency)
    lifecycle.acknowledge(incident.pk, by(alice), now=NOON)

    incident = grown(incident, 1)

    recorder.take("topic-bob")
    assert (incident.state, incident.owner, incident.episode) == ("triggered", None, 2)
    assert "alice could not be told of the new alert: no working contact method." in texts(incident)


def test_an_urgent_alert_whose_owner_every_message_fails_is_paged_anew(recorder: Recorder) -> None:
    alice, bob = make_user("alice"), make_user("bob", ntfy=False, email=True)
    team = make_team("Platform", alice, bob)
    incident = make_incident(team, policy=make_policy(team, bob))
    lifecycle.acknowledge(incident.pk, by(alice), now=NOON)
    recorder.broken["ntfy"] = SendError("no such topic", permanent=True)

    incident = grown(incident, 1)

    recorder.take("bob@example.org", "email")
    assert (incident.state, incident.episode) == ("triggered", 2)


def test_an_owner_who_got_one_of_two_messages_keeps_the_incident(recorder: Recorder) -> None:
    alice = make_user("alice", email=True)
    team = make_team("Platform", alice)
    incident = make_incident(team, policy=make_policy(team, alice))
    lifecycle.acknowledge(incident.pk, by(alice), now=NOON)
    recorder.broken["ntfy"] = SendError("no such topic", permanent=True)

    incident = grown(incident, 1)

    recorder.take("alice@example.org", "email")
    assert (incident.state, incident.owner) == ("acknowledged", alice)


def test_an_old_message_that_fails_late_does_not_take_a_new_owners_incident(
    recorder: Recorder,
) -> None:
    alice, bob = make_user("alice"), make_user("bob", ntfy=False, email=True)
    team = make_team("Platform", alice, bob)
    incident = make_incident(team, policy=make_policy(team, bob))
    lifecycle.acknowledge(incident.pk, by(alice), now=NOON)
    recorder.broken["ntfy"] = SendError("no answer")
    grown(incident, 1)

    lifecycle.escalate_now(incident.pk, by(bob), now=NOON + minutes(2))
    lifecycle.acknowledge(incident.pk, by(alice), now=NOON + minutes(2))
    for minute in range(3, 15):
        run_worker(NOON + minutes(minute))

    incident.refresh_from_db()
    assert (incident.state, incident.owner) == ("acknowledged", alice)


def test_a_new_warning_whose_owner_has_no_address_only_says_so(recorder: Recorder) -> None:
    alice, bob = make_user("alice", ntfy=False), make_user("bob")
    team = make_team("Platform", alice, bob)
    policy = make_policy(team, bob)
    incident = make_incident(team, policy=policy, severity="warning", urgency="low")
    lifecycle.acknowledge(incident.pk, by(alice), now=NOON)

    incident = grown(incident, 1, severity="warning")

    assert (incident.state, incident.owner) == ("acknowledged", alice)
    assert "alice could not be told of the new alert: no working contact method." in texts(incident)


def test_a_raised_urgency_pages_a_triggered_incident_anew(recorder: Recorder) -> None:
    alice = make_user("alice")
    team = make_team("Platform", alice)
    incident = make_incident(
        team, severity="warning", urgency="low", policy=make_policy(team, alice)
    )
    run_worker(NOON)
    recorder.take("topic-alice")

    incident.refresh_from_db()
    lifecycle.join(
        incident,
        title="x",
        severity="critical",
        urgency="high",
        is_new=False,
        now=NOON + minutes(1),
    )
    run_worker(NOON + minutes(1))

    incident.refresh_from_db()
    assert (incident.episode, incident.urgency, incident.severity) == (2, "high", "critical")
    recorder.take("topic-alice")


def test_info_is_shown_and_never_paged(recorder: Recorder) -> None:
    team = make_team("Platform", make_user("alice"))
    opening = Opening(team=team, title="FYI", severity="info", urgency="none")

    incident = lifecycle.open_incident(opening, now=NOON)
    run_worker(NOON + minutes(60))

    assert incident.escalate_at is None


@pytest.mark.django_db(transaction=True)
def test_of_many_acknowledgements_at_once_exactly_one_wins(recorder: Recorder) -> None:
    people = [make_user(f"person{number}") for number in range(6)]
    incident = make_incident(make_team("Platform", *people))
    barrier = threading.Barrier(len(people))
    results: list[Any] = []

    def tap(user: User) -> None:
        try:
            barrier.wait()
            results.append(lifecycle.acknowledge(incident.pk, by(user), now=NOON).changed)
        finally:
            connection.close()

    threads = [threading.Thread(target=tap, args=(user,)) for user in people]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert sorted(results) == [False] * 5 + [True]
    assert [text for text in texts(incident) if text.startswith("Ack")] != []
    assert incident.timeline.count() == 1
