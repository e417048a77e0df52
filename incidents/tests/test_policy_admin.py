"""Escalation policies in the admin: steps in one form, what would happen, what may be a slip."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client

from incidents.forecast import length
from incidents.models import EscalationPolicy
from incidents.policy_forms import MinutesField
from incidents.policy_words import summary, warnings
from pagerpal.testing import (
    NOON,
    at,
    make_admin,
    make_channel,
    make_policy,
    make_rotation,
    make_team,
    make_user,
    minutes,
)
from schedules.models import Team

pytestmark = pytest.mark.django_db
POLICIES = "/admin/incidents/escalationpolicy/"
FAR = "2099-11-29T03:10"  # a Sunday


@pytest.fixture
def admin(client: Client) -> Client:
    client.force_login(make_admin(time_zone="Europe/Berlin"))
    return client


def page(admin: Client, policy: EscalationPolicy, **params: str) -> str:
    return admin.get(f"{POLICIES}{policy.pk}/change/", params).content.decode()


def form(team: Team, *steps: dict[str, Any], **fields: Any) -> dict[str, Any]:
    values: dict[str, Any] = {
        "team": team.pk,
        "name": "nights",
        "repeats": 1,
        "repeat_after": "15",
        "steps-TOTAL_FORMS": len(steps),
        "steps-INITIAL_FORMS": 0,
    }
    for place, step in enumerate(steps):
        values |= {f"steps-{place}-{name}": value for name, value in step.items()}
    return values | fields


def test_a_policy_says_in_words_whom_it_would_page(admin: Client) -> None:
    alice, bob = make_user("alice"), make_user("bob")
    team = make_team("Platform", alice, bob)
    policy = make_policy(team, make_rotation(team, alice), bob, repeats=0)

    text = page(admin, policy)

    words = "alice at once, bob after 5 min, alice and bob after 15 min, then every 15 min until"
    assert f"of high urgency opened now: <strong>{words} somebody answers." in text


def test_a_policy_that_pages_nobody_says_so(admin: Client) -> None:
    text = page(admin, make_policy(make_team("Platform")))

    assert text.count("Nobody would be paged.") == 4
    assert "It has no steps" in text


def test_it_says_what_would_happen_on_a_sunday_at_ten_past_three(admin: Client) -> None:
    alice, bob = make_user("alice", email=True), make_user("bob")
    policy = make_policy(make_team("Platform", alice, bob), alice, bob, repeats=0)
    policy.steps.filter(position=0).update(only_hours="outside", only_urgency="high")

    text = page(admin, policy, at=FAR)

    assert f'value="{FAR}"' in text
    assert '<time datetime="2099-11-29T03:10:00+01:00">' in text
    assert "ntfy" in text
    assert "Step 1: it is only for high urgency." in text
    assert "opened now" not in text


@pytest.mark.parametrize("junk", ["yesterday", "2026-13-40T99:99", "\x00", "1999-01-01T00:00"])
def test_a_moment_that_is_none_is_said_and_now_is_shown(admin: Client, junk: str) -> None:
    text = page(admin, make_policy(make_team("Platform")), at=junk)

    assert "Give a day and a time" in text


def test_a_moment_in_the_past_is_said_and_now_is_shown(admin: Client) -> None:
    policy = make_policy(make_team("Platform"))

    assert "That moment has passed" in page(admin, policy, at="2020-01-01T00:00")


def test_a_policy_is_made_with_its_steps_in_one_form(admin: Client) -> None:
    alice = make_user("alice")
    team = make_team("Platform", alice)
    last = {"whole_team": "on", "delay": "00:05:00", "only_urgency": "high"}
    steps = {"people": alice.pk, "delay": "2", "position": 1}, last, {"delay": "5"}

    admin.post(f"{POLICIES}add/", form(team, *steps, is_default="on"))

    policy = EscalationPolicy.objects.get(name="nights")
    made = [
        (one.position, list(one.people.all()), one.whole_team, one.delay, one.only_urgency)
        for one in policy.steps.all()
    ]
    assert made == [(1, [alice], False, minutes(2), ""), (2, [], True, minutes(5), "high")]
    assert policy.repeat_after == minutes(15)


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({"repeats": 21}, "Give a number from 0 to 20."),
        ({"repeat_after": "00:00:10"}, "Give a time from 00:01:00 (a minute)"),
        ({"repeat_after": "999999"}, "Give minutes, such as 5, or a time such as 01:30:00."),
        ({"is_default": "on"}, "Platform has a default policy already: default."),
        ({"steps-0-delay": "8 00:00:00"}, "Give a time from 0 to 7 00:00:00 (a week)."),
        ({"steps-0-delay": "soon"}, "Give minutes, such as 5, or a time such as 01:30:00."),
        ({"steps-0-people": "x"}, "is not a valid value"),
        ({"steps-0-position": "-1"}, "greater than or equal to 0"),
    ],
)
def test_what_cannot_be_saved_is_said_in_a_sentence(
    admin: Client, fields: dict[str, Any], sentence: str
) -> None:
    team = make_team("Platform")
    make_policy(team)

    response = admin.post(f"{POLICIES}add/", form(team, {"delay": "5"}, **fields))

    assert response.status_code == 200
    assert sentence in response.content.decode()
    assert EscalationPolicy.objects.count() == 1


def test_what_may_be_a_slip_is_said_after_the_save(admin: Client) -> None:
    team = make_team("Platform")

    response = admin.post(f"{POLICIES}add/", form(team, {"delay": "1", "position": 0}), follow=True)

    assert "Step 1 names nobody: it is passed over." in response.content.decode()


def test_slips_are_named_one_by_one() -> None:
    alice, bob = make_user("alice", ntfy=False), make_user("bob", is_active=False)
    team = make_team("Platform", alice)
    others = make_rotation(make_team("Web"), alice)
    room = make_channel(team)
    policy = make_policy(team, [alice, bob], others, room, delay=timedelta(seconds=5))
    policy.steps.update(only_hours="in", position=3)

    assert warnings(policy) == [
        "Some steps have the same order number: of those, the one made first comes first.",
        "Step 1 waits only 5 s for an answer.",
        "Step 2 waits only 5 s for an answer.",
        "Step 2 names Web: primary, of another team.",
        "Step 3 tells only rooms: nobody's phone rings.",
        "bob is switched off and is not paged.",
        "alice has no contact method that is on.",
        "High urgency outside team hours: no step applies, so that the fallback people are paged.",
        "Low urgency outside team hours: no step applies; it waits for the time in team hours.",
    ]


def test_a_policy_without_slips_is_left_alone() -> None:
    alice = make_user("alice")

    assert warnings(make_policy(make_team("Platform", alice), alice)) == []


def test_the_summary_says_when_nobody_follows() -> None:
    assert summary([], NOON) == "Nobody would be paged."


@pytest.mark.parametrize(
    ("text", "found"),
    [("5", minutes(5)), ("00:00:05", timedelta(seconds=5)), ("01:30:00", minutes(90))],
)
def test_a_bare_number_means_minutes(text: str, found: timedelta) -> None:
    assert MinutesField().clean(text) == found


def test_a_length_is_said_in_its_two_largest_parts() -> None:
    said = [length(timedelta(seconds=number)) for number in (0, 5, 90, 5400, 90061)]

    assert said == ["0 s", "5 s", "1 min 30 s", "1 h 30 min", "1 d 1 h"]


def test_looking_at_a_policy_costs_a_bounded_number_of_queries(
    admin: Client, django_assert_max_num_queries: Any
) -> None:
    people = [make_user(f"user{number}") for number in range(8)]
    policy = make_policy(make_team("Platform", *people), people, people, "team")

    with django_assert_max_num_queries(60):
        page(admin, policy, at=FAR)


def test_sunday_is_not_reckoned_by_the_clock_of_the_server(admin: Client) -> None:
    text = page(admin, make_policy(make_team("Platform"), make_user()), at="2099-07-05T03:10")

    assert at("2099-07-05 03:10", "Europe/Berlin").isoformat()[:10] == "2099-07-05"
    assert "2099-07-05T03:10:00+02:00" in text
