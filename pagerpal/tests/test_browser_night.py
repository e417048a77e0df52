"""Ten past three on a phone in the dark: from the message to the end, by thumb and by keys."""

from __future__ import annotations

from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import pytest
from django.utils import timezone

from incidents import lifecycle
from incidents.models import Incident
from pagerpal.testing import (
    Recorder,
    make_incident,
    make_policy,
    make_team,
    make_user,
    run_worker,
)
from pagerpal.tests.browsing import Visit
from schedules.models import Team, User

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.processes, pytest.mark.django_db(transaction=True)]

PASSWORD = "correct horse battery"


@pytest.fixture
def alice() -> User:
    return make_user("alice", password=PASSWORD, time_zone="Europe/Berlin")


@pytest.fixture
def team(alice: User) -> Team:
    return make_team("Platform", alice)


def sign_in(page: Page, user: User) -> None:
    page.get_by_label("E-mail").fill(user.email)
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()


def state_of(incident: Incident) -> str:
    incident.refresh_from_db()
    return incident.state


@pytest.mark.parametrize("with_script", [True, False])
def test_from_the_message_to_the_end_without_a_detour(
    visit: Visit, recorder: Recorder, alice: User, team: Team, with_script: bool
) -> None:
    opening = lifecycle.Opening(team, "Disk full", policy=make_policy(team, alice))
    incident = lifecycle.open_incident(opening, now=timezone.now())
    run_worker(timezone.now())
    link = urlsplit(recorder.take("topic-alice").answer_url).path

    page = visit(link, java_script_enabled=with_script, color_scheme="dark")
    before = state_of(incident)
    page.get_by_role("button", name="Acknowledge").click()
    page.get_by_text("You have it").wait_for()
    after_one_tap = state_of(incident)
    page.get_by_role("link", name="Open it").click()
    sign_in(page, alice)
    page.get_by_text("You have it").wait_for()
    page.get_by_role("textbox", name="Add a note").fill("Freed 2 GB.")
    page.get_by_role("button", name="Add note").click()
    page.locator("#timeline").get_by_text("Freed 2 GB.").wait_for()
    page.get_by_role("button", name="Resolve", exact=True).click()
    page.get_by_role("button", name="Reopen").wait_for()

    assert (before, after_one_tap) == ("triggered", "acknowledged")
    assert state_of(incident) == "resolved"
    assert urlsplit(page.url).path == f"/incidents/{incident.pk}"


@pytest.mark.parametrize("with_script", [True, False])
def test_keys_alone_lead_from_the_login_to_the_end(
    visit: Visit, alice: User, team: Team, with_script: bool
) -> None:
    incident = make_incident(team, policy=make_policy(team, alice), title="Disk full")
    page = visit("/incidents", java_script_enabled=with_script)

    def press_on(name: str, *, within: int = 30) -> None:
        for _ in range(within):
            page.keyboard.press("Tab")
            if page.evaluate("document.activeElement.innerText").split(" #")[0] == name:
                page.keyboard.press("Enter")
                return
        raise AssertionError(f"no key leads to {name!r}")

    page.locator("input:focus").wait_for()
    page.keyboard.type(alice.email)
    page.keyboard.press("Tab")
    page.keyboard.type(PASSWORD)
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="Incidents").wait_for()
    press_on("Disk full")
    page.get_by_role("heading", name="Disk full").wait_for()
    press_on("Acknowledge")
    page.get_by_text("You have it").wait_for()
    press_on("Resolve", within=3 if with_script else 30)
    page.get_by_role("button", name="Reopen").wait_for()

    assert state_of(incident) == "resolved"


def test_the_first_key_skips_what_is_on_every_page(visit: Visit, alice: User, team: Team) -> None:
    page = visit(f"/incidents/{make_incident(team).pk}", alice)

    page.keyboard.press("Tab")
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")

    assert page.locator(":focus").inner_text() == "Acknowledge"


def test_keys_walk_the_list_search_it_and_name_themselves(
    visit: Visit, alice: User, team: Team
) -> None:
    older, newer = make_incident(team, title="older"), make_incident(team, title="newer")
    page = visit("/incidents", alice, viewport={"width": 1280, "height": 800})
    walked = []

    for key in "jjjk":
        page.keyboard.press(key)
        walked.append(page.locator(":focus").inner_text())
    page.keyboard.press("?")
    named = page.locator(":focus").inner_text()
    page.keyboard.press("/")
    page.keyboard.type("old")
    page.keyboard.press("Enter")
    page.wait_for_url("**q=old*")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/incidents/{older.pk}")

    assert walked == ["newer", "older", "older", "newer"]
    assert named.startswith("Keys:")
    assert newer.pk


def test_a_phone_shows_what_is_open_before_who_is_on_call(
    visit: Visit, alice: User, team: Team
) -> None:
    make_incident(team)
    page = visit("/", alice)

    headings = page.locator("h2").all_inner_texts()

    assert headings.index("Open incidents 1") < headings.index("On call now")


def test_paper_gets_the_incident_without_buttons_and_in_black(
    visit: Visit, alice: User, team: Team
) -> None:
    link = {"label": "Runbook", "url": "https://runbooks.example.com/disk"}
    incident = make_incident(team, links=[link])
    page = visit(f"/incidents/{incident.pk}", alice, color_scheme="dark")

    page.emulate_media(media="print")

    assert page.locator("button:visible, a.button:visible").count() == 0
    colour = "getComputedStyle(document.querySelector('.links a')).color"
    assert page.evaluate(colour) == "rgb(0, 0, 0)"
