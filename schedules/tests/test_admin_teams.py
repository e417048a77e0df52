"""Teams in the admin, used as an admin would."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client

from pagerpal.testing import make_rotation, make_team, make_user
from schedules.models import Membership, Team, User
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
