"""What a page costs beside very many incidents: server time, and what goes over the wire."""

from __future__ import annotations

import gzip
import re
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from pagerpal.bench.site import Figure, ms, percentile
from pagerpal.bench.stored import copy

TEAMS, MINE, OPEN = 20, 2, 60
ENTRIES, CALLS = 10, 2
YEAR = 365 * 24 * 3600
TIMES = 60
UNDER, POLL_UNDER = "p95 under 100 ms", "p95 under 10 ms"
# What a page needs besides itself, fetched once.
ASSET = re.compile(r'(?:href|src)="/static/([^"?]+\.(?:css|js|svg|webmanifest))[^"]*"')


def measure(incidents: int) -> list[Figure]:
    """The figures of the pages, on the database of the environment, which is fresh."""
    import django

    django.setup()
    from django.conf import settings
    from django.core.management import call_command

    settings.ALLOWED_HOSTS = ["127.0.0.1"]
    call_command("migrate", verbosity=0)
    begun = time.monotonic()
    admin, member, first = fill(incidents)
    figures = [
        Figure(
            f"stored: {incidents} incidents, {incidents * ENTRIES} entries of their timelines",
            f"{time.monotonic() - begun:.0f} s",
        )
    ]
    for who, user in (("an admin", admin), (f"a responder of {MINE} of {TEAMS} teams", member)):
        figures += _of_person(who, user, first, incidents)
    return figures + _weights(admin, _busy(first, incidents))


def _of_person(who: str, user: Any, first: int, incidents: int) -> list[Figure]:
    get = _client(user)
    busy = _busy(first, incidents)
    pages = {
        "list, open": "/incidents?show=open",
        "list, mine": "/incidents?show=mine",
        "list, all": "/incidents?show=all",
        "list, all, from the middle on": f"/incidents?show=all&after={first + incidents // 2}",
        "list, one team and severity": f"/incidents?show=all&severity=info&team={_team_of(user)}",
        "list, a month long ago": f"/incidents?show=all&{_month_ago(10)}",
        "search, found often": "/incidents?show=all&q=disk",
        "search, found once": f"/incidents?show=all&q=db-{incidents - 40_000}.",
        "search, never found": "/incidents?show=all&q=zebra+xylophone",
        "search by number": f"/incidents?show=all&q=%23{first + 7}",
        "incident": f"/incidents/{busy}",
        "dashboard": "/dashboard",
    }
    figures = [Figure(f"{name}, {who}", _p95(get, path), UNDER) for name, path in pages.items()]
    figures.append(Figure(f"log of 30 days, {who}", _p95(get, "/incidents/log", 10)))
    for name, path in {
        "list": "/incidents?show=open",
        "list, all": "/incidents?show=all",
        "dashboard": "/dashboard?",
    }.items():
        seen = _seen(get(path))
        figures.append(_poll(f"poll of the {name}, {who}", get, f"{path}&seen={seen}"))
    path = f"/incidents/{busy}/status?seen={_seen(get(f'/incidents/{busy}'))}"
    return [*figures, _poll(f"poll of an incident, {who}", get, path)]


def _busy(first: int, incidents: int) -> int:
    """One of the last, which waits, of a team that everybody here is in."""
    return first + incidents - TEAMS


def _seen(page: Any) -> str:
    """What a page says it shows, and sends along when it asks whether that still holds."""
    found = re.search(r'hx-get="[^"]*[?;&]seen=([^"&]*)"', page.content.decode())
    if not found:
        raise RuntimeError("a page that is live says nothing of what it shows")
    return found[1]


def _poll(name: str, get: Callable[..., Any], path: str) -> Figure:
    code = get(path, headers={"HX-Request": "true"}).status_code
    if code != 204:
        raise RuntimeError(f"{path} was answered {code}, not 204")
    return Figure(name, _p95(get, path, headers={"HX-Request": "true"}), POLL_UNDER)


