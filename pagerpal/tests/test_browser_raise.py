"""Raising an incident in a real browser: with JavaScript and without it, and in haste."""

from __future__ import annotations

import pytest

from incidents.models import Incident
from pagerpal.testing import make_policy, make_team, make_user
from pagerpal.tests.browsing import NARROW, Visit, flaws
from schedules.models import Membership, User

pytestmark = [pytest.mark.processes, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def alice() -> User:
    alice, bob = make_user("alice"), make_user("bob")
    make_policy(make_team("Platform", alice, bob), bob)
    Membership.objects.create(team=make_team("Web"), user=alice)
    return alice


@pytest.mark.parametrize("with_script", [True, False])
def test_two_hasty_clicks_and_the_way_back_raise_one_incident(
    visit: Visit, alice: User, with_script: bool
) -> None:
    page = visit("/incidents", alice, java_script_enabled=with_script)
    page.get_by_role("link", name="Raise incident").click()
    page.get_by_label("What is wrong").fill("The shop is down")
    page.get_by_label("Team").select_option(label="Platform")
    if with_script:
        page.get_by_text("It will page").wait_for()
    page.locator("summary", has_text="Page these people").click()
    page.get_by_label("bob (Platform)").check()

    page.get_by_role("button", name="Raise incident").dblclick(no_wait_after=True)
    page.get_by_role("heading", name="The shop is down").wait_for()
    page.go_back()
    page.go_forward()

    incident = Incident.objects.get()
    assert incident.team.name == "Platform"
    assert [page.user.name for page in incident.pages.all() if page.user] == ["bob"]


def test_the_form_is_legible_and_fits_a_narrow_phone(visit: Visit, alice: User) -> None:
    page = visit("/incidents/raise", alice, viewport=NARROW)
    page.get_by_label("Team").select_option(label="Web")
    page.get_by_text("It would page").or_(page.get_by_text("It will page")).wait_for()
    page.locator("summary", has_text="Page these people").click()

    assert flaws(page, NARROW) == []
