"""Why an alert that fires is in no incident, until when, and what is kept of it meanwhile."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from alertsources.cleaning import CleanAlert
from alertsources.models import Alert, AlertSource
from alertsources.sources.base import FIRING
from incidents.lifecycle import urgency_of
from incidents.models import Incident

# A test closes itself after this.
TEST_FOR = timedelta(minutes=15)


@dataclass(frozen=True)
class Hold:
    """Why an alert opens and joins nothing for now."""

    word: str  # what the sender is told: muted, recorded, waiting, info
    reason: str
    until: datetime | None = None
    silence_id: int | None = None


INFO = Hold("info", "Severity info.")


def hold_of(row: Alert, alert: CleanAlert, *, now: datetime) -> Hold | None:
    """What keeps this alert, which is in no incident, from one; None: nothing does."""
    verdict = alert.verdict
    if alert.is_test and not alert.runs_policy:
        if verdict.test_person is not None:
            return None
        return Hold("recorded", "A test, and its source names nobody whom tests page.")
    if alert.is_record_only:
        return Hold("recorded", "Record only, as its sender says.")
    if verdict.recorded:
        return Hold("recorded", verdict.recorded)
    if urgency_of(alert.severity) == Incident.Urgency.NONE:
        return INFO
    if verdict.muted:
        return Hold("muted", verdict.muted, verdict.until, verdict.silence_id)
    if verdict.wait_for and now < (pages_at := row.first_at + verdict.wait_for):
        return Hold("waiting", "Waiting: pages if it still fires then.", pages_at)
    return None


def look_at(row: Alert, alert: CleanAlert, hold: Hold | None) -> datetime | None:
    """When the alert is to be judged without a post: the first of all that can end by itself."""
    after = _resolve_after(alert)
    moments = [
        hold.until if hold else None,
        row.last_at + after if after else None,
        row.first_at + TEST_FOR if alert.is_test else None,
    ]
    return min((at for at in moments if at is not None), default=None)


def is_over(row: Alert, alert: CleanAlert, source: AlertSource, *, now: datetime) -> str:
    """Who ends the alert now without a word from its sender, in words; empty: nobody."""
    if row.is_test and now >= row.first_at + TEST_FOR:
        return "the end of the test"
    after = _resolve_after(alert)
    if after and now >= row.last_at + after:
        return f"{source.name}: not repeated for {after}"
    return ""


def _resolve_after(alert: CleanAlert) -> timedelta | None:
    """What the source says counts before what its sender's kind of message brings along."""
    return alert.verdict.auto_resolve_after or alert.resolve_after


def kept(alert: CleanAlert) -> dict[str, Any]:
    """What an incident that opens later needs and the row has no column for."""
    return {
        "detail": alert.detail,
        "links": alert.links,
        "note": alert.note,
        "group": alert.group,
        "group_digest": alert.verdict.said_group or alert.group_digest,
        "severity": alert.verdict.said_severity or alert.severity,
        "record_only": alert.is_record_only,
        "runs_policy": alert.runs_policy,
    }


def remembered(row: Alert) -> CleanAlert:
    """The alert as its sender said it last, before rules and silences."""
    said: dict[str, Any] = row.kept or {}
    return CleanAlert(
        key=row.key,
        live_key=row.live_key or "",
        group=said.get("group", ""),
        group_digest=said.get("group_digest") or row.group_digest,
        sender_group=row.sender_group,
        status=FIRING,
        title=row.title,
        detail=said.get("detail", ""),
        severity=said.get("severity") or row.severity,
        labels=row.labels,
        links=said.get("links", []),
        started_at=row.started_at,
        note=said.get("note", ""),
        is_test=row.is_test,
        is_record_only=bool(said.get("record_only")),
        resolve_after=row.resolve_after,
        runs_policy=bool(said.get("runs_policy")),
    )


def held_row(row: Alert, alert: CleanAlert, hold: Hold, now: datetime) -> bool:
    """Put the hold on the row in memory; says whether that changes it."""
    values = {
        "group_digest": alert.group_digest,
        "look_at": look_at(row, alert, hold),
        "muted_by_id": hold.silence_id,
        "muted_reason": hold.reason[:300],
        "kept": kept(alert),
    }
    changed = any(getattr(row, name) != value for name, value in values.items())
    for name, value in values.items():
        setattr(row, name, value)
    return changed


HELD_FIELDS = ["group_digest", "look_at", "muted_by", "muted_reason", "kept"]


def released(row: Alert, alert: CleanAlert) -> CleanAlert:
    """Take the hold off the row in memory; the alert says on the timeline that there was one."""
    if row.muted_by_id is not None:
        note = f"Until now: {row.muted_reason}."
        alert = replace(alert, note=f"{alert.note} {note}".strip())
    row.group_digest = alert.group_digest
    row.muted_by, row.muted_reason, row.kept = None, "", None
    row.look_at = look_at(row, alert, None)
    return alert
