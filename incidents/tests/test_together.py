"""What is planned together in a storm, and told by one message."""

from __future__ import annotations

from typing import Any

import pytest
import time_machine

from incidents import engine, tasks
from incidents.models import Incident
from notifications.models import Notification
from pagerpal.testing import (
    NOON,
    Recorder,
    make_incident,
    make_policy,
    make_team,
    make_user,
    minutes,
    seconds,
)
from schedules.models import Team, User

pytestmark = pytest.mark.django_db


def storm(team: Team, person: User, number: int, **fields: Any) -> list[Incident]:
    policy = team.policies.first() or make_policy(team, person)
    return [make_incident(team, policy=policy, **fields) for _ in range(number)]


@pytest.fixture
def team() -> Team:
    return make_team("Platform", make_user("alice"))


def test_more_of_the_same_team_are_planned_a_few_at_a_time(team: Team) -> None:
    alice = User.objects.get(name="alice")
    storm(team, alice, 12)
    other = storm(make_team("Other", make_user("bob")), User.objects.get(name="bob"), 1)
    worse = storm(team, alice, 1, severity="critical")

    first = engine.run_best_due(NOON)
    assert first is not None
    alike = list(engine.run_alike(first, NOON))

    assert first.incident_id == worse[0].pk
    assert alike == []  # none is as severe
    second = engine.run_best_due(NOON)
    while second is not None and second.incident_id == other[0].pk:
        second = engine.run_best_due(NOON)
    assert second is not None
    assert len(list(engine.run_alike(second, NOON))) == engine.MOST_ALIKE


def test_nothing_is_like_an_incident_that_is_gone() -> None:
    assert list(engine.run_alike(engine.Stepped(4711), NOON)) == []


def test_one_task_tells_a_person_of_all_of_them_at_once(recorder: Recorder, team: Team) -> None:
    storm(team, User.objects.get(name="alice"), 10)

    with time_machine.travel(NOON, tick=False):
        tasks.run_due_steps()

    assert recorder.take("topic-alice").title.startswith("10 incidents")
    assert Notification.objects.filter(state="sent").count() == 10


def test_planning_is_left_off_for_another_team_that_calls_meanwhile(
    recorder: Recorder, team: Team, monkeypatch: pytest.MonkeyPatch
) -> None:
    storm(team, User.objects.get(name="alice"), 5)
    other, bob = make_team("Other", make_user("bob")), User.objects.get(name="bob")
    order: list[int] = []
    run = engine._run

    def one_by_one(incident: Incident, *more: Any) -> Any:
        order.append(incident.team_id)
        if len(order) == 3:
            storm(other, bob, 1, opened_at=NOON, escalate_at=NOON)
        return run(incident, *more)

    monkeypatch.setattr(engine, "_run", one_by_one)
    with time_machine.travel(NOON, tick=False):
        tasks.run_due_steps()

    assert order[:4] == [team.pk, team.pk, team.pk, other.pk]
    assert sorted(order[4:]) == [team.pk] * 2  # and they are not forgotten
    recorder.take("topic-bob")
    recorder.take("topic-alice")
    recorder.take("topic-alice")


def test_what_was_due_before_does_not_interrupt(team: Team) -> None:
    storm(make_team("Other", make_user("bob")), User.objects.get(name="bob"), 1)
    storm(team, User.objects.get(name="alice"), 1)

    assert not engine.others_call(team.pk, since=NOON + seconds(1), now=NOON + seconds(2))
    assert engine.others_call(team.pk, since=NOON - minutes(10), now=NOON)
