"""200 hostile strings through each entrance, and each page opened with a tripwire: none fires.

The pages are asked for in this process and opened in the browser as frames of one page, many at a
time and without the policy that would keep them from running what got through.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from datetime import datetime
from itertools import cycle, product
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlsplit

import pytest
from django.conf import settings
from django.contrib import admin
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from django_q.models import OrmQ, Schedule, Task
from django_q.signing import SignedPackage

from alertsources.mail import taking
from alertsources.models import AlertSource, ReceivedPayload, Silence
from alertsources.sources.base import registry
from incidents import lifecycle
from incidents.answers import token_for
from incidents.lifecycle import Actor
from incidents.models import EscalationPolicy, Incident
from notifications import bundles
from notifications.models import Inbox, Notification, ProviderState, TeamChannel
from notifications.tests.inbound import NUMBER, by_infobip, infobip_sms
from pagerpal import team_tokens
from pagerpal.models import ApiToken, TeamToken
from pagerpal.testing import make_source, run_worker
from pagerpal.tests.browsing import session
from pagerpal.tests.test_routes import (
    ADMIN,
    ANONYMOUS,
    GET,
    RESPONDER,
    TOKEN,
    World,
    address_of,
    enter,
    rule_of,
    tried,
    world,
)
from schedules.models import Rotation, SettingChange, Team, User

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
LEFT_OUT = {"login", "second_step", "health"}
LOOKERS = (RESPONDER, ADMIN, TOKEN, ANONYMOUS)
AT_A_TIME = 12
# No texts go through these, and every page has them: the style sheets and Django's own scripts.
HEAVY = re.compile(
    r'<script src="/static/admin/[^>]*></script>|<link [^>]*href="/static/[^>]*\.css"[^>]*>'
)
# Another one each time that the page is made.
FORM_TOKEN = re.compile(r'"csrfmiddlewaretoken" value="\w+"|"X-CSRFToken": "\w+"')

TRIPWIRE = """
window.tripped = [];
window.trip = () => window.tripped.push('trip()');
for (const name of ['alert', 'confirm', 'prompt', 'print', 'open'])
    window[name] = () => window.tripped.push(name);
document.addEventListener('securitypolicyviolation',
    event => window.tripped.push(`${event.violatedDirective} ${event.blockedURI}`));
