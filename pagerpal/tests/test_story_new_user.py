"""What the README promises, as a new user does it: run, demo, curl, look, acknowledge.

That the first run migrates an empty database is for `test_serve`.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pagerpal.tests.processes import ROOT, Site, get, wait_until

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

pytestmark = pytest.mark.processes

README = ROOT / "README.md"
PHONE: Any = {"width": 390, "height": 844}
DESK: Any = {"width": 1200, "height": 800}


def picture(page: Page, name: str) -> None:
    """Kept for README.md and docs/ when SCREENSHOTS_TO names a folder."""
    if folder := os.environ.get("SCREENSHOTS_TO"):
        page.screenshot(path=str(Path(folder) / f"{name}.png"))


def curl_of_the_readme(key: str, address: str) -> str:
    """The command as it is printed there, with this installation's key and address."""
    found = re.search(r"^ *curl -H 'X-API-Key.*?/api/v1/alerts$", README.read_text(), re.M | re.S)
    assert found, "the README shows no curl command"
    return found[0].replace("KEY'", f"{key}'").replace("http://127.0.0.1:8000", address)


def run_curl(command: str) -> dict[str, Any]:
    done = subprocess.run(
        ["bash", "-c", command], capture_output=True, text=True, timeout=20, check=True
    )
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def test_from_make_run_to_an_acknowledged_page(migrated_site: Site, browser: Browser) -> None:
    served = migrated_site.manage("serve")
    wait_until(
        lambda: get(f"{migrated_site.url}/health")[0] == 200, seconds=40, why="healthy serve"
    )
    assert "Safe mode" in get(f"{migrated_site.url}/health")[1]
    made = json.loads(migrated_site.run("demo", "--json").strip().splitlines()[-1])
    generic = next(one for one in made["sources"] if one["kind"] == "generic")

    answer = run_curl(curl_of_the_readme(generic["key"], migrated_site.url))

    assert answer["status"] == "accepted", served.log
    page = browser.new_page(viewport=PHONE)
    page.goto(f"{migrated_site.url}/login")
    page.get_by_label("E-mail").fill(made["admin"]["email"])
    page.get_by_label("Password", exact=True).fill(made["admin"]["password"])
    page.get_by_role("button", name="Sign in").click()
    page.get_by_text("You are on call for").wait_for()
    page.set_viewport_size(DESK)
    page.get_by_text("Hide this list").click()
    page.get_by_text("Hide this list").wait_for(state="hidden")
    picture(page, "dashboard")
    page.set_viewport_size(PHONE)

    page.get_by_role("link", name="Disk 96% full on db-6").first.click()
    page.get_by_text("Read what was held").wait_for()
    picture(page, "incident-phone")
    page.set_viewport_size(DESK)
    page.get_by_text("Read what was held").first.click()
    picture(page, "incident")
    page.set_viewport_size(PHONE)

    # The link that the message holds needs no login: another phone opens it.
    link = page.get_by_role("link", name=re.compile("Answer as")).first.get_attribute("href")
    other = browser.new_page(viewport=PHONE)
    other.goto(migrated_site.url + str(link))
    picture(other, "answer-phone")
    other.get_by_role("button", name="Acknowledge").click()
    other.get_by_text("is yours").wait_for()

    page.get_by_text("You have it").wait_for(timeout=15_000)
    picture(page, "mine-phone")
    page.set_viewport_size(DESK)
    page.get_by_role("link", name="Calendar").first.click()
    page.get_by_text("Then bob.").wait_for()
    picture(page, "calendar")
    for window in (page, other):
        window.close()
