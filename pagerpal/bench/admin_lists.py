"""What the lists of the admin cost beside very many rows: server time, of each of the big ones."""

from __future__ import annotations

import time
from typing import Any

from pagerpal.bench import pages
from pagerpal.bench.site import Figure
from pagerpal.bench.stored import copy

UNDER = "p95 under 200 ms"
TIMES = 20


def measure(rows: int) -> list[Figure]:
    """The figures of the admin, on the database of the environment, which is fresh."""
    import django

    django.setup()
    from django.conf import settings
    from django.core.management import call_command

    settings.ALLOWED_HOSTS = ["127.0.0.1"]
    call_command("migrate", verbosity=0)
    begun = time.monotonic()
    admin, lead = _fill(rows)
    figures = [Figure(f"stored: {rows} rows of each list", f"{time.monotonic() - begun:.0f} s")]
    for who, user, lists in (("an admin", admin, ALL), ("a lead", lead, OF_LEADS)):
        get = pages._client(user)
        figures += [
            Figure(f"admin: {name}, {who}", pages._p95(get, f"/admin/{path}", TIMES), UNDER)
            for name, path in lists.items()
        ]
    return figures


OF_LEADS = {
    "first page": "",
    "incidents": "incidents/incident/",
    "incidents, triggered": "incidents/incident/?state__exact=triggered",
    "alerts": "alertsources/alert/",
    "messages received": "alertsources/receivedpayload/",
    "changes of settings": "schedules/settingchange/",
}
ALL = {
    **OF_LEADS,
    "incidents, counted by filter": "incidents/incident/?_facets=True",
    "incidents, found by title": "incidents/incident/?q=db-77",
    "incidents, page 500": "incidents/incident/?p=500",
    "alerts, resolved": "alertsources/alert/?status__exact=resolved",
    "notifications": "notifications/notification/",
    "notifications, failed": "notifications/notification/?state__exact=failed",
    "changes of settings, of rotations": "schedules/settingchange/?kind=schedules.rotation",
}


def _fill(rows: int) -> tuple[Any, Any]:
    """An admin, a lead of two of the teams, and so many rows in each list."""
    from django.db import connection

    from alertsources.models import Alert, AlertSource, ReceivedPayload
    from schedules.models import Membership, SettingChange, Team

    admin, lead, _ = pages.fill(rows)
    Membership.objects.filter(user=lead).update(role=Membership.Role.LEAD)
    teams = list(Team.objects.order_by("pk"))
    sources = [
        AlertSource.objects.create(team=team, name="monitor", key_hash=f"{team.pk}", key_hint="x")
        for team in teams
    ]
    alert = _alert(sources[0])
    payload = ReceivedPayload.objects.create(
        source=sources[0], received_at=alert.first_at, body=b'{"title": "Disk full"}' * 40,
        result="taken", note="opened #1",
    )  # fmt: skip
    change = SettingChange.objects.filter(model="schedules.team").latest("pk")
    source = f"{sources[0].pk} + number %% {len(sources)}"
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET statement_timeout = 0")
        copy(cursor, alert, rows, {"key": "'past-' || number", "source_id": source})
        copy(cursor, payload, rows, {"source_id": source})
        copy(cursor, change, rows, {"team_id": f"{teams[0].pk} + number %% {len(teams)}"})
        cursor.execute("ANALYZE")
        if connection.vendor == "postgresql":
            cursor.execute("SET statement_timeout = 5000")
    assert Alert.objects.count() > rows  # noqa: S101  else the figures are of something else
    return admin, lead


def _alert(source: Any) -> Any:
    from django.utils import timezone

    from alertsources.models import Alert

    now = timezone.now()
    return Alert.objects.create(
        source=source, key="past", title="Disk full", severity="high", status="resolved",
        first_at=now, last_at=now, resolved_at=now,
    )  # fmt: skip
