"""Teams in the admin, used as an admin would."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from pagerpal.testing import NOON, make_rotation, make_team, make_user
from schedules.models import Membership, ScheduleChange, Team, User
from schedules.signals import team_closing
from schedules.tests.pages import form_of, page

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("monday_noon")]


def test_a_team_shows_who_is_on_call_in_each_rotation(browser: Client) -> None:
    alice, bob = make_user("alice"), make_user("bob")
    team = make_team("Platform", alice, bob)
    make_rotation(team, alice, name="first")
    make_rotation(team, name="second")

    text = browser.get(page("team_change", team.pk)).content.decode()

    assert re.search(r"first: <a [^>]*>alice</a>", text)
    assert re.search(r'second: <a [^>]*><strong class="gap">nobody</strong></a>', text)


def test_taking_somebody_out_of_a_team_tells_the_floors_above(
    browser: Client, left: list[tuple[User, Team | None]]
) -> None:
    alice, bob = make_user("alice"), make_user("bob")
    team = make_team("Platform", alice, bob)
    values = form_of(browser.get(page("team_change", team.pk)))

    response = browser.post(
        page("team_change", team.pk),
        {**values, "memberships-0-DELETE": "on", "memberships-1-role": "lead"},
    )

    assert response.status_code == 302
    assert left == [(alice, team)]
    assert [(m.user, m.role) for m in Membership.objects.all()] == [(bob, "lead")]


def test_a_membership_keeps_its_person(browser: Client) -> None:
    alice, bob = make_user("alice"), make_user("bob")
    team = make_team("Platform", alice)
    values = form_of(browser.get(page("team_change", team.pk)))

    browser.post(page("team_change", team.pk), {**values, "memberships-0-user": bob.pk})

    assert Membership.objects.get().user == alice


def test_a_team_that_is_still_needed_stays_on(browser: Client) -> None:
    team = make_team("Platform")
    values = form_of(browser.get(page("team_change", team.pk)))
    del values["is_active"]

    def object_(**_: Any) -> str:
        return "It has 2 open incidents."

    team_closing.connect(object_)
    try:
        response = browser.post(page("team_change", team.pk), values)
    finally:
        team_closing.disconnect(object_)

    assert "It has 2 open incidents." in response.content.decode()
    assert Team.objects.get().is_active


def test_team_hours_must_end_after_they_start(browser: Client) -> None:
    team = make_team("Platform")
    values = form_of(browser.get(page("team_change", team.pk)))

    response = browser.post(page("team_change", team.pk), {**values, "hours_end": "08:00"})

    assert "must end after they start" in response.content.decode()


def test_taking_out_somebody_who_is_scheduled_asks_who_takes_over(
    browser: Client, left: list[tuple[User, Team | None]]
) -> None:
    alice, bob = make_user("alice"), make_user("bob")
    team, other = make_team("Platform", alice, bob), make_team("Web", alice)
    here, there = make_rotation(team, alice, bob), make_rotation(other, alice)
    values = form_of(browser.get(page("team_change", team.pk))) | {"memberships-0-DELETE": "on"}

    asked = browser.post(page("team_change", team.pk), values)
    still_there = team.memberships.filter(user=alice).exists()
    done = browser.post(
        page("team_change", team.pk), {**values, f"successor_{alice.pk}": str(bob.pk)}
    )

    [leaver] = asked.context["leavers"]
    assert [place.rotation for place in leaver.places] == [here]
    assert list(leaver.candidates) == [bob]
    assert still_there
    assert done.status_code == 302
    assert [member.user for member in here.members.all()] == [bob, bob]
    assert [member.user for member in there.members.all()] == [alice]
    assert left == [(alice, team)]


def test_two_who_leave_together_do_not_take_over_from_each_other(browser: Client) -> None:
    alice, bob, carol = make_user("alice"), make_user("bob"), make_user("carol")
    team = make_team("Platform", alice, bob, carol)
    rotation = make_rotation(team, alice, bob)
    values = form_of(browser.get(page("team_change", team.pk)))
    values |= {"memberships-0-DELETE": "on", "memberships-1-DELETE": "on"}

    asked = browser.post(page("team_change", team.pk), values)
    answers = {f"successor_{alice.pk}": carol.pk, f"successor_{bob.pk}": "nobody"}
    browser.post(page("team_change", team.pk), {**values, **answers})

    assert [list(leaver.candidates) for leaver in asked.context["leavers"]] == [[carol], [carol]]
    assert [member.user for member in rotation.members.all()] == [carol]


def test_a_team_shows_its_history_newest_first_and_links_to_its_calendar(
    browser: Client, root: User
) -> None:
    team = make_team("Platform")
    for number in range(60):
        ScheduleChange.objects.create(
            team=team, at=NOON + timedelta(minutes=number), actor=root, text=f"change {number}."
        )
    ScheduleChange.objects.create(team=team, at=NOON + timedelta(hours=2), text="by nobody.")

    text = browser.get(page("team_change", team.pk)).content.decode()

    assert text.index("by nobody.") < text.index("change 59.") < text.index("change 11.")
    assert "<td>PagerPal</td><td>by nobody.</td>" in text
    assert "change 10." not in text
    assert f'href="/calendar?team={team.pk}"' in text


def test_teams_are_offered_by_name_where_one_is_chosen(browser: Client) -> None:
    for name in ("Web", "Platform", "Mail"):
        make_team(name, make_user(name.lower()))

    response = browser.get(
        reverse("admin:autocomplete"),
        {"term": "", "app_label": "schedules", "model_name": "rotation", "field_name": "team"},
    )

    assert [found["text"] for found in response.json()["results"]] == ["Mail", "Platform", "Web"]
