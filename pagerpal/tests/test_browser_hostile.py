"""200 hostile strings through each entrance, and each page opened with a tripwire: none fires."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import cycle, product
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

import pytest
from django.test import Client
from django.utils import timezone

from alertsources.mail import taking
from alertsources.models import AlertSource, ReceivedPayload, Silence
from alertsources.sources.base import registry
from incidents.answers import token_for
from incidents.models import EscalationPolicy, Incident
from notifications.models import Notification, TeamChannel
from notifications.tests.inbound import by_infobip, infobip_sms
from pagerpal.testing import make_source, run_worker
from pagerpal.tests.browsing import session
from pagerpal.tests.test_routes import (
    ADMIN,
    GET,
    PAGES,
    RESPONDER,
    World,
    address_of,
    rule_of,
    tried,
    world,
)
from schedules.models import Rotation, Team, User

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

__all__ = ["world"]  # the fixture
pytestmark = [pytest.mark.processes, pytest.mark.django_db(transaction=True)]

# What ends the place in which a text may stand ...
ENDS = (
    *("", '">', "'>", "</title>", "</textarea>", "</script>", "-->", "</option></select>"),
    *("</style>", "\\u003c/script\\u003e"),
)
# ... and what it may begin there. The class is what the tripwire looks for.
BEGINNINGS = (
    "<script class=trip>trip()</script>",
    "<img class=trip src=x onerror=trip()>",
    "<svg class=trip onload=trip()>",
    "<a class=trip href=javascript:trip()>x</a>",
    "<iframe class=trip srcdoc='<script>parent.trip()</script>'></iframe>",
    "<body class=trip onpageshow=trip()>",
    "<div class=trip hx-get=/trip hx-trigger=load></div>",
    "<div class=trip hx-on::load=trip()></div>",
    "<details class=trip open ontoggle=trip()>",
    "<link class=trip rel=stylesheet href=//evil.example/x.css>",
    "<meta class=trip http-equiv=refresh content='0;url=//evil.example'>",
    "<form class=trip action=//evil.example><button>x</button></form>",
    "<base class=trip href=//evil.example/>",
    "<object class=trip data=//evil.example/x></object>",
    "<input class=trip autofocus onfocus=trip()>",
    "<style class=trip>*{background:url(//evil.example/x)}</style>",
    "<math class=trip><mtext><img src=x onerror=trip()></mtext></math>",
    "{{ trip() }}{% include 'trip' %}${trip()}<%= trip() %>",
    "\" class=trip onmouseover=trip() x=\"' class=trip autofocus onfocus=trip() x='",
    "javascript:trip()//\u202e\u2066",
)
STRINGS = [f"{end}{beginning}" for end, beginning in product(ENDS, BEGINNINGS)]
ALL_AT_ONCE = " ".join(STRINGS)

# Doors that lead whoever is in elsewhere, and the verdict of a site without a worker.
OF_AN_OBJECT = ("_change", "_history", "_delete")
LEFT_OUT = {"login", "second_step", "health"}

TRIPWIRE = """
window.tripped = [];
window.trip = () => window.tripped.push('trip()');
for (const name of ['alert', 'confirm', 'prompt', 'print', 'open'])
    window[name] = () => window.tripped.push(name);
document.addEventListener('securitypolicyviolation',
    event => window.tripped.push(`${event.violatedDirective} ${event.blockedURI}`));
