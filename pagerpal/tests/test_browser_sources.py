"""Setting a source up in a real browser: made, its key copied, tried, the test acknowledged."""

from __future__ import annotations

from typing import Any

import pytest

from alertsources.models import AlertSource
from alertsources.tests.bodies import KEY, post
from incidents.models import Incident
from pagerpal.testing import make_policy, make_source, make_team, make_user
from pagerpal.tests.browsing import NARROW, Visit, flaws
from schedules.models import User

pytestmark = [pytest.mark.processes, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def lead() -> User:
    lead = make_user("lead")
    make_policy(make_team("Shop", leads=(lead,)), lead)
    return lead


def test_from_a_new_source_to_an_acknowledged_test_and_the_first_alert(
    visit: Visit, lead: User
) -> None:
    page = visit("/alert-sources", lead, permissions=["clipboard-read", "clipboard-write"])
    page.clock.install()
    page.get_by_role("link", name="New source").click()
    page.get_by_label("Name").fill("prod")
    page.get_by_role("button", name="Make the source").click()

    page.get_by_role("button", name="Copy the key").click()
    page.get_by_text("Copied.").wait_for()
    key = page.evaluate("navigator.clipboard.readText()")
    page.get_by_text("Waiting for your first real alert").wait_for()
    page.get_by_role("button", name="Page me only").click()
    page.get_by_role("link", name="TEST #").click()
    page.get_by_role("button", name="Acknowledge").click()
    page.get_by_text("You have it").wait_for()

    page.get_by_role("link", name="Sources").click()
    page.get_by_role("link", name="prod").click()
    page.get_by_text("acknowledged").wait_for()
    assert post({"title": "Disk full"}, key=key).status_code == 202
    page.clock.fast_forward(5000)
    page.get_by_text("Received").wait_for()
    page.reload()
    page.get_by_text("Raw message", exact=True).first.click()
    page.get_by_text('"title": "Disk full"', exact=False).wait_for()
    assert list(Incident.objects.order_by("pk").values_list("is_test", flat=True)) == [True, False]


def test_without_javascript_everything_can_be_done(visit: Visit, lead: User) -> None:
    source = make_source(lead.teams.get(), key=KEY, name="prod")
    post({"title": "Disk full"})
    page = visit(f"/alert-sources/{source.pk}", lead, java_script_enabled=False)

    page.get_by_text("Raw message", exact=True).click()
    page.get_by_role("link", name="Show it").click()
    page.get_by_text('"title": "Disk full"').wait_for()
    page.get_by_role("link", name="Back to prod").click()
    page.get_by_text("New key", exact=True).click()
    page.get_by_role("button", name="Yes, make a new key").click()
    page.get_by_text("The key is shown only now").wait_for()
    page.get_by_text("Switch off", exact=True).click()
    page.get_by_role("button", name="Yes, switch it off").click()
    page.get_by_text("its open incidents page on", exact=False).first.wait_for()
    assert not AlertSource.objects.get().is_active


def test_the_pages_fit_and_can_be_read(visit: Visit, lead: User, live_server: Any) -> None:
    source = make_source(lead.teams.get(), key=KEY, name="prod", kind="alertmanager")
    post({"title": "x" * 150})
    page = visit("/alert-sources", lead, viewport=NARROW)

    for path in ("", f"/{source.pk}", f"/{source.pk}/edit"):
        page.goto(f"{live_server.url}/alert-sources{path}")

        assert flaws(page, NARROW) == []
