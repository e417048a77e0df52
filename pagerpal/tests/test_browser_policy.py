"""A policy's page in a real browser: what would happen on a Sunday night, on a phone too."""

from __future__ import annotations

from typing import Any

import pytest
from django.urls import reverse

from pagerpal.testing import make_admin, make_policy, make_rotation, make_team, make_user
from pagerpal.tests.browsing import PHONE, Visit

pytestmark = [pytest.mark.processes, pytest.mark.django_db(transaction=True)]

DESK = {"width": 1280, "height": 900}


@pytest.mark.parametrize(
    ("viewport", "scripted"), [(DESK, True), (PHONE, False)], ids=["desk", "phone without script"]
)
def test_a_moment_is_chosen_and_the_calls_are_listed(
    visit: Visit, viewport: Any, scripted: bool
) -> None:
    alice, bob = make_user("alice", email=True), make_user("bob")
    team = make_team("Platform", alice, bob)
    policy = make_policy(team, make_rotation(team, alice), bob, "team")
    policy.steps.filter(position=1).update(only_hours="outside")
    address = reverse("admin:incidents_escalationpolicy_change", args=[policy.pk])
    page = visit(address, make_admin(), viewport=viewport, java_script_enabled=scripted)

    page.get_by_label("If an incident opened on").fill("2099-11-29T03:10")
    page.get_by_role("button", name="Show").click()
    page.wait_for_url("**at=2099*")

    listed = page.locator("#ahead ol").first.inner_text()
    assert "step 2: bob" in listed
    assert page.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0
