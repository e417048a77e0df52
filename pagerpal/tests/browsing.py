"""Debian's Chromium, started once for all tests that look at pages, and how they look."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from django.conf import settings
from django.test import Client

from pagerpal import team_tokens
from pagerpal.models import TeamToken
from schedules.models import User

if TYPE_CHECKING:
    from playwright.sync_api import Browser, BrowserContext, Page

CHROMIUM = Path("/usr/bin/chromium")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

PHONE = {"width": 390, "height": 844}
NARROW = {"width": 320, "height": 640}

# Targets under 44 px, and text that is too faint on what lies behind it.
SMALL = """() => [...document.querySelectorAll('button, a.button, nav a, summary, select')]
    .map(e => [e.textContent.trim(), e.getBoundingClientRect()])
    .filter(([, box]) => box.width && box.height && (box.height < 43.5 || box.width < 43.5))
    .map(([text]) => text)"""
FAINT = """() => {
    const parts = colour => { const n = colour.match(/[\\d.]+/g).map(Number); return [...n, 1]; };
    const light = colour => {
        const [r, g, b] = parts(colour).slice(0, 3).map(v => v / 255)
            .map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const behind = e => {
        for (; e; e = e.parentElement) {
            const colour = getComputedStyle(e).backgroundColor;
            if (parts(colour)[3] > 0) return colour;
        }
        return 'rgb(255, 255, 255)';
    };
    const faint = [], texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (texts.nextNode()) {
        const e = texts.currentNode.parentElement, box = e.getBoundingClientRect();
        if (!texts.currentNode.textContent.trim() || !box.width || !box.height) continue;
        const pair = [light(getComputedStyle(e).color), light(behind(e))].sort();
        if ((pair[1] + 0.05) / (pair[0] + 0.05) < 4.5) faint.push(e.outerHTML.slice(0, 80));
    }
    return faint;
}"""

# The dark changes colours alone, and they change at once.
SCHEMES = ("light", "dark")
AT_ONCE = """() => {
    const still = new CSSStyleSheet();
    still.replaceSync('* { transition: none !important; }');
    document.adoptedStyleSheets.push(still);
}"""

Visit = Callable[..., "Page"]


def faint(page: Page) -> list[str]:
    """The texts that are too faint, in the light and in the dark."""
    found = []
    page.evaluate(AT_ONCE)
    for scheme in SCHEMES:
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        found += [f"{scheme}: {text}" for text in page.evaluate(FAINT)]
    return found


def flaws(page: Page, *sizes: Any, small: bool = True) -> list[str]:
    """What sticks out, is too small to be hit or too faint to be read, at each of these sizes.

    The page is loaded once and its window made larger or smaller: what it loads does not
    depend on either.
    """
    found = []
    for size in sizes:
        page.set_viewport_size(size)
        width = page.evaluate("document.documentElement.scrollWidth")
        here = [f"{width} px wide"] * (width > size["width"]) + faint(page)
        if small:
            here += [f"small: {text}" for text in page.evaluate(SMALL)]
        found += [f"{page.url} at {size['width']} px: {flaw}" for flaw in here]
    return found


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    if not CHROMIUM.exists():
        pytest.skip(f"{CHROMIUM} is missing: install Debian's package chromium")
    sync_api = pytest.importorskip("playwright.sync_api")
    with sync_api.sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=str(CHROMIUM), args=ARGUMENTS)
        # Playwright keeps an event loop running in this thread, and Django would refuse to work.
        os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
        yield started
        del os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]
        started.close()


@pytest.fixture
def visit(browser: Browser, live_server: Any) -> Iterator[Visit]:
    """Opens an address in a new window; any error in the page's scripts fails the test."""
    contexts: list[BrowserContext] = []
    errors: list[str] = []

    def opened(path: str, user: User | None = None, **options: Any) -> Page:
        context = browser.new_context(**{"viewport": PHONE, **options})
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: errors.append(str(error)))
        if user:
            context.add_cookies([session(user, live_server.url)])
        page.goto(live_server.url + path)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert not errors


def guest_session(url: str) -> Any:
    """A cookie that says Ann has entered the token of the only team that has one."""
    value = team_tokens.cookie_for(TeamToken.objects.get(), "Ann")
    return {"name": settings.TEAM_COOKIE_NAME, "value": value, "url": url}


def session(user: User, url: str) -> Any:
    """A cookie that says this person has signed in: the form has a test of its own."""
    client = Client()
    client.force_login(user)
    name = settings.SESSION_COOKIE_NAME
    return {"name": name, "value": client.cookies[name].value, "url": url}
