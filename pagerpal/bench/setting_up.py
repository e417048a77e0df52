"""What it takes to set PagerPal up, and what the first page after signing in costs."""

from __future__ import annotations

import time
from html.parser import HTMLParser
from typing import Any

from pagerpal.bench.site import Figure, ms, percentile

EMAIL, PASSWORD = "ann@example.org", "horse battery staple"
MOST_SCREENS, MOST_INPUTS = 7, 15
SIGN_INS = 30
VISIBLE = {"input", "select", "textarea"}


def measure() -> list[Figure]:
    """Walk through the set-up as it is filled in; on the database of the environment, fresh."""
    import django

    django.setup()
    from django.conf import settings
    from django.core.management import call_command

    settings.ALLOWED_HOSTS = ["127.0.0.1"]
    settings.NOTIFICATION_SENDING_ENABLED = False
    call_command("migrate", verbosity=0)
    screens, inputs = _walk()
    return [
        Figure("set-up, from nothing to an answered test page: screens", f"{screens}", "at most 7"),
        Figure("the same: inputs, those that are filled in included", f"{inputs}", "at most 15"),
        Figure("first page after signing in, server time", _first_page(), "p95 under 100 ms"),
    ]


class Screen(HTMLParser):
    """What a page asks inside its main part, with what is filled in."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.inputs = 0
        self.values: dict[str, str] = {}
        self._is_main = False
        self._select = ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        facts = {name: value or "" for name, value in attrs}
        self._is_main = self._is_main or tag == "main"
        if not self._is_main:
            return
        if tag in VISIBLE and facts.get("type") != "hidden":
            self.inputs += 1
        if tag in VISIBLE and facts.get("name"):
            self.values.setdefault(facts["name"], facts.get("value", ""))
        if tag == "select":
            self._select = facts.get("name", "")
        if tag == "option" and "selected" in facts and self._select:
            self.values[self._select] = facts.get("value", "")

    def handle_endtag(self, tag: str) -> None:
        if tag == "main":
            self._is_main = False


def _walk() -> tuple[int, int]:
    """Screens and inputs, by the pages themselves; whatever does not lead on is an error."""
    from pagerpal import first_run

    get, post = _browser()
    told = {
        "/login": {"code": first_run.code(), "name": "Ann", "email": EMAIL, "password": PASSWORD}
    }
    screens = inputs = 0
    path = "/login"
    while path != "/setup/test":
        screen = Screen(get(path).content.decode())
        screens, inputs = screens + 1, inputs + screen.inputs
        answer = post(path, screen.values | told.get(path, {}))
        if answer.status_code != 302:
            raise RuntimeError(f"{path} does not lead on")
        path = answer.url if answer.url != "/setup" else get("/setup").url
    inputs += Screen(get(path).content.decode()).inputs
    post(path, {})
    link = _held_link()
    inputs += Screen(get(link).content.decode()).inputs
    post(link, {"act": "acknowledge"})
    if b"Answered by you" not in get(path).content:
        raise RuntimeError("the test page was not answered")
    return screens + 2, inputs


def _browser() -> tuple[Any, Any]:
    from django.test import Client

    client = Client(HTTP_HOST="127.0.0.1")
    return client.get, client.post


def _held_link() -> str:
    """What the worker would do at once, and the link of what it held."""
    from django.utils import timezone

    from incidents import engine
    from notifications import dispatch
    from notifications.models import Notification

    now = timezone.now()
    engine.run_best_due(now)
    dispatch.send_best_due(now, seconds=8)
    held = Notification.objects.filter(state="held").order_by("pk")[0]
    return str(held.context["answer_path"])


def _first_page() -> str:
    """The dashboard as a session shows it for the first time, beside what was just set up."""
    taken, worked = [], []
    for _ in range(SIGN_INS):
        get, post = _browser()
        answer = post("/login", {"username": EMAIL, "password": PASSWORD})
        begun, spent = time.perf_counter(), time.process_time()
        if get(answer.url).status_code != 200:
            raise RuntimeError("nobody was signed in")
        taken.append(time.perf_counter() - begun)
        worked.append(time.process_time() - spent)
    # On a machine that others use, the second says more.
    return f"{ms(percentile(taken, 95))}, of CPU {ms(percentile(worked, 95))}"
