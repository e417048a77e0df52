"""The guided set-up as a new admin does it: from nothing to an answered test page."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import pytest

from pagerpal.tests.browsing import FAINT, NARROW, PHONE, SMALL
from pagerpal.tests.processes import Site, get, wait_until

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.processes

DESK = {"width": 1280, "height": 800}
MOST_SCREENS, MOST_INPUTS = 7, 15
# Folded away or not: whatever could be filled in or chosen.
INPUTS = "main :is(input:not([type='hidden']), select, textarea)"
CODE = re.compile(r"enter the code ([A-Z0-9-]+)")


@dataclass
class Walk:
    """What somebody met on the way."""

    screens: list[str] = field(default_factory=list)
    inputs: int = 0

    def look(self, page: Page, title: str) -> None:
        """A new screen is there: count what it asks, and look at it at its widths, dark too."""
        page.get_by_role("heading", level=1, name=title).wait_for()
        self.screens.append(title)
        self.inputs += page.locator(INPUTS).count()
        size = page.viewport_size
        assert size is not None
        for width, scheme in ((size, "light"), (NARROW if size == PHONE else size, "dark")):
            page.set_viewport_size(width)  # type: ignore[arg-type]
            page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            assert page.evaluate("document.documentElement.scrollWidth") <= width["width"], title
            assert page.evaluate(FAINT) == [], title
            assert page.evaluate(SMALL) == [], title
        page.set_viewport_size(size)


def press(page: Page, name: str) -> None:
    page.get_by_role("button", name=name).click()


@pytest.mark.parametrize("kind", ["phone", "desktop"])
def test_from_nothing_to_an_answered_test_page(
    migrated_site: Site, browser: Browser, kind: str
) -> None:
    served = migrated_site.manage("serve")
    wait_until(lambda: get(f"{migrated_site.url}/health")[0] == 200, seconds=40, why=served)
    code = wait_until(lambda: CODE.search(served.log), why=served)[1]
    size: Any = PHONE if kind == "phone" else DESK
    # One of the two does without scripts: then the last screen is loaded anew by its link.
    scripts = kind == "desktop"
    window = browser.new_context(
        viewport=size, java_script_enabled=scripts, timezone_id="Europe/Berlin"
    )
    page, walk = window.new_page(), Walk()

    page.goto(f"{migrated_site.url}/setup")
    walk.look(page, "Make the first admin")
    zone = page.get_by_label("Time zone").input_value()
    page.get_by_label("One-time code").fill(code)
    page.get_by_label("Your name").fill("Ann")
    page.get_by_label("E-mail").fill("ann@example.org")
    page.get_by_label("Password").fill("horse battery staple")
    press(page, "Make me the admin")
    walk.look(page, "Your team")
    page.get_by_role("button", name="Make the team").dblclick()
    walk.look(page, "Make your phone ring")
    press(page, "Done, page me there")
    walk.look(page, "Who is paged")
    page.go_back()
    page.get_by_role("heading", name="Your phone listens to this topic").wait_for()
    page.get_by_role("link", name="Go on").click()
    press(page, "That is good")
    walk.look(page, "Your monitor")
    press(page, "Make the source")
    walk.look(page, "A test page")
    key = page.locator("pre code").first.inner_text()
    press(page, "Send me a test page")

    link = page.get_by_role("link", name="Answer it")
    if scripts:
        link.wait_for()
    else:
        wait_until(lambda: _reloaded(page) and link.count(), why=served)
    assert page.locator("pre code").first.inner_text() == key
    with window.expect_page() as opened:
        link.click()
    answer = opened.value
    walk.look(answer, "Disk full on db1")
    press(answer, "Acknowledge")
    answer.get_by_text("is yours").wait_for()
    if not scripts:
        _reloaded(page)

    page.get_by_text("Answered by you").wait_for()
    page.get_by_role("link", name="To the dashboard").click()
    page.get_by_text("You can be reached, and have answered a test page").wait_for()
    window.close()
    assert len(walk.screens) <= MOST_SCREENS, walk
    assert walk.inputs <= MOST_INPUTS, walk
    assert not scripts or zone == "Europe/Berlin"


def _reloaded(page: Page) -> bool:
    press(page, "Reload")
    return True
