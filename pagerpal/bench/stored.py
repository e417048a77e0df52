"""Fills a database with alerts of the past: copies of one that came the real way."""

from __future__ import annotations

import time
from typing import Any

ALERTS_PER_INCIDENT = 10


def seed(alerts: int) -> float:
    """Store so many alerts, ten to an incident, all resolved; says how many seconds it took."""
    from django.db import connection, connections

    begun = time.monotonic()
    incident, alert, payload = _originals()
    incidents = alerts // ALERTS_PER_INCIDENT
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET statement_timeout = 0")
        copy(cursor, incident, incidents, {})
        copy(
            cursor,
            alert,
            alerts,
            {
                "key": "'past-' || number",
                "incident_id": f"{incident.pk} + 1 + (number %% {incidents})",
            },
        )
        copy(cursor, payload, incidents, {"incident_id": f"{incident.pk} + 1 + number"})
        cursor.execute("ANALYZE")
    connections.close_all()
    return time.monotonic() - begun


def _originals() -> tuple[Any, Any, Any]:
    """An incident, its alert and the message that brought it, resolved."""
    from django.utils import timezone

    from alertsources import intake
    from alertsources.models import Alert, AlertSource, ReceivedPayload
    from alertsources.reading import read
    from incidents import lifecycle
    from incidents.models import Incident

    now = timezone.now()
    source = AlertSource.objects.get(name="storm")
    body = b'{"title": "Disk full", "external_id": "past", "labels": {"host": "db-1"}}'
    reading = read(body, source, kind="generic", now=now)
    intake.take(intake.Delivery(source, body, reading.alerts), now=now)
    alert = Alert.objects.get(key="past")
    incident = Incident.objects.get(alerts=alert)
    lifecycle.resolve(incident.pk, lifecycle.Actor(None, "bench", "web"), now=now)
    Alert.objects.filter(pk=alert.pk).update(status="resolved", live_key=None, resolved_at=now)
    alert.refresh_from_db()
    incident.refresh_from_db()
    return incident, alert, ReceivedPayload.objects.get(incident=incident)


def copy(cursor: Any, row: Any, copies: int, changed: dict[str, str]) -> None:
    """Insert so many copies of a stored row; `changed` gives columns as SQL of a `number`."""
    columns = [field.column for field in row._meta.concrete_fields if not field.primary_key]
    values = ", ".join(changed.get(column, f'"{column}"') for column in columns)
    names = ", ".join(f'"{column}"' for column in columns)
    table = row._meta.db_table
    cursor.execute(
        f"INSERT INTO {table} ({names}) "  # noqa: S608  all of it from our own models
        "WITH RECURSIVE numbers(number) AS "
        "(SELECT 0 UNION ALL SELECT number + 1 FROM numbers WHERE number + 1 < %s) "
        f"SELECT {values} FROM numbers CROSS JOIN {table} WHERE {table}.id = %s",
        [copies, row.pk],
    )