"""
# Also what the policy keeps from running is not to be in a page.
TRIPPED = """() => {
    const names = ['href', 'src', 'action', 'hx-get', 'hx-post'];
    const leads = value => {
        const url = new URL(value, location.href);
        return url.protocol === 'javascript:' || url.hostname === 'evil.example';
    };
    const away = e => names.some(name => e.hasAttribute(name) && leads(e.getAttribute(name)));
    const all = document.querySelectorAll('[href], [src], [action], [hx-get], [hx-post]');
    return [...window.tripped,
        ...[...document.querySelectorAll('.trip, [onerror], [onload]'), ...[...all].filter(away)]
            .map(e => e.outerHTML.slice(0, 200))];
}"""


def spread(value: Any, words: Iterator[str]) -> Any:
    """An example of a monitor with the next of the strings behind each of its texts."""
    if isinstance(value, dict):
        return {key: spread(one, words) for key, one in value.items()}
    if isinstance(value, list):
        return [spread(one, words) for one in value]
    return f"{value} {next(words)}" if isinstance(value, str) else value


def texts_in(value: Any) -> int:
    if isinstance(value, dict | list):
        inside = value.values() if isinstance(value, dict) else value
        return sum(texts_in(one) for one in inside)
    return isinstance(value, str)


def by_alerts(team: Team) -> None:
    """Each kind of source: as many bodies as it takes until all strings were in one."""
    for place, (kind, source) in enumerate(registry.items()):
        key = f"{place:032d}"
        make_source(team, kind=kind, name=f"{kind} {STRINGS[place]}"[:80], key=key)
        example = source.example
        words = cycle(STRINGS)
        bodies = min(8, -(-len(STRINGS) // max(1, texts_in(example))))
        for _ in range(bodies):
            body = json.dumps(spread(example, words))
            answer = Client().post(f"/in/{key}", body, "application/json")
            assert answer.status_code < 500, (kind, answer.content)
    rest = {
        "title": STRINGS[0],
        "description": ALL_AT_ONCE,
        "external_id": STRINGS[1],
        "labels": {f"{n} {one}": one for n, one in enumerate(STRINGS)},
        "links": [{"label": one, "url": f"javascript:trip({one})"} for one in STRINGS],
        "url": "javascript:trip()",
    }
    key = "g" * 32
    make_source(team, kind="generic", name="the rest", key=key)
    answer = Client().post(f"/in/{key}", json.dumps(rest), "application/json")
    assert answer.json()["incidents"], answer.content


def by_mail(team: Team) -> None:
    key = "m" * 32
    make_source(team, kind="email", name=f"mail {STRINGS[5]}"[:80], key=key)
    to = taking.addressees([f"{key}@pager.example.org"], now=timezone.now())
    for start in range(0, len(STRINGS), 50):
        some = STRINGS[start : start + 50]
        headers = f"From: {some[1]} <a@example.org>\nMessage-ID: <{start}@x>\nSubject: {some[0]}"
        html = "<p>".join(some)
        raw = f"{headers}\nContent-Type: text/html; charset=utf-8\n\n<html>{html}</html>"
        taking.take(raw.encode(), to, now=timezone.now())


def by_forms_and_api(world: World) -> None:
    """What people who may sign in write: incidents, notes, silences, all names."""
    team, responder = world["schedules_team"], world["people"][RESPONDER]
    client = Client()
    client.force_login(responder)
    form = {"team": team.pk, "title": STRINGS[2], "detail": ALL_AT_ONCE[:9_000], "severity": "info"}
    client.post("/incidents/raise", {**form, "form": "a" * 32, "policy": ""})
    pk = world["incidents_incident"].pk
    for start in range(0, len(STRINGS), 10):
        text = " ".join(STRINGS[start : start + 10])[:1000]
        assert client.post(f"/incidents/{pk}/note", {"text": text}).status_code == 302
    silence = {"team": team.pk, "reason": STRINGS[3][:80], "title": STRINGS[4], "hours": 1}
    client.post("/api/v1/silences", json.dumps(silence), "application/json")
    api = {"team": team.pk, "title": STRINGS[6], "detail": ALL_AT_ONCE, "severity": "high"}
    client.post("/api/v1/incidents", json.dumps(api), "application/json")
    by_infobip(client, *[infobip_sms(" ".join(STRINGS[at::20])) for at in range(20)])


def by_names(world: World) -> None:
    """As they stand in the database, whichever form or program wrote them."""
    now = iter(cycle(STRINGS))
    for rows in (User.objects.all(), Team.objects.all(), Rotation.objects.all()):
        for pk in rows.values_list("pk", flat=True):
            rows.filter(pk=pk).update(name=f"{pk}{next(now)}"[:60])
    EscalationPolicy.objects.update(name=STRINGS[1][:80])
    TeamChannel.objects.update(name=STRINGS[21][:40])
    Silence.objects.update(reason=STRINGS[41][:80])
    AlertSource.objects.filter(pk=world["alertsources_alertsource"].pk).update(name=STRINGS[61])


@pytest.fixture
def attacked(world: World, settings: Any) -> World:
    settings.INFOBIP_RECEIPT_TOKEN = "receipt-t0ken"
    by_names(world)
    by_alerts(world["schedules_team"])
    by_mail(world["schedules_team"])
    by_forms_and_api(world)
    run_worker(timezone.now())
    worst = Incident.objects.get(source_label="the rest")
    payload = ReceivedPayload.objects.filter(incident=worst).first()
    world["incidents_incident"] = worst
    if payload:
        world["alertsources_receivedpayload"] = payload
        world["alertsources_alertsource"] = payload.source
    world["notifications_notification"] = Notification.objects.filter(
        thread=f"incident:{worst.pk}"
    ).first()
    return world


def pages_of_people(world: World) -> Iterator[str]:
    for name, (who, method) in PAGES.items():
        if method == GET and RESPONDER in who and name not in LEFT_OUT:
            yield address_of(name, world)
    for incident in Incident.objects.exclude(pk=world["incidents_incident"].pk)[:4]:
        yield f"/incidents/{incident.pk}"
    yield "/incidents?show=all"
    yield f"/incidents?q={STRINGS[0]}"
    holder = world["people"][RESPONDER]
    yield f"/a/{token_for(world['incidents_incident'].pk, holder.pk)}"


def pages_of_the_admin(world: World) -> Iterator[str]:
    for name in tried():
        allowed, method = rule_of(name) or (frozenset(), GET)
        model = name.removeprefix("admin:").rpartition("_")[0]
        is_there = not name.endswith(OF_AN_OBJECT) or world.get(model)
        # What a form offers is on the page of its object too.
        if name.endswith("_add"):
            continue
        if name.startswith("admin:") and method == GET and ADMIN in allowed and is_there:
            yield address_of(name, world)


def fired_on(page: Page, paths: Iterator[str], base: str) -> list[str]:
    """What went off on any of these pages, by their addresses."""
    fired: list[str] = []
    strange: list[str] = []

    def note(request: Any) -> None:
        if not request.url.startswith((base, "data:")) or "/trip" in urlsplit(request.url).path:
            strange.append(request.url)

    page.on("request", note)
    for path in paths:
        try:
            answer = page.goto(base + path)
        except Exception as error:
            if "Download is starting" in str(error):
                continue
            raise
        assert answer
        assert answer.status < 500, path
        if "html" in (answer.headers.get("content-type") or ""):
            fired += [f"{path}: {one}" for one in page.evaluate(TRIPPED)]
        fired += [f"{path}: {one}" for one in strange]
        strange.clear()
    return fired


def test_there_are_200_strings() -> None:
    assert len(set(STRINGS)) == 200


def test_no_hostile_string_is_more_than_text_on_any_page(
    browser: Browser, live_server: Any, attacked: World
) -> None:
    fired: list[str] = []
    for role, pages in ((RESPONDER, pages_of_people), (ADMIN, pages_of_the_admin)):
        context = browser.new_context(viewport={"width": 1280, "height": 900})
        context.add_init_script(TRIPWIRE)
        context.add_cookies([session(attacked["people"][role], live_server.url)])
        fired += fired_on(context.new_page(), pages(attacked), live_server.url)
        context.close()

    assert not fired


def test_the_tripwire_fires(browser: Browser, live_server: Any) -> None:
    """A page that let the strings through would be noticed, with the policy in force or without."""
    context = browser.new_context()
    context.add_init_script(TRIPWIRE)
    page = context.new_page()
    page.route(
        "**/let-through",
        lambda route: route.fulfill(content_type="text/html", body=f"<p>{ALL_AT_ONCE[:300]}"),
    )

    fired = fired_on(page, iter(["/let-through"]), live_server.url)

    context.close()
    assert fired
