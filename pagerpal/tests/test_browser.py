"""The pages in a real browser: with JavaScript and without it, on a phone, in the dark."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import urljoin

import pytest

from incidents import lifecycle
from incidents.answers import token_for
from incidents.models import Incident
from pagerpal.testing import make_admin, make_incident, make_policy, make_team, make_user
from pagerpal.tests.browsing import NARROW, PHONE, Visit, flaws
from schedules.models import Team, User

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.processes, pytest.mark.django_db(transaction=True)]

PASSWORD = "correct horse battery"


def visit_slowly(visit: Visit, path: str, user: User) -> Page:
    """With the page's timers in the test's hand, so that no poll is waited for."""
    page = visit("/no/such/page", user)
    page.clock.install()
    page.goto(urljoin(page.url, path))
    return page


@pytest.fixture
def alice() -> User:
    return make_user("alice", password=PASSWORD, time_zone="Europe/Berlin")


@pytest.fixture
def team(alice: User) -> Team:
    return make_team("Platform", alice)


@pytest.fixture
def incident(team: Team, alice: User) -> Incident:
    return make_incident(
        team,
        title="Disk 96% full on db-6.a-very-long-name-without-any-place-to-break.example.com",
        detail="/var/lib/postgresql is 96% full.",
        labels={"instance": "db-6.internal.example.com:9100", "env": "prod"},
        links=[{"label": "Runbook", "url": "https://runbooks.example.com/disk"}],
        severity="critical",
        source_label="Prometheus",
        policy=make_policy(team, alice),
    )


def state_of(incident: Incident) -> str:
    incident.refresh_from_db()
    return incident.state


def test_with_javascript_the_page_is_not_loaded_anew(
    visit: Visit, alice: User, incident: Incident
) -> None:
    page = visit(f"/incidents/{incident.pk}", alice)
    page.evaluate("window.mark = 'same page'")

    page.get_by_role("button", name="Acknowledge").click()
    page.get_by_text("You have it").wait_for()

    assert page.evaluate("window.mark") == "same page"
    assert page.locator("#news").inner_text() == f"#{incident.pk} is yours."
    assert "Acknowledged by alice." in page.locator("#timeline").inner_text()
    assert page.title().startswith(f"#{incident.pk} acknowledged")


def test_a_second_tap_in_a_hurry_does_not_resolve(
    visit: Visit, alice: User, incident: Incident
) -> None:
    page = visit(f"/incidents/{incident.pk}", alice)
    button = page.get_by_role("button", name="Acknowledge")
    box = button.bounding_box()
    assert box is not None

    button.click()
    page.get_by_text("You have it").wait_for()
    page.wait_for_timeout(60)  # no finger is faster; what keeps the tap out begins with a frame
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    page.wait_for_timeout(300)
    after_two_taps = state_of(incident)
    page.get_by_role("button", name="Resolve").click()
    page.get_by_text("is resolved").wait_for()

    assert (after_two_taps, state_of(incident)) == ("acknowledged", "resolved")


@pytest.mark.parametrize("with_script", [True, False])
def test_one_tap_in_the_list_is_enough(
    visit: Visit, alice: User, incident: Incident, with_script: bool
) -> None:
    page = visit("/incidents", alice, java_script_enabled=with_script)

    page.get_by_role("button", name="Acknowledge").click()
    page.get_by_text("you have it").wait_for()

    assert state_of(incident) == "acknowledged"


@pytest.mark.parametrize("motion", ["no-preference", "reduce"])
def test_a_row_that_has_just_moved_takes_no_tap_for_a_moment(
    visit: Visit, alice: User, incident: Incident, motion: str
) -> None:
    page = visit("/incidents", alice, reduced_motion=motion)
    button = page.locator(".row button")
    swapped = """e => {
        const row = e.closest('.row'), fresh = row.cloneNode(true);
        row.replaceWith(fresh);
        return getComputedStyle(fresh.querySelector('button')).pointerEvents;
    }"""

    just_moved = button.evaluate(swapped)
    button.click()  # waits until it takes taps
    page.get_by_text("you have it").wait_for()

    assert just_moved == "none"
    assert state_of(incident) == "acknowledged"


def test_an_open_page_shows_what_others_do(visit: Visit, alice: User, incident: Incident) -> None:
    page = visit_slowly(visit, f"/incidents/{incident.pk}", alice)
    page.locator("#note").fill("half a thought")

    by = lifecycle.Actor.person(make_user("bob"), "page")
    lifecycle.acknowledge(incident.pk, by, now=incident.opened_at)
    page.clock.run_for(5_100)
    page.get_by_text("bob has it").first.wait_for()

    assert page.locator("#note").input_value() == "half a thought"


def test_a_page_that_cannot_update_says_so(visit: Visit, alice: User, incident: Incident) -> None:
    page = visit_slowly(visit, f"/incidents/{incident.pk}", alice)
    banner = page.locator("#stale")

    page.context.set_offline(True)
    page.clock.run_for(5_100)
    page.wait_for_timeout(300)
    after_one_failure = banner.is_visible()
    page.clock.run_for(5_100)
    banner.wait_for()
    said = banner.inner_text()
    page.context.set_offline(False)
    page.clock.run_for(5_100)
    banner.wait_for(state="hidden")

    assert not after_one_failure
    assert "Not updating since" in said


def test_a_note_is_added_and_its_field_emptied(
    visit: Visit, alice: User, incident: Incident
) -> None:
    page = visit(f"/incidents/{incident.pk}", alice)

    page.locator("#note").fill("Freed 2 GB.")
    page.get_by_role("button", name="Add note").click()
    page.locator("#timeline").get_by_text("Freed 2 GB.").wait_for()

    assert page.locator("#note").input_value() == ""


def test_keys_act_but_not_while_writing(visit: Visit, alice: User, incident: Incident) -> None:
    page = visit(f"/incidents/{incident.pk}", alice)

    page.locator("#note").press_sequentially("area")
    while_writing = state_of(incident)
    page.locator("#note").blur()
    page.keyboard.press("a")
    page.get_by_text("You have it").wait_for()
    page.keyboard.press("g")
    page.keyboard.press("i")
    page.wait_for_url("**/incidents")

    assert while_writing == "triggered"
    assert state_of(incident) == "acknowledged"


def test_resolving_what_another_has_takes_a_second_tap(
    visit: Visit, alice: User, team: Team
) -> None:
    incident = make_incident(team, state="acknowledged", owner=make_user("bob"))
    page = visit(f"/incidents/{incident.pk}", alice, java_script_enabled=False)

    page.get_by_text("Resolve", exact=True).click()
    after_one = state_of(incident)
    page.get_by_role("button", name="Yes, resolve it").click()
    page.get_by_text("is resolved").wait_for()

    assert (after_one, state_of(incident)) == ("acknowledged", "resolved")


def test_a_narrow_phone_shows_every_page_whole_and_legible(
    visit: Visit, incident: Incident, alice: User, live_server: Any
) -> None:
    page = visit("/no/such/page", make_admin(password=PASSWORD), viewport=NARROW)
    paths = [
        "/",
        "/incidents",
        f"/incidents/{incident.pk}",
        f"/a/{token_for(incident.pk, alice.pk)}",
    ]

    assert flaws(page, NARROW) == []
    for path in paths:
        page.goto(live_server.url + path)

        assert flaws(page, NARROW) == []


def test_the_main_button_is_large_and_in_the_thumbs_reach(
    visit: Visit, alice: User, incident: Incident
) -> None:
    page = visit(f"/incidents/{incident.pk}", alice)

    box = page.get_by_role("button", name="Acknowledge").bounding_box()

    assert box is not None
    assert box["height"] >= 60
    assert box["width"] > PHONE["width"] * 0.8
    assert PHONE["height"] / 2 < box["y"] < PHONE["height"] - box["height"]


def test_the_theme_chosen_here_is_kept(visit: Visit, alice: User, live_server: Any) -> None:
    page = visit("/", alice, color_scheme="light")
    light = page.evaluate("getComputedStyle(document.body).backgroundColor")

    page.get_by_role("button", name="Theme").click()
    page.goto(f"{live_server.url}/incidents")
    dark = page.evaluate("getComputedStyle(document.body).backgroundColor")

    assert (light, dark) == ("rgb(247, 248, 250)", "rgb(13, 18, 24)")


def test_pages_hold_no_inline_script_or_style(
    visit: Visit, alice: User, incident: Incident, live_server: Any
) -> None:
    page = visit("/", alice)

    for path in ("/", "/incidents", f"/incidents/{incident.pk}"):
        page.goto(live_server.url + path)
        inline = page.locator("script:not([src]), style, [style], [onclick], [onload]").count()

        assert inline == 0, path
