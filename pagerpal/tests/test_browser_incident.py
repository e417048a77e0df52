"""The rarer acts on an incident in a real browser, on a phone and below the list on a desk."""

from __future__ import annotations

import pytest

from incidents.models import Incident
from pagerpal.testing import make_incident, make_team, make_user
from pagerpal.tests.browsing import NARROW, Visit, flaws
from schedules.models import Team, User

pytestmark = [pytest.mark.processes, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def alice() -> User:
    return make_user("alice")


@pytest.fixture
def team(alice: User) -> Team:
    return make_team("Platform", alice, make_user("bob"))


@pytest.mark.parametrize("with_script", [True, False])
def test_a_phone_snoozes_gives_back_and_resolves_with_a_note(
    visit: Visit, alice: User, team: Team, with_script: bool
) -> None:
    incident = make_incident(team, title="Disk full")
    page = visit(f"/incidents/{incident.pk}", alice, java_script_enabled=with_script)

    page.get_by_role("link", name="More").click()
    page.locator("summary", has_text="Snooze").click()
    page.get_by_role("button", name="1 h", exact=True).last.click()
    page.get_by_text("Snoozed until").wait_for()
    page.get_by_role("button", name="Un-acknowledge").click()
    page.get_by_text("Nobody has been paged yet").or_(page.get_by_text("Paging")).first.wait_for()
    page.locator("summary", has_text="Resolve with a note").click()
    page.get_by_label("What was it?").fill("swapped the disk")
    page.locator("#more-resolve").get_by_role("button").click()
    page.get_by_role("button", name="Reopen").wait_for()

    incident.refresh_from_db()
    assert incident.state == "resolved"
    assert incident.timeline.filter(kind="note", text="swapped the disk").exists()


def test_what_is_unfolded_is_legible_and_fits(visit: Visit, alice: User, team: Team) -> None:
    page = visit(f"/incidents/{make_incident(team).pk}", alice, viewport=NARROW)

    page.evaluate("document.querySelectorAll('#more details').forEach(fold => fold.open = true)")

    assert flaws(page, NARROW) == []


def test_a_tick_survives_the_list_drawing_itself_anew(
    visit: Visit, alice: User, team: Team
) -> None:
    first, second = make_incident(team), make_incident(team)
    page = visit("/incidents?show=open", alice, viewport={"width": 1280, "height": 800})
    page.locator(f"#pick-{first.pk}").check()
    Incident.objects.filter(pk=second.pk).update(title="Changed meanwhile", revision=1)

    target = {"target": "#incidents", "swap": "outerHTML"}
    page.evaluate("target => htmx.ajax('GET', '/incidents?show=open', target)", target)
    page.get_by_text("Changed meanwhile").wait_for()
    page.locator("#together").get_by_role("button", name="Acknowledge").click()

    page.get_by_text("1 acknowledged.").wait_for()
    states = dict(Incident.objects.values_list("pk", "state"))
    assert states == {first.pk: "acknowledged", second.pk: "triggered"}
