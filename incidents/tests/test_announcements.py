"""A team's channels and those who were paged hear what becomes of an incident."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import transaction

from incidents import announcements, lifecycle
from incidents.lifecycle import Actor, Opening
from incidents.models import Incident
from notifications.channels.base import SendError
from notifications.models import ContactMethod, Notification, TeamChannel
from notifications.updates import MOST_FOR_A_CHANNEL, MOST_FOR_A_PERSON
from pagerpal.testing import (
    NOON,
    Recorder,
    make_channel,
    make_policy,
    make_team,
    make_user,
    minutes,
    run_worker,
    seconds,
)
from schedules.models import Team, User

pytestmark = pytest.mark.django_db

ALL: dict[str, Any] = {
    f"wants_{event}": True for event in ("opened", "acknowledged", "escalated", "resolved")
}
MONITOR = Actor(None, "Alertmanager", "monitor")


@pytest.fixture
def alice() -> User:
    return make_user("alice")


@pytest.fixture
def bob() -> User:
    return make_user("bob")


@pytest.fixture
def team(alice: User, bob: User) -> Team:
    team = make_team("Platform", alice, bob)
    make_policy(team, alice, bob)
    return team


def open_one(team: Team, *, now: Any = NOON, title: str = "Disk full", **fields: Any) -> Incident:
    opening = Opening(
        team, title, policy=team.policies.get(), source_label="Alertmanager", **fields
    )
    return lifecycle.open_incident(opening, now=now)


def titles(recorder: Recorder, address: str) -> list[str]:
    """What came to this address, in order; the rest stays."""
    found = [message.title for _, to, message in recorder.messages if to == address]
    recorder.messages = [one for one in recorder.messages if one[1] != address]
    return found


def test_a_channel_hears_of_all_that_it_wants_to(
    recorder: Recorder, team: Team, alice: User, bob: User
) -> None:
    make_channel(team, **ALL)

    incident = open_one(team)
    run_worker(NOON)
    run_worker(NOON + minutes(5))
    lifecycle.acknowledge(incident.pk, Actor.person(bob, "page"), now=NOON + minutes(6))
    run_worker(NOON + minutes(6))
    lifecycle.resolve(incident.pk, Actor.person(bob, "page"), now=NOON + minutes(12))
    run_worker(NOON + minutes(12))

    what = f"Disk full (#{incident.pk})"
    assert titles(recorder, "room-ops") == [
        f"[high] {what}",
        f"Nobody has answered: {what}",
        f"bob has it: {what}",
        f"Resolved after 12 min: {what}",
    ]
    recorder.take_all()


@pytest.mark.parametrize("event", ["opened", "acknowledged", "escalated", "resolved"])
def test_a_channel_hears_only_what_it_chose(
    recorder: Recorder, team: Team, bob: User, event: str
) -> None:
    chosen: dict[str, Any] = {f"wants_{event}": True}
    make_channel(team, **chosen)

    incident = open_one(team)
    run_worker(NOON)
    run_worker(NOON + minutes(5))
    lifecycle.acknowledge(incident.pk, Actor.person(bob, "page"), now=NOON + minutes(6))
    run_worker(NOON + minutes(6))
    lifecycle.resolve(incident.pk, MONITOR, now=NOON + minutes(12))
    run_worker(NOON + minutes(12))

    told = Notification.objects.filter(team_channel__isnull=False)
    assert [row.context["event"] for row in told] == [event]
    assert "answer_path" not in told[0].context
    recorder.take_all()


def test_other_teams_channels_off_ones_and_tests_are_left_in_peace(
    recorder: Recorder, team: Team
) -> None:
    make_channel(make_team("Web"), **ALL)
    make_channel(team, "#off", is_on=False, **ALL)
    make_channel(team, "#test", **ALL)

    test = open_one(team, is_test=True, urgency="none")
    lifecycle.resolve(test.pk, MONITOR, now=NOON)
    open_one(team)

    rows = Notification.objects.filter(team_channel__isnull=False)
    assert [str(row.team_channel) for row in rows] == ["#test of Platform"]


def test_what_is_undone_with_the_change_is_not_told(team: Team) -> None:
    make_channel(team, **ALL)

    with transaction.atomic():
        open_one(team)
        transaction.set_rollback(True)

    assert not Notification.objects.exists()


def test_news_that_a_room_has_not_heard_is_replaced_by_newer_news(
    recorder: Recorder, team: Team, bob: User
) -> None:
    make_channel(team, **ALL)
    incident = open_one(team)

    lifecycle.resolve(incident.pk, Actor.person(bob, "page"), now=NOON + seconds(5))
    run_worker(NOON + seconds(5))

    assert titles(recorder, "room-ops") == [f"Resolved after 0 min: Disk full (#{incident.pk})"]


def test_an_open_again_incident_is_told_like_a_new_one(recorder: Recorder, team: Team) -> None:
    make_channel(team, wants_opened=True)
    incident = open_one(team)
    lifecycle.resolve(incident.pk, MONITOR, now=NOON)
    run_worker(NOON)
    recorder.take_all()

    lifecycle.reopen(incident.pk, MONITOR, now=NOON + minutes(3))
    run_worker(NOON + minutes(3))

    assert titles(recorder, "room-ops") == [f"Open again: Disk full (#{incident.pk})"]
    recorder.take_all()


def test_an_incident_that_its_owner_leaves_is_told_where_escalations_are(
    recorder: Recorder, team: Team, bob: User
) -> None:
    make_channel(team, wants_escalated=True)
    incident = open_one(team)
    lifecycle.acknowledge(incident.pk, Actor.person(bob, "page"), now=NOON)

    lifecycle.escalate_now(incident.pk, Actor.person(bob, "page"), now=NOON + minutes(1))
    run_worker(NOON + minutes(1))

    message = recorder.take("room-ops")
    assert message.title == f"Nobody has it any more: Disk full (#{incident.pk})"
    assert message.body.startswith("Paged anew: bob asked for the next step.")
    recorder.take_all()


def test_a_storm_is_a_few_messages_and_one_that_counts_the_rest(
    recorder: Recorder, team: Team
) -> None:
    make_channel(team, **ALL)
    openings = [Opening(team, f"Host {n} down", urgency="low") for n in range(100)]

    opened = lifecycle.open_incidents(openings, now=NOON + seconds(20))
    for incident in opened[:30]:
        lifecycle.resolve(incident.pk, MONITOR, now=NOON + seconds(40))
    run_worker(NOON + seconds(70))

    told = titles(recorder, "room-ops")
    assert len(told) == MOST_FOR_A_CHANNEL + 1 - 10  # ten were over before they were told
    assert "Platform: 90 opened, 30 resolved within a minute" in told
    folded = Notification.objects.filter(thread=opened[50].thread, team_channel__isnull=False)
    assert [row.outcome for row in folded] == ["told in one message with others"]
    recorder.take_all()


def test_the_next_minute_has_room_again(recorder: Recorder, team: Team) -> None:
    make_channel(team, wants_opened=True)
    many = [Opening(team, f"Host {n} down", urgency="low") for n in range(20)]

    lifecycle.open_incidents(many, now=NOON)
    later = open_one(team, now=NOON + minutes(1))

    row = Notification.objects.get(thread=later.thread, team_channel__isnull=False)
    assert row.state == "pending"


# --- Those who were paged ---------------------------------------------------------------------


def reach_both(team: Team) -> Incident:
    """An incident whose pages have reached alice and bob."""
    incident = open_one(team)
    run_worker(NOON)
    run_worker(NOON + minutes(5))
    return incident


def updates_of(user: User) -> list[str]:
    rows = Notification.objects.filter(user=user, purpose="update", ref__startswith="update:")
    return list(rows.values_list("context__event", flat=True))


def test_whoever_was_paged_hears_who_has_it_once_and_quietly(
    recorder: Recorder, team: Team, alice: User, bob: User
) -> None:
    incident = reach_both(team)
    recorder.take_all()

    lifecycle.acknowledge(incident.pk, Actor.person(bob, "link"), now=NOON + minutes(6))
    lifecycle.acknowledge(incident.pk, Actor.person(bob, "link"), now=NOON + minutes(7))
    run_worker(NOON + minutes(7))

    quiet = [one for one in recorder.take_all() if not one[2].clears]
    assert [(to, message.title, message.priority) for _, to, message in quiet] == [
        ("topic-alice", f"bob has it: Disk full (#{incident.pk})", 2)
    ]


def test_all_who_were_paged_hear_that_the_monitor_ended_it(
    recorder: Recorder, team: Team, alice: User, bob: User
) -> None:
    incident = reach_both(team)

    lifecycle.resolve(incident.pk, MONITOR, now=NOON + minutes(12))

    assert updates_of(alice) == updates_of(bob) == ["resolved"]
    recorder.take_all()


def test_who_was_not_reached_hears_nothing(recorder: Recorder, team: Team, alice: User) -> None:
    recorder.broken["ntfy"] = SendError("gone", permanent=True)
    incident = open_one(team)
    run_worker(NOON)

    lifecycle.resolve(incident.pk, MONITOR, now=NOON + seconds(30))

    assert updates_of(alice) == []


def test_updates_use_the_addresses_that_want_them(
    recorder: Recorder, team: Team, alice: User
) -> None:
    incident = reach_both(team)
    alice.contact_methods.update(wants_updates=False)
    ContactMethod.objects.create(user=alice, channel="email", address="a@example.org")
    ContactMethod.objects.create(user=alice, channel="sms", address="+41791234567")

    lifecycle.resolve(incident.pk, MONITOR, now=NOON + minutes(12))

    told = Notification.objects.filter(user=alice, purpose="update", ref__startswith="update:")
    assert [row.channel for row in told] == ["email"]
    recorder.take_all()


@pytest.mark.parametrize(
    ("kind", "chosen", "hears"),
    [
        ("ntfy", None, True),
        ("email", None, True),
        ("sms", None, False),
        ("whatsapp", None, False),
        ("sms", True, True),
        ("ntfy", False, False),
    ],
)
def test_what_costs_money_or_rings_gets_updates_only_if_asked(
    kind: str, chosen: bool | None, hears: bool
) -> None:
    assert ContactMethod(channel=kind, wants_updates=chosen).hears_updates is hears


def test_a_person_is_not_told_of_a_hundred_at_once(
    recorder: Recorder, team: Team, alice: User
) -> None:
    incidents = [open_one(team, title=f"Host {n}", severity="critical") for n in range(12)]
    run_worker(NOON)
    recorder.take_all()

    for incident in incidents:
        lifecycle.resolve(incident.pk, MONITOR, now=NOON + seconds(10))
    run_worker(NOON + seconds(70))

    told = [one for one in titles(recorder, "topic-alice") if "answered" not in one]
    assert len(told) == MOST_FOR_A_PERSON + 1
    assert "PagerPal: 7 resolved within a minute" in told


def test_trouble_with_an_update_does_not_keep_anybody_from_acknowledging(
    team: Team, bob: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_channel(team, **ALL)
    incident = open_one(team)

    def broken(*_: Any, **__: Any) -> None:
        TeamChannel.objects.create(team=team, name="x", channel="ntfy", address="")

    monkeypatch.setattr("notifications.updates.tell_channels", broken)
    moved = lifecycle.acknowledge(incident.pk, Actor.person(bob, "page"), now=NOON)

    assert moved.changed
    incident.refresh_from_db()
    assert incident.state == "acknowledged"


def test_without_channels_an_incident_costs_one_question_more(
    team: Team, django_assert_num_queries: Any
) -> None:
    incident = Incident(team=team, title="x")

    with django_assert_num_queries(1):
        announcements.opened([incident] * 50, now=NOON + timedelta(0))
