"""A step may tell rooms too. A room is nobody: whoever is to be paged is paged all the same."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from incidents import engine, planner, situation
from incidents.forecast import forecast_policy
from incidents.lifecycle import Actor, acknowledge
from incidents.models import EscalationPolicy, Incident, Page
from incidents.planner import Policy, Step
from notifications.channels.base import SendError
from notifications.models import Notification, TeamChannel
from pagerpal.testing import (
    NOON,
    Recorder,
    make_channel,
    make_incident,
    make_policy,
    make_team,
    make_user,
    minutes,
    run_worker,
    seconds,
)
from schedules.models import Team, User

FIVE = timedelta(minutes=5)


def nobody(rotation: int, at: Any) -> int | None:
    return None


def plan(*steps: Step, reachable: set[int] = frozenset(), limit: int = 3) -> list[Any]:  # type: ignore[assignment]
    policy = Policy(
        steps=steps,
        fallback=(9,),
        channel_names={1: "#ops", 2: "#old"},
        channels_on=frozenset({1}),
    )
    return planner.plan(
        policy, planner.State(), NOON, on_call=nobody, reachable=reachable, limit=limit
    )


def test_a_step_with_only_a_room_has_its_time_and_then_the_next_is_called() -> None:
    first, second, third = plan(
        Step(1, FIVE, channels=(1,)), Step(2, FIVE, people=(7,)), reachable={7, 9}
    )

    assert (first.people, first.channels, first.next_at) == ((), (1,), NOON + FIVE)
    assert (second.at, second.people) == (NOON + FIVE, (7,))
    assert third.at > NOON + FIVE


def test_a_room_does_not_use_up_the_time_of_people_who_cannot_be_paged() -> None:
    first, second, *_ = plan(
        Step(1, FIVE, people=(8,), channels=(1,)), Step(2, FIVE, people=(7,)), reachable={7}
    )

    assert first.channels == (1,)
    assert (second.at, second.people) == (NOON, (7,))


def test_a_pass_that_told_only_rooms_has_reached_nobody() -> None:
    _, second, *_ = plan(Step(1, FIVE, channels=(1,)), reachable={9})

    assert second.people == (9,)
    assert second.label == "the fallback people"
    assert second.nobody_reached


def test_a_room_that_is_off_costs_no_time_and_is_named() -> None:
    first, *_ = plan(Step(1, FIVE, channels=(2,)), Step(2, FIVE, people=(7,)), reachable={7})

    assert first.people == (7,)
    assert first.reasons == ("Step 1: #old is switched off.",)


# --- With the engine --------------------------------------------------------------------------

db = pytest.mark.django_db


@pytest.fixture
def bob() -> User:
    return make_user("bob")


@pytest.fixture
def team(bob: User) -> Team:
    return make_team("Platform", bob)


@pytest.fixture
def room(team: Team) -> TeamChannel:
    return make_channel(team)


def opened(policy: EscalationPolicy) -> Incident:
    return make_incident(policy.team, policy=policy)


@db
def test_a_room_reads_of_the_incident_and_the_next_step_follows_in_its_time(
    recorder: Recorder, team: Team, room: TeamChannel, bob: User
) -> None:
    incident = opened(make_policy(team, room, bob))

    run_worker(NOON)
    message = recorder.take("room-ops")
    recorder.expect_none()
    run_worker(NOON + minutes(5))

    assert message.title == f"[high] Disk full (#{incident.pk})"
    assert "Next: bob at 12:05" in message.body
    assert message.answer_url == ""
    assert recorder.take("topic-bob").answer_url


@db
def test_what_a_room_has_taken_reaches_nobody(
    recorder: Recorder, team: Team, room: TeamChannel
) -> None:
    admin = make_user("root", is_superuser=True)
    team.memberships.all().delete()
    incident = opened(make_policy(team, room))

    run_worker(NOON)
    run_worker(NOON + minutes(5))

    text = "A whole pass through the policy reached nobody."
    assert incident.timeline.filter(text=text, at=NOON + minutes(5)).exists()
    assert recorder.take(f"topic-{admin.name}")
    recorder.take("room-ops")


@db
def test_a_taken_room_does_not_hide_that_the_people_beside_it_failed(
    recorder: Recorder, team: Team, room: TeamChannel, bob: User
) -> None:
    carol = make_user("carol", ntfy=False, email=True)
    policy = make_policy(team, carol, bob)
    policy.steps.get(position=0).channels.add(room)
    recorder.broken["email"] = SendError("refused", permanent=True)
    opened(policy)

    run_worker(NOON)

    assert recorder.take("room-ops")
    assert recorder.take("topic-bob")


@db
def test_a_room_that_refuses_calls_the_next_step_at_once(
    recorder: Recorder, team: Team, bob: User
) -> None:
    room = make_channel(team, channel="slack", address="https://hooks.slack.com/x")
    recorder.broken["slack"] = SendError("no_service", permanent=True)
    opened(make_policy(team, room, bob))

    run_worker(NOON)

    assert recorder.take("topic-bob")


@db
def test_a_room_that_took_it_does_not_end_the_last_hope_of_a_person(
    recorder: Recorder, team: Team, room: TeamChannel, bob: User
) -> None:
    bob.contact_methods.update(channel="email", address="bob@example.org")
    recorder.broken["email"] = SendError("try again")
    policy = make_policy(team, bob)
    policy.steps.get().channels.add(room)
    incident = opened(policy)
    now = NOON
    run_worker(now)
    row = Notification.objects.get(user=bob)

    for _ in range(7):
        row.refresh_from_db()
        Incident.objects.filter(pk=incident.pk).update(escalate_at=row.due_at + minutes(60))
        now = row.due_at
        run_worker(now)

    row.refresh_from_db()
    assert row.state == "pending"
    assert row.attempts > 5
    recorder.take("room-ops")


@db
def test_an_acknowledgement_ends_what_a_room_was_to_be_told(
    team: Team, room: TeamChannel, bob: User
) -> None:
    incident = opened(make_policy(team, room))
    engine.run_best_due(NOON)

    acknowledge(incident.pk, Actor.person(bob, "page"), now=NOON)

    assert Notification.objects.get(team_channel=room).state == "cancelled"


@db
def test_the_pages_name_the_rooms_that_are_called(team: Team, room: TeamChannel) -> None:
    policy = make_policy(team, room)
    incident = opened(policy)

    predicted = forecast_policy(policy, NOON)
    engine.run_best_due(NOON)

    incident.refresh_from_db()
    paging = situation.paged_last([incident])[incident.pk]
    assert predicted[0].who == ["#ops of Platform"]
    assert [str(one) for one in paging.called] == ["#ops of Platform"]
    assert incident.timeline.filter(text="Step 1: paging #ops of Platform.").exists()


@db
def test_a_page_is_to_a_person_or_to_a_room_and_once_a_step(
    team: Team, room: TeamChannel, bob: User
) -> None:
    incident = make_incident(team)
    facts: dict[str, Any] = {
        **{"incident": incident, "episode": 1, "round": 0, "step": "1", "label": "x"},
        "created_at": NOON + seconds(0),
    }
    Page.objects.create(**facts, team_channel=room)
    Page.objects.create(**facts, user=bob)

    both: dict[str, Any] = {"user": bob, "team_channel": room}
    for whom in ({}, both, {"team_channel": room}, {"user": bob}):
        with pytest.raises(IntegrityError), transaction.atomic():
            Page.objects.create(**facts, **whom)


@db
def test_who_was_told_lists_people_before_rooms(
    recorder: Recorder, team: Team, room: TeamChannel, bob: User
) -> None:
    incident = opened(make_policy(team, room, bob))
    run_worker(NOON)
    run_worker(NOON + minutes(5))

    told = situation.told(incident)

    assert [one.who for one in told] == ["bob", "#ops of Platform"]
    recorder.take_all()