"""
# Also what does not run at once is not to be in a page.
OPEN_ALL = """async documents => {
    const names = ['href', 'src', 'action', 'hx-get', 'hx-post'];
    const leads = value => {
        const url = new URL(value, document.baseURI);
        return url.protocol === 'javascript:' || url.hostname === 'evil.example';
    };
    const away = e => names.some(name => e.hasAttribute(name) && leads(e.getAttribute(name)));
    const look = frame => {
        const inside = frame.contentDocument;
        if (!inside) return ['it led elsewhere'];
        const all = inside.querySelectorAll('[href], [src], [action], [hx-get], [hx-post]');
        const marked = inside.querySelectorAll('.trip, [onerror], [onload]');
        return [...frame.contentWindow.tripped,
            ...[...marked, ...[...all].filter(away)].map(e => e.outerHTML.slice(0, 200))];
    };
    const opened = async ([path, html]) => {
        const frame = document.createElement('iframe');
        const loaded = new Promise(done => { frame.onload = done; setTimeout(done, 5000); });
        frame.srcdoc = html;
        document.body.append(frame);
        await loaded;
        await new Promise(done => setTimeout(done, 30));
        const found = look(frame).map(one => `${path}: ${one}`);
        frame.remove();
        return found;
    };
    return (await Promise.all(documents.map(opened))).flat();
}"""
TRIED_OUT = "<!doctype html><title>tripwire</title><body>"

Document = tuple[str, str]


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
    responder.contact_methods.create(channel="sms", address=NUMBER, verified_at=timezone.now())
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
    ApiToken.objects.update(name=STRINGS[81][:80])
    AlertSource.objects.filter(pk=world["alertsources_alertsource"].pk).update(name=STRINGS[61])


def by_rows(now: datetime) -> None:
    """What providers, mailboxes and the queue leave in the log, as their words come."""
    ProviderState.objects.create(provider="ntfy", last_error=ALL_AT_ONCE[:500], last_error_at=now)
    Inbox.objects.create(name="imap", next_at=now, last_error=ALL_AT_ONCE[500:1000])
    facts = {"name": STRINGS[7], "func": STRINGS[8], "started": now, "stopped": now}
    for ok in (True, False):
        result = ALL_AT_ONCE[:2000]
        Task.objects.create(id=f"{ok}", success=ok, result=result, args=(result,), **facts)
    Schedule.objects.create(name=STRINGS[9], func=STRINGS[10], args=repr(STRINGS[11]))
    OrmQ.objects.create(key="k", payload=SignedPackage.dumps({"name": STRINGS[12], "id": "1",
        "func": STRINGS[13], "args": (STRINGS[14],), "kwargs": {}}))  # fmt: skip


@pytest.fixture
def attacked(world: World, settings: Any) -> World:
    settings.INFOBIP_RECEIPT_TOKEN = "receipt-t0ken"
    by_names(world)
    by_alerts(world["schedules_team"])
    by_mail(world["schedules_team"])
    by_forms_and_api(world)
    by_rows(timezone.now())
    run_worker(timezone.now())
    worst = Incident.objects.get(source_label="the rest")
    lifecycle.acknowledge(worst.pk, Actor(None, STRINGS[0], "token"), now=timezone.now())
    world["incidents_incident"] = worst
    if payload := ReceivedPayload.objects.filter(incident=worst).first():
        world["alertsources_receivedpayload"] = payload
        world["alertsources_alertsource"] = payload.source
    told = Notification.objects.filter(thread=worst.thread)
    world["notifications_notification"] = told.first()
    world["schedules_settingchange"] = SettingChange.objects.filter(model="schedules.user").first()
    for model in admin.site._registry:
        label = f"{model._meta.app_label}_{model._meta.model_name}"
        world.setdefault(label, model._default_manager.order_by("pk").last())
        assert world[label], label
    return world


def addresses(world: World) -> Iterator[tuple[str, str]]:
    """All of the table of routes, with who looks at each."""
    for name in tried():
        allowed, method = rule_of(name) or (frozenset(), GET)
        looker = next((one for one in LOOKERS if one in allowed), None)
        if method == GET and looker and name not in LEFT_OUT:
            yield looker, address_of(name, world)
    worst = world["incidents_incident"]
    for incident in Incident.objects.exclude(pk=worst.pk)[:4]:
        yield RESPONDER, f"/incidents/{incident.pk}"
    yield RESPONDER, "/incidents?show=all"
    yield RESPONDER, f"/incidents?q={quote(STRINGS[0])}"
    yield ANONYMOUS, f"/a/{token_for(worst.pk, world['people'][RESPONDER].pk)}"
    threads = [one.thread for one in Incident.objects.all()]
    told = world["notifications_notification"]
    bundle = told.bundles.create(threads=threads, created_at=timezone.now())
    yield ANONYMOUS, reverse("answer_all", args=[bundles.token_for(bundle)])
    link = team_tokens.make(
        world["schedules_team"], world["people"][ADMIN], days=1, now=timezone.now()
    )
    yield ANONYMOUS, urlsplit(link).path


def documents(world: World) -> list[Document]:
    """Each page, and where htmx is answered something else, that."""
    found: dict[Document, None] = {}
    clients: dict[str, Client] = {}
    for looker, path in addresses(world):
        if looker not in clients:
            clients[looker] = Client()
            if looker == TOKEN:
                cookie = team_tokens.cookie_for(TeamToken.objects.get(), STRINGS[0])
                clients[looker].cookies[settings.TEAM_COOKIE_NAME] = cookie
            else:
                enter(clients[looker], looker, world)
        for headers in ({"Accept": "text/html"}, {"HX-Request": "true"}):
            answer = clients[looker].get(path, headers=headers)
            assert answer.status_code < 500, path
            if answer.headers.get("content-type", "").startswith("text/html"):
                html = FORM_TOKEN.sub("", HEAVY.sub("", answer.getvalue().decode()))
                found[path, html] = None
            if path.startswith("/admin/"):
                break
    return list(found)


def fired_in(page: Page, opened: list[Document], base: str) -> list[str]:
    """What went off in any of these documents, by their addresses."""
    strange: list[str] = []

    def note(request: Any) -> None:
        if not request.url.startswith((base, "data:", "about:")) or "/trip" in urlsplit(
            request.url
        ).path.removeprefix("/tripwire"):
            strange.append(request.url)

    page.route("**/tripwire", lambda route: route.fulfill(body=TRIED_OUT, content_type="text/html"))
    page.goto(f"{base}/tripwire")
    page.on("request", note)
    fired: list[str] = []
    for start in range(0, len(opened), AT_A_TIME):
        some = opened[start : start + AT_A_TIME]
        fired += page.evaluate(OPEN_ALL, some)
        fired += [f"{one} from one of {[path for path, _ in some]}" for one in strange]
        strange.clear()
    return fired


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1280, "height": 900})
    context.add_init_script(TRIPWIRE)
    yield context.new_page()
    context.close()


def test_there_are_200_strings() -> None:
    assert len(set(STRINGS)) == 200


def test_no_hostile_string_is_more_than_text_on_any_page(
    page: Page, live_server: Any, attacked: World
) -> None:
    # What htmx asks for once a page is there, it is given.
    page.context.add_cookies([session(attacked["people"][ADMIN], live_server.url)])

    assert fired_in(page, documents(attacked), live_server.url) == []


def test_the_tripwire_fires(page: Page, live_server: Any) -> None:
    """A page that let one of the strings through would be noticed, whatever the place."""
    # The last but one ends an attribute, and what is no mark-up at all has nothing to fire.
    alive = [*BEGINNINGS[:-3], f'<p title="{BEGINNINGS[-2]}">']
    let_through = [(f"/{n}", f"<!doctype html><p>{one}") for n, one in enumerate(alive)]

    fired = fired_in(page, let_through, live_server.url)

    assert {one.partition(":")[0] for one in fired} >= {path for path, _ in let_through}
