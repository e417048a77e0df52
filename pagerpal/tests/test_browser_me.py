"""One's own page in a real browser: from a new address to a test that was heard."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest
from django.utils import timezone

from notifications import dispatch
from pagerpal.testing import Recorder, make_rotation, make_team, make_user
from pagerpal.tests.browsing import NARROW, PHONE, Visit, flaws
from schedules.models import User

if TYPE_CHECKING:
    from playwright.sync_api import Page

pytestmark = [pytest.mark.processes, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def alice() -> User:
    user = make_user("alice", ntfy=False, email=True)
    make_rotation(make_team("Platform", user), user, make_user("bob"))
    return user


@pytest.fixture
def page(visit: Visit, alice: User, recorder: Recorder) -> Iterator[Page]:
    yield visit("/me", alice)
    recorder.take_all()


def work() -> None:
    """What a worker does in a moment."""
    while dispatch.send_best_due(timezone.now(), seconds=8):
        pass


def press(page: Page, name: str, nth: int = 0) -> None:
    page.get_by_role("button", name=name, exact=True).nth(nth).click()


def test_a_new_address_is_verified_and_a_test_of_all_rules_is_heard(
    page: Page, alice: User, recorder: Recorder
) -> None:
    page.locator("#add-ntfy > summary").click()
    page.locator("#id_add-ntfy-address").fill("topic-alice-k7")
    page.locator("#add-ntfy button").click()
    page.get_by_text("A code is on its way to it.").wait_for()
    work()
    page.get_by_label("The code that came there").fill(recorder.take("topic-alice-k7").title[:6])
    press(page, "Verify")
    page.get_by_text("Verified: what is sent to this address arrives.").wait_for()
    is_verified = alice.contact_methods.get(channel="ntfy").is_verified

    press(page, "Page me now (test)")
    page.get_by_text("You are being paged, as a test.").wait_for()
    work()
    page.locator("#progress .tag.sent").nth(1).wait_for()
    press(page, "I got it")
    page.get_by_text("The test has ended: you got it.").wait_for()

    assert is_verified
    assert recorder.take("topic-alice-k7").title == "TEST Would this have woken you?"
    assert page.locator("#progress .tag.cancelled").count() >= 5


def test_all_can_be_read_and_pressed_at_any_width(visit: Visit, alice: User) -> None:
    page = visit("/me", alice)

    page.evaluate("document.querySelectorAll('details').forEach(one => one.open = true)")

    assert flaws(page, PHONE, NARROW, {"width": 1280, "height": 900}) == []
