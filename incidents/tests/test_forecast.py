"""What is predicted is what happens: made-up policies, forecast and then lived through."""

from __future__ import annotations

import random
from datetime import date, datetime, time
from itertools import groupby
from typing import Any

import pytest
from django.test import Client

from incidents import lifecycle
from incidents.forecast import Called, Predicted, Way, forecast, forecast_policy
from incidents.lifecycle import Actor, Opening
from incidents.models import EscalationPolicy, Incident
from incidents.planner import WAITS
from notifications.channels.base import kind_of
from notifications.models import Notification, NotificationRule
from pagerpal.testing import (
    Recorder,
    at,
    make_channel,
    make_incident,
    make_policy,
    make_rotation,
    make_team,
    make_user,
    minutes,
    run_worker,
)
from schedules.models import User

pytestmark = pytest.mark.django_db

OPENED = ["2026-11-23 12:00", "2026-11-29 03:10", "2026-11-27 17:50", "2026-10-24 23:30"]
HOW_MANY = 7


def made_up(lots: random.Random) -> tuple[EscalationPolicy, str, datetime]:
    """A team whose people are reached in all kinds of ways, with a policy drawn by lot."""
    names = ("alice", "bob", "carol", "dan", "erin")
    people = [_person(name, lots) for name in names]
    root = make_user("root", ntfy=False, email=True, is_superuser=True)
    team = make_team("Platform", *people[:4], leads=(people[4],), time_zone="Europe/Berlin")
    if lots.random() < 0.5:
        team.fallback_people.add(lots.choice([*people, root]))
    rotation = make_rotation(
        team, *lots.sample(people, 3), unit="hours", every=1, starts_on=date(2026, 10, 1)
    )
    targets: list[Any] = [rotation, *people[:3], people[:2], "team", make_channel(team)]
    policy = make_policy(
        team,
        *lots.choices(targets, k=lots.randrange(5)),
        repeats=lots.randrange(3),
        repeat_after=minutes(lots.choice([5, 15, 40])),
    )
    for step in policy.steps.all():
        step.delay = minutes(lots.choice([1, 5, 17, 90]))
        step.only_urgency = lots.choice(["", "", "high", "low"])
        step.only_hours = lots.choice(["", "", "in", "outside"])
        step.save()
    return policy, lots.choice(["high", "low", "low"]), at(lots.choice(OPENED), "Europe/Berlin")


def _person(name: str, lots: random.Random) -> User:
    fields: dict[str, Any] = (
        {"quiet_from": time(22), "quiet_until": time(7)} if lots.random() < 0.4 else {}
    )
    fields |= {"ntfy": lots.random() < 0.2, "email": lots.random() < 0.8}
    user = make_user(name, **fields, time_zone="Europe/Berlin")
    for method in user.contact_methods.all():
        if lots.random() < 0.4:
            NotificationRule.objects.create(
                user=user,
                contact_method=method,
                urgency=lots.choice(["high", "low"]),
                delay=minutes(lots.choice([0, 3, 8])),
            )
    return user


def live_until(incident: Incident, end: datetime) -> None:
    """Let the worker do each thing when it is due, until after this moment."""
    for _ in range(2000):
        incident.refresh_from_db()
        waiting = Notification.objects.filter(state="pending").order_by("due_at").first()
        clocks = [incident.escalate_at, waiting.due_at if waiting else None]
        now = min(clock for clock in clocks if clock is not None)
        if now > end:
            return
        run_worker(now)
    raise AssertionError("time that never ends")


def happened(incident: Incident) -> list[Predicted]:
    """What the engine has called for, in the words of a forecast."""
    pages = incident.pages.select_related("user", "team_channel__team").order_by("pk")
    found = []
    for (moment, _, _), step in groupby(pages, lambda one: (one.created_at, one.round, one.step)):
        called = list(step)
        calls = [Called(str(one.user or one.team_channel), _ways(one.ref)) for one in called]
        who = [one.who for one in calls]
        found.append(Predicted(moment, who, called[0].label, calls))
    return found


def _ways(ref: str) -> list[Way]:
    rows = Notification.objects.filter(ref=ref).order_by("due_at", "pk")
    found: dict[tuple[str, int | None], list[datetime]] = {}
    for row in rows:
        found.setdefault((row.channel, row.contact_method_id), []).append(row.due_at)
    return [
        Way(kind.label, times[0], len(times) - 1)
        for (channel, _), times in found.items()
        if (kind := kind_of(channel))
    ]


def essence(predicted: list[Predicted]) -> list[Any]:
    return [
        (
            one.at,
            one.label,
            sorted(one.who),
            sorted((call.who, sorted(map(str, call.ways))) for call in one.calls),
        )
        for one in predicted
    ]


@pytest.mark.parametrize("lot", range(14))
def test_what_is_predicted_is_what_happens(lot: int, recorder: Recorder) -> None:
    policy, urgency, opens = made_up(random.Random(lot))
    predicted = forecast_policy(policy, opens, urgency=urgency, limit=HOW_MANY)
    assert predicted, "these people can all be reached by somebody"
    opening = Opening(team=policy.team, title="Disk full", urgency=urgency, policy=policy)
    incident = lifecycle.open_incident(opening, now=opens)

    middle, end = predicted[len(predicted) // 2].at, predicted[-1].at
    live_until(incident, middle)
    before = len(happened(incident))
    later = forecast(incident, middle, limit=2)
    live_until(incident, max(end, later[-1].at))
    recorder.take_all()

    lived = happened(incident)
    assert essence(predicted) == essence(lived[: len(predicted)])
    assert essence(later) == essence(lived[before : before + len(later)])


def test_the_page_lists_what_happens_if_nobody_answers(client: Client) -> None:
    alice, bob = make_user("alice", email=True), make_user("bob", ntfy=False, email=True)
    team = make_team("Platform", alice, bob)
    incident = make_incident(team, policy=make_policy(team, alice, bob, repeats=0))
    client.force_login(alice)

    text = " ".join(client.get(incident.get_absolute_url()).content.decode().split())

    assert "What happens if nobody answers" in text
    assert "step 2: <strong><bdi>bob</bdi></strong>" in text
    assert "the whole team, then every 15 min:" in text


def test_whoever_asks_for_the_next_step_before_team_hours_is_not_put_off(
    recorder: Recorder,
) -> None:
    alice, bob = make_user("alice"), make_user("bob")
    team = make_team("Platform", alice, bob)
    team.fallback_people.add(bob)
    policy = make_policy(team, alice)
    policy.steps.update(only_hours="in")
    night = at("2026-11-28 03:10")
    incident = make_incident(team, policy=policy, now=night, urgency="low", severity="warning")
    run_worker(night)
    incident.refresh_from_db()
    waits_until = incident.escalate_at
    recorder.expect_none()

    lifecycle.escalate_now(incident.pk, Actor.person(alice, "page"), now=night + minutes(1))
    run_worker(night + minutes(1))

    recorder.take("topic-bob")
    assert waits_until == at("2026-11-30 09:00")
    assert incident.timeline.filter(text=WAITS).exists()
