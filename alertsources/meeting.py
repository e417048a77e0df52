"""Asks what alerts meet: which rows know them, which incidents these are in, and locks them.

Every alert asks, and a storm is mostly repeats, so the questions are written out: building them
costs the ORM more than all else that is done for a repeat. Whoever locks does so in the order
that all of PagerPal keeps: incidents ascending, then alerts.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import connection

from alertsources.cleaning import CleanAlert
from alertsources.models import Alert
from incidents.models import Incident

INCIDENTS = "SELECT * FROM incidents_incident WHERE id IN"
LIVE = "SELECT * FROM alertsources_alert WHERE live_key IN"
COUNT = "UPDATE alertsources_alert SET count = count + 1, last_at = %s WHERE id IN"


def known(alerts: list[CleanAlert]) -> dict[str, set[int]]:
    """Which of their digests any row has, and the incidents these rows are in.

    A cheap question, as most new alerts meet nothing.
    """
    live = [alert.live_key for alert in alerts]
    groups = [alert.group_digest for alert in alerts if alert.is_firing]
    closing = [alert.sender_group for alert in alerts if alert.closes_group]
    asked = (
        ("live_key, incident_id FROM alertsources_alert WHERE live_key", live),
        ("digest, incident_id FROM alertsources_opengroup WHERE digest", groups),
        (
            "sender_group, incident_id FROM alertsources_alert"
            " WHERE status = 'firing' AND sender_group",
            closing,
        ),
    )
    query = " UNION ".join(
        f"SELECT {where} IN ({_holders(values)})" for where, values in asked if values
    )
    found: dict[str, set[int]] = {}
    if query:
        with connection.cursor() as cursor:
            cursor.execute(query, [*live, *groups, *closing])
            for digest, incident_id in cursor.fetchall():
                found.setdefault(digest, set()).update([incident_id] if incident_id else [])
    return found


def lock_incidents(known: dict[str, set[int]]) -> dict[int, Incident]:
    """All incidents that `known` names, by their ids."""
    pks = sorted(set().union(*known.values()))
    if not pks:
        return {}
    query = f"{INCIDENTS} ({_holders(pks)}) ORDER BY id {_for_update()}"
    return {row.pk: row for row in Incident.objects.raw(query, pks)}


def lock_live(live_keys: list[str]) -> dict[str, Alert]:
    """The firing alerts with these live keys; the caller has locked their incidents."""
    query = f"{LIVE} ({_holders(live_keys)}) ORDER BY id {_for_update()}"
    return {row.live_key: row for row in Alert.objects.raw(query, live_keys) if row.live_key}


def count(pks: Sequence[int], *, now: datetime) -> None:
    """One more message for each of these alerts."""
    at = connection.ops.adapt_datetimefield_value(now)
    with connection.cursor() as cursor:
        cursor.execute(f"{COUNT} ({_holders(pks)})", [at, *pks])


def is_plain(alerts: list[CleanAlert]) -> bool:
    """Those that say when they were seen may be late, which only the past can tell."""
    return bool(alerts) and all(alert.is_firing and not alert.occurred_at for alert in alerts)


def unmet(requests: Sequence[list[CleanAlert]], met: dict[str, set[int]]) -> list[bool]:
    """For each request whether all its alerts fire and are new, to the tables and to each other.

    `met` is what is known of them all.
    """
    met = dict(met)
    answers = []
    for alerts in requests:
        digests = {digest for alert in alerts for digest in (alert.live_key, alert.group_digest)}
        is_unmet = is_plain(alerts) and digests.isdisjoint(met)
        if is_unmet:
            met |= {digest: set() for digest in digests}
        answers.append(is_unmet)
    return answers


def _holders(values: Sequence[Any]) -> str:
    return ", ".join(["%s"] * len(values))


def _for_update() -> str:
    """SQLite's transaction is the only one that writes."""
    return "FOR NO KEY UPDATE" if connection.features.has_select_for_update else ""
