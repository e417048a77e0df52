"""The message of groups that Alertmanager made and Grafana took over: a group with its alerts."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from alertsources.sources.base import FIRING, RESOLVED, Link, ParsedAlert, Unreadable, each
from alertsources.sources.values import first_text, text_map, text_of, time_of

ANNOTATED_LINKS = ("runbook_url", "runbook", "dashboard_url", "dashboard")


def group_alerts(
    payload: dict[str, Any], read: Callable[[Any], ParsedAlert]
) -> Iterator[ParsedAlert | Unreadable]:
    """Each alert of the group by itself; what was cut off is told, and ended with its group."""
    alerts = payload["alerts"] or []
    if not isinstance(alerts, list):
        # The sender's own all the same, so no other source shall try its luck with it.
        yield Unreadable("its alerts are no list")
        return
    cut = _cut_count(payload)
    for place, alert in enumerate(each(alerts, read)):
        if cut and isinstance(alert, ParsedAlert):
            yield _of_cut_message(alert, payload, cut, is_first=place == 0)
        else:
            yield alert


def group_alert(item: Any, payload: dict[str, Any], *, nameless: str) -> ParsedAlert:
    """What both senders say in the same way.

    Neither can be put in order by its times: a start may be moved back while an alert fires. And
    each sends one message after the other, so there is nothing to put in order.
    """
    if not isinstance(item, dict):
        raise ValueError("it is no object")
    labels, notes = text_map(item.get("labels")), text_map(item.get("annotations"))
    status = text_of(item.get("status") or payload.get("status")).lower()
    return ParsedAlert(
        key=text_of(item.get("fingerprint")) or fingerprint(labels),
        status=RESOLVED if status == "resolved" else FIRING,
        title=first_text(notes, "summary", "title", "message") or _title_from(labels) or nameless,
        group=text_of(payload.get("groupKey")),
        detail=first_text(notes, "description", "message") or _listed(labels),
        severity=first_text(labels, "severity", "priority", "level"),
        labels=labels,
        started_at=time_of(item.get("startsAt")),
    )


def annotated_links(item: dict[str, Any]) -> Iterator[Link]:
    notes = text_map(item.get("annotations"))
    for name in ANNOTATED_LINKS:
        yield Link(name.removesuffix("_url"), notes.get(name, ""))


def fingerprint(labels: dict[str, str]) -> str:
    """Our own, for an Alertmanager before 0.19: the same labels are the same alert."""
    text = json.dumps(labels, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _of_cut_message(
    alert: ParsedAlert, payload: dict[str, Any], cut: int, *, is_first: bool
) -> ParsedAlert:
    """Alerts beyond the sender's limit are never sent, nor is their end.

    So the end of the whole group has to stand for theirs, and while it fires the count is shown.
    """
    if text_of(payload.get("status")) == "resolved":
        return replace(alert, closes_group=True)
    if not is_first:
        return alert
    return replace(alert, detail=f"{alert.detail}\n\n{cut} more alerts were not transmitted.")


def _cut_count(payload: dict[str, Any]) -> int:
    count = payload.get("truncatedAlerts")
    return count if isinstance(count, int) else 0


def _title_from(labels: dict[str, str]) -> str:
    if name := labels.get("alertname"):
        return f"{name} on {labels['instance']}" if labels.get("instance") else name
    return next((f"{name}={value}" for name, value in labels.items()), "")


def _listed(labels: dict[str, str]) -> str:
    return "\n".join(f"{name}: {value}" for name, value in labels.items())