def _weights(user: Any, busy: int) -> list[Figure]:
    """Of first visits with all that they load, and of polls that bring news; gzipped."""
    get = _client(user)
    figures = []
    for name, path in {"list": "/incidents?show=open", "incident": f"/incidents/{busy}"}.items():
        page = get(path).content
        total = _gzipped(page) + sum(map(_gzipped, _assets(page.decode())))
        figures.append(Figure(f"weight of the {name}, first visit", _kb(total), "under 60 KB"))
    for name, path in {
        "list": "/incidents?show=open&seen=x",
        "incident": f"/incidents/{busy}/status?seen=x",
        "dashboard": "/dashboard?seen=x",
    }.items():
        news = get(path, headers={"HX-Request": "true"}).content
        figures.append(
            Figure(f"weight of a poll with news: {name}", _kb(_gzipped(news)), "under 5 KB")
        )
    return figures


def _assets(page: str) -> list[bytes]:
    from pathlib import Path

    from django.contrib.staticfiles import finders

    names = {re.sub(r"\.[0-9a-f]{12}(?=\.)", "", name) for name in ASSET.findall(page)}
    found = [finders.find(name) for name in sorted(names)]
    return [Path(path).read_bytes() for path in found if isinstance(path, str)]


def _gzipped(body: bytes) -> int:
    return len(gzip.compress(body, 6))


def _kb(size: int) -> str:
    return f"{size / 1000:.1f} KB"


def _client(user: Any) -> Callable[..., Any]:
    """Through all middleware, as gunicorn would hand it over."""
    from django.test import Client

    client = Client(HTTP_HOST="127.0.0.1")
    client.force_login(user)
    return client.get


def _p95(get: Callable[..., Any], path: str, times: int = TIMES, **more: Any) -> str:
    taken, worked = [], []
    get(path, **more)  # templates and connections are warm in a process that serves
    for _ in range(times):
        begun, spent = time.perf_counter(), time.process_time()
        if get(path, **more).status_code not in {200, 204}:
            raise RuntimeError(f"{path} was not answered")
        taken.append(time.perf_counter() - begun)
        worked.append(time.process_time() - spent)
    # On a machine that others use, the second says more.
    return f"{ms(percentile(taken, 95))}, of CPU {ms(percentile(worked, 95))}"


def _team_of(user: Any) -> int:
    from schedules.models import Team

    teams = user.teams.all() if user.teams.exists() else Team.objects.all()
    team: int = teams.order_by("pk")[0].pk
    return team


def _month_ago(months: int) -> str:
    from django.utils import timezone

    first = timezone.localdate() - timedelta(days=30 * months)
    return f"from={first}&to={first + timedelta(days=29)}"


def fill(incidents: int) -> tuple[Any, Any, int]:
    """A year of incidents of many teams, the last of them open; an admin, a member, the first."""
    from django.db import connection

    from schedules.models import Membership, Team, User

    teams = [Team.objects.create(name=f"team {number}") for number in range(TEAMS)]
    admin = User.objects.create_superuser("admin@example.org", name="admin")
    member = User.objects.create_user("member@example.org", name="member")
    other = User.objects.create_user("other@example.org", name="other")
    for team in teams:
        Membership.objects.create(team=team, user=other)
    for team in teams[:MINE]:
        Membership.objects.create(team=team, user=member)
    incident, entry, call, message = _originals(teams[0], member)
    first, tenth = incident.pk + 1, f"(number / {ENTRIES})"
    ago = _ago(incidents)
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET statement_timeout = 0")
        copy(cursor, incident, incidents, _incident_columns(teams[0].pk, ago))
        copy(
            cursor,
            entry,
            incidents * ENTRIES,
            {
                "incident_id": f"{first} + {tenth}",
                "at": ago(f"{tenth}", f"number %% {ENTRIES} * 20"),
                "kind": f"CASE number %% {ENTRIES} WHEN 0 THEN 'opened' WHEN 3 THEN 'acknowledged' "
                "WHEN 9 THEN 'resolved' ELSE 'delivery' END",
            },
        )
        who = f"CASE WHEN {_half()} %% {TEAMS} < {MINE} THEN {member.pk} ELSE {other.pk} END"
        of_call = {"user_id": who, "created_at": ago(_half(), "9")}
        copy(
            cursor,
            call,
            incidents * CALLS,
            {**of_call, "incident_id": f"{first} + {_half()}", "step": f"'' || number %% {CALLS}"},
        )
        copy(
            cursor,
            message,
            incidents * CALLS,
            {
                **of_call,
                "key": "'past-' || number",
                "ref": f"'page:' || ({call.pk} + 1 + number)",
                "thread": f"'incident:' || ({first} + {_half()})",
                "due_at": ago(_half(), "9"),
                "settled_at": ago(_half(), "11"),
            },
        )
        _open_last(cursor, first + incidents - OPEN)
        cursor.execute("ANALYZE")
    return admin, member, first


