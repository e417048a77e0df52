"""Every page under axe, which knows what keeps people out: in the light, and in the dark."""

from __future__ import annotations

import importlib.resources
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from django.urls import reverse
from django.utils import timezone

from incidents.answers import token_for
from notifications import bundles, trials
from notifications.models import Notification
from pagerpal import password_links, team_tokens
from pagerpal.testing import make_incident, run_worker
from pagerpal.tests.browsing import NARROW, PHONE, flaws, guest_session, session
from pagerpal.tests.test_routes import (
    ADMIN,
    GET,
    LEAD,
    PAGES,
    RESPONDER,
    World,
    address_of,
    world,
)
from schedules.models import User

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

__all__ = ["world"]  # the fixture
pytestmark = [pytest.mark.processes, pytest.mark.django_db(transaction=True)]

AXE = importlib.resources.files("axe_playwright_python").joinpath("axe.min.js").read_text()
STARTS_AS: Any = PHONE
DESK: Any = {"width": 1280, "height": 900}
# All unfolds, and colours change at once.
READY = """() => {
    const still = new CSSStyleSheet();
    still.replaceSync('* { transition: none !important; }');
    document.adoptedStyleSheets.push(still);
    document.querySelectorAll('details').forEach(fold => { fold.open = true; });
}"""
LOOK = """async rules => {
    const only = rules.length ? {runOnly: {type: 'rule', values: rules}} : {};
    // The lists in the boxes of select2, which Django ships, are not ours to draw.
    const looked = {exclude: ['.select2-selection__rendered']};
    const found = await axe.run(looked, {resultTypes: ['violations'], ...only});
    return found.violations
        .filter(one => ['serious', 'critical'].includes(one.impact))
        .flatMap(one => one.nodes.map(node => `${one.id}: ${node.html.slice(0, 160)}`));
}"""
# The dark changes colours alone.
SCHEMES: dict[str, list[str]] = {"light": [], "dark": ["color-contrast", "link-in-text-block"]}
# Files, and doors that lead whoever is in elsewhere; parts of pages are seen within their page.
NO_PAGES = {"home", "login", "second_step", "forgotten", "incidents:log-csv", "schedules:feed"}
# Names of the admin's addresses; any other of the table of routes may follow.
PAGES_OF_THE_ADMIN = [
    "index", "incidents_incident_changelist", "incidents_incident_change",
    "schedules_rotation_change", "incidents_escalationpolicy_change",
    "alertsources_alertsource_change", "schedules_user_change", "schedules_rotation_history",
    "schedules_settingchange_changelist",
]  # fmt: skip

DONE = ("acknowledged", "resolved")
# Somebody who has entered the token of the team.
GUEST = "guest"
Opened = tuple[str, User | str | None]


def pages_of_people(world: World) -> Iterator[Opened]:
    """The table of routes knows them; each is opened by a responder where they may."""
    people = world["people"]
    run_worker(timezone.now())
    for name, (who, method) in PAGES.items():
        if method == GET and name not in NO_PAGES:
            yield address_of(name, world), people[RESPONDER if RESPONDER in who else ADMIN]
    trials.page_now(people[RESPONDER], now=timezone.now())
    yield reverse("notifications:me"), people[RESPONDER]
    yield "/no/such/page", people[RESPONDER]
    for state in DONE:
        team, owner = world["schedules_team"], people[RESPONDER]
        incident = make_incident(team, now=timezone.now(), state=state, owner=owner)
        yield f"/incidents/{incident.pk}", people[RESPONDER]


def pages_without_login(world: World) -> Iterator[Opened]:
    """Those at the door, and those behind the links of messages."""
    now, responder = timezone.now(), world["people"][RESPONDER]
    trials.page_now(responder, now=now)
    run = Notification.objects.get(purpose="test")
    incidents = [world["incidents_incident"].pk]
    incidents += [make_incident(world["schedules_team"], state=state, now=now).pk for state in DONE]
    bundle = run.bundles.create(threads=[f"incident:{pk}" for pk in incidents], created_at=now)
    yield "/login", None
    yield reverse("forgotten"), None
    yield urlsplit(password_links.make(responder, password_links.INVITATION)).path, None
    for pk in incidents:
        yield f"/a/{token_for(pk, responder.pk)}", None
    yield reverse("answer_all", args=[bundles.token_for(bundle)]), None
    yield run.context["answer_path"], None


def pages_of_guests(world: World) -> Iterator[Opened]:
    """What the token of a team opens, and the door for it."""
    team, now = world["schedules_team"], timezone.now()
    link = team_tokens.make(team, world["people"][LEAD], days=1, now=now)
    yield urlsplit(link).path, None
    yield "/team", None
    ours = [world["incidents_incident"].pk]
    ours += [make_incident(team, state=state, now=now).pk for state in DONE]
    for path in ("/team", *(f"/team/incidents/{pk}" for pk in ours), "/team/incidents/0"):
        yield path, GUEST
    yield reverse("team_token", args=[team.pk]), world["people"][LEAD]


def pages_of_the_admin(world: World) -> Iterator[Opened]:
    for name in PAGES_OF_THE_ADMIN:
        yield address_of(f"admin:{name}", world), world["people"][ADMIN]


def findings(page: Page) -> list[str]:
    """What axe calls serious or critical, with all unfolded that unfolds."""
    page.evaluate(READY)
    page.evaluate(AXE)
    found = []
    for scheme, rules in SCHEMES.items():
        page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
        found += [f"{scheme} {urlsplit(page.url).path} {one}" for one in page.evaluate(LOOK, rules)]
    return found


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """One window for all of them."""
    context = browser.new_context(viewport=STARTS_AS, reduced_motion="reduce")
    yield context.new_page()
    context.close()


def look_at(page: Page, opened: Iterator[Opened], url: str, *sizes: Any) -> list[str]:
    found: list[str] = []
    for path, user in opened:
        page.context.clear_cookies()
        if user:
            cookie = session(user, url) if isinstance(user, User) else guest_session(url)
            page.context.add_cookies([cookie])
        page.emulate_media(color_scheme="light")
        page.goto(url + path)
        if page.evaluate("document.doctype !== null"):
            found += findings(page) + flaws(page, *sizes)
    return found


def test_no_page_of_people_keeps_anybody_out(page: Page, world: World, live_server: Any) -> None:
    assert look_at(page, pages_of_people(world), live_server.url) == []


def test_no_page_without_a_login_keeps_anybody_out(
    page: Page, world: World, live_server: Any
) -> None:
    assert look_at(page, pages_without_login(world), live_server.url) == []


def test_no_page_of_the_teams_token_keeps_anybody_out_or_sticks_out(
    page: Page, world: World, live_server: Any
) -> None:
    assert look_at(page, pages_of_guests(world), live_server.url, DESK, NARROW) == []


def test_no_page_of_the_admin_keeps_anybody_out(page: Page, world: World, live_server: Any) -> None:
    page.set_viewport_size(DESK)

    assert look_at(page, pages_of_the_admin(world), live_server.url) == []


def test_the_first_page_of_all_keeps_nobody_out(page: Page, live_server: Any) -> None:
    assert look_at(page, iter([("/login", None)]), live_server.url) == []
    assert page.get_by_label("code").count()
