"""A mapping in a real browser: the preview at once with JavaScript, by a button without."""

from __future__ import annotations

import pytest
from django.urls import reverse

from alertsources.models import AlertSource
from alertsources.tests.bodies import KEY, post
from incidents.models import Incident
from pagerpal.testing import make_admin, make_source, make_team
from pagerpal.tests.browsing import NARROW, Visit, flaws

pytestmark = [pytest.mark.processes, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def page_of() -> str:
    source = make_source(make_team(), kind="any-json", name="tanks")
    post({"event": "tank.low", "site": "Berlin"}, f"/in/{KEY}", key="")
    return reverse("admin:alertsources_alertsource_mapping", args=[source.pk])


def test_the_preview_follows_what_is_typed(visit: Visit, page_of: str) -> None:
    page = visit(page_of, make_admin())
    page.evaluate("window.mark = 'same page'")

    page.get_by_label("Title").fill("join(' in ', [event, site])")

    page.get_by_role("cell", name="tank.low in Berlin", exact=True).wait_for()
    page.get_by_label("Title").fill("a b")
    page.get_by_text("It goes wrong at character 3").wait_for()
    assert page.evaluate("window.mark") == "same page"
    assert page.get_by_label("Title").input_value() == "a b"


def test_without_javascript_buttons_try_save_and_take_in_once_more(
    visit: Visit, page_of: str
) -> None:
    page = visit(page_of, make_admin(), java_script_enabled=False)

    page.get_by_label("Title").fill("site")
    page.get_by_role("button", name="Try without saving").click()
    page.get_by_role("cell", name="Berlin").first.wait_for()
    assert AlertSource.objects.get().settings == {}

    page.get_by_role("button", name="Save", exact=True).click()
    page.get_by_text("New messages are read like this").wait_for()
    page.get_by_role("button", name="Take in once more").click()
    page.get_by_text("once more, by root").first.wait_for()
    assert set(Incident.objects.values_list("title", flat=True)) == {"tank.low", "Berlin"}


def test_the_page_fits_and_can_be_read(visit: Visit, page_of: str) -> None:
    page = visit(page_of, make_admin(), viewport=NARROW)

    assert flaws(page, NARROW, small=False) == []