def _half() -> str:
    return f"(number / {CALLS})"


def _incident_columns(team: int, ago: Callable[..., str]) -> dict[str, str]:
    rest = "isk ' || (number %% 100) || '%% full on db-' || number || '.'"
    said = "'grows by 1%% every 3 minutes; node exporter says that 4 of 100 GB are left. '"
    text = " || ".join([said] * 4)
    return {
        "team_id": f"{team} + number %% {TEAMS}",
        "title": f"'D{rest}",
        "detail": text,
        "search_text": f"'d{rest} || ' ' || {text}",
        "severity": "CASE number %% 10 WHEN 0 THEN 'critical' WHEN 1 THEN 'warning' "
        "WHEN 2 THEN 'info' ELSE 'high' END",
        "source_label": f"'source ' || (number %% {3 * TEAMS})",
        "opened_at": ago("number", "0"),
        "acknowledged_at": ago("number", "60"),
        "resolved_at": ago("number", "180"),
    }


def _ago(incidents: int) -> Callable[..., str]:
    """SQL of when so many-th of all was opened, evenly over a year, and so many seconds later."""
    from django.db import connection

    def ago(number: str, later: str) -> str:
        past = f"(({incidents} - {number}) * {YEAR // incidents} + 300 - ({later}))"
        if connection.vendor == "postgresql":
            return f"now() - {past} * interval '1 second'"
        return f"strftime('%%Y-%%m-%%d %%H:%%M:%%f', 'now', '-' || {past} || ' seconds')"

    return ago


def _open_last(cursor: Any, first: int) -> None:
    """Two thirds of them acknowledged, the others waiting, at peace for the next hour."""
    from django.utils import timezone

    from incidents.models import Incident

    last = Incident.objects.filter(pk__gte=first)
    nobody = {"resolved_at": None, "owner": None, "acknowledged_at": None}
    soon = timezone.now() + timedelta(hours=1)
    last.update(state="acknowledged", resolved_at=None)
    waiting = last.filter(pk__gte=first + 2 * OPEN // 3)
    waiting.update(state="triggered", escalate_at=soon, **nobody)


def _originals(team: Any, user: Any) -> tuple[Any, Any, Any, Any]:
    """An incident as it is when all is over, an entry of its history, a page and its message."""
    from django.utils import timezone

    from incidents import lifecycle
    from incidents.models import Page, TimelineEntry
    from notifications.models import ContactMethod, Notification

    now = timezone.now()
    opening = lifecycle.Opening(
        team=team,
        title="Disk full",
        labels={"host": "db-1", "env": "prod", "job": "node"},
        links=[{"label": "Runbook", "url": "https://runbooks.example.org/disk"}],
    )
    incident = lifecycle.open_incident(opening, now=now)
    lifecycle.resolve(incident.pk, lifecycle.Actor(None, "bench", "web"), now=now)
    incident.refresh_from_db()
    entry = TimelineEntry.objects.filter(incident=incident).first()
    call = Page.objects.create(
        incident=incident, episode=1, round=0, step="s", user=user, label="step 1", created_at=now
    )
    method = ContactMethod.objects.create(user=user, channel="ntfy", address="topic")
    message = Notification.objects.create(
        purpose="page",
        thread=incident.thread,
        key="past",
        ref=call.ref,
        user=user,
        contact_method=method,
        channel="ntfy",
        address="topic",
        state="delivered",
        due_at=now,
        settled_at=now,
    )
    return incident, entry, call, message
