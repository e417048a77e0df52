"""The incident list in a real browser: filters on a phone, bookmarks and the way back."""

from __future__ import annotations

import re

import pytest

from pagerpal.testing import make_incident, make_team, make_user
from pagerpal.tests.browsing import NARROW, Visit, flaws
from schedules.models import User

pytestmark = [pytest.mark.processes, pytest.mark.django_db(transaction=True)]
# One word that is wider than any phone.
LONG = "W" * 190


@pytest.fixture
def alice() -> User:
    alice = make_user("alice")
    team = make_team("Platform", alice)
    make_incident(team, title="Disk full", severity="critical", source_label="Prometheus")
    make_incident(team, title=LONG, detail=LONG * 9, source_label=LONG[:120], labels={LONG: LONG})
    return alice


def test_filters_on_a_phone_make_an_address_that_can_be_kept(visit: Visit, alice: User) -> None:
    page = visit("/incidents", alice)
    assert not page.get_by_label("Severity").is_visible()

    page.locator("summary", has_text="Filters").click()
    page.get_by_label("Severity").select_option("critical")
    page.get_by_role("button", name="Apply").click()
    page.wait_for_url(re.compile("severity=critical"))
    page.get_by_role("searchbox").fill("disk")
    page.get_by_role("button", name="Find").click()
    page.wait_for_url(re.compile("q=disk"))

    assert page.locator(".row").count() == 1
    assert page.get_by_text("Filters, 1 on").is_visible()
    page.go_back()
    assert page.url.endswith("/incidents?show=open&severity=critical")
    page.reload()
    assert page.get_by_label("Severity").input_value() == "critical"
    assert page.locator("[data-title]").get_attribute("data-title") == "(2) Incidents"


def test_the_longest_texts_fit_a_narrow_phone(visit: Visit, alice: User) -> None:
    page = visit("/incidents", alice, viewport=NARROW)
    page.locator("summary", has_text="Filters").click()

    for path in ("", "/incidents/log", "/incidents/2", "/incidents/2/report"):
        if path:
            page.goto(page.url.split("/incidents")[0] + path)

        assert flaws(page, NARROW) == []
