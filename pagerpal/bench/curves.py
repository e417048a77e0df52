"""How the cost grows with ten times, and a hundred times, as much of one thing."""

from __future__ import annotations

import time

from pagerpal.bench import messages, several, tabs
from pagerpal.bench.load import fire
from pagerpal.bench.site import Figure, ms, percentile, phone, prepare, served

ALERTS = (20, 200, 2_000)
TEAMS, ALERTS_OF_TEAMS = (1, 10, 100), 300
TIMES_THE_TABS, TABS_FOR = (0.1, 1, 10), 10
# Of one worker; it keeps one of them free of each provider.
PROCESSES, MESSAGES = (2, 4, 8), 200
PATIENCE = 60.0


def measure(port: int) -> list[Figure]:
    """On the database of the environment, which is fresh."""
    prepare()
    found = list(_tabs(port))
    keys = messages.teams()
    for alerts in ALERTS:
        found += _storm(port, keys[:10], alerts, f"{alerts:,} alerts at once, 10 teams")
    for teams in TEAMS:
        what = f"{ALERTS_OF_TEAMS} alerts at once, {teams} team{'s' if teams > 1 else ''}"
        found += _storm(port, keys[:teams], ALERTS_OF_TEAMS, what)
    for processes in PROCESSES:
        _clear()
        more = {"PAGERPAL_WORKERS": str(processes)}
        rate = several.pages_a_minute(1, MESSAGES, **more)
        taking = ms(several.ANSWERS_AFTER)
        what = f"pages a minute, provider takes {taking}: {processes} processes for tasks"
        found.append(Figure(what, f"{rate:.0f}"))
    return found


def _storm(port: int, keys: list[str], alerts: int, what: str) -> list[Figure]:
    """How fast they are taken in, and when whoever is on call had been told of the last."""
    _clear()
    name = f"{alerts}-of-{len(keys)}-"
    more = {"ADDRESS_LIMITS": "ntfy=99999/99999"}
    with phone() as (_, address), served(port, NTFY_BASE_URL=address, **more):
        begun = time.time()
        fired = fire(port, *keys, alerts=alerts, name=name)
        told = _wait_until_told(name)
    answered = ms(percentile(fired.waits, 99))
    said = f"{fired.rate:.0f}/s, answered p99 {answered}, last told of after "
    said += f"{max(told, default=begun) - begun:.1f} s; {len(told)} of {alerts}"
    return [Figure(what, said, "all")]


def _wait_until_told(name: str) -> list[float]:
    """When each incident's first message was taken. Asked of the rows: one may tell of many."""
    from django.db import connections
    from django.db.models import Min

    from alertsources.models import Alert
    from notifications.models import Notification

    alerts = Alert.objects.filter(key__startswith=name).exclude(incident=None)
    threads = {f"incident:{pk}" for pk in alerts.values_list("incident", flat=True)}
    sent = Notification.objects.filter(purpose="page", state="sent")
    ends = time.monotonic() + PATIENCE
    while True:
        first = sent.values_list("thread").order_by().annotate(at=Min("settled_at"))
        told = [at.timestamp() for thread, at in first if thread in threads and at]
        if len(told) == len(threads) or time.monotonic() > ends:
            connections.close_all()
            return told
        time.sleep(0.5)


def _clear() -> None:
    """Nothing fires or waits any more of what was before, and no source has a limit."""
    from django.db import connections
    from django.utils import timezone

    from alertsources.models import Alert, AlertSource
    from incidents.models import Incident
    from notifications.models import Notification

    over = {"resolved_at": timezone.now()}
    Notification.objects.filter(state__in=("pending", "sending")).delete()
    Alert.objects.filter(status="firing").update(status="resolved", live_key=None, **over)
    Incident.objects.open().update(state="resolved", escalate_at=None, **over)
    AlertSource.objects.update(limit_per_minute=0)
    connections.close_all()


def _tabs(port: int) -> list[Figure]:
    return [
        Figure(
            f"{number} open tabs, {len(waits) / TABS_FOR:.0f} polls a second",
            f"{busy - idle:.1f} % of a core more; 204 p95 {ms(percentile(waits, 95))}",
        )
        for number, idle, busy, waits in tabs.costs(port, TABS_FOR, TIMES_THE_TABS)
    ]
