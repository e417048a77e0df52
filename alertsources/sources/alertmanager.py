"""Prometheus Alertmanager, "webhook_configs" (message version 4)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, ClassVar
from urllib.parse import quote

from alertsources.sources.base import (
    FIRING,
    RESOLVED,
    Link,
    ParsedAlert,
    Unreadable,
    each,
    register,
)
from alertsources.sources.values import first_text, text_map, text_of, time_of

ANNOTATED_LINKS = ("runbook_url", "runbook", "dashboard_url", "dashboard")


class Alertmanager:
    slug: ClassVar[str] = "alertmanager"
    label: ClassVar[str] = "Prometheus Alertmanager"
    setup: ClassVar[str] = (
        "receivers:\n"
        "- name: pagerpal\n"
        "  webhook_configs:\n"
        "  - url: {{ url }}\n"
        "    http_config:\n"
        "      authorization: {credentials: {{ key }}}"
    )
    example: ClassVar[dict[str, Any]] = {
        "version": "4",
        "groupKey": '{}:{alertname="DiskFull"}',
        "status": "firing",
        "receiver": "pagerpal",
        "externalURL": "http://alertmanager.example.com:9093",
        "alerts": [
            {
                "status": "firing",
                "labels": {"alertname": "DiskFull", "instance": "db1", "severity": "critical"},
                "annotations": {"summary": "Disk on db1 is 97% full"},
                "startsAt": "2026-11-21T23:49:13.226755Z",
                "endsAt": "0001-01-01T00:00:00Z",
                "generatorURL": "http://prometheus.example.com:9090/graph",
                "fingerprint": "c31164207d2d146b",
            }
        ],
    }

    def parse(self, payload: Any) -> Iterator[ParsedAlert | Unreadable]:
        if not isinstance(payload, dict) or "alerts" not in payload:
            raise ValueError("expected Alertmanager's object with a list of alerts")
        alerts = payload["alerts"] or []
        if not isinstance(alerts, list):
            # Alertmanager's all the same, so no other source shall try its luck with it.
            yield Unreadable("its alerts are no list")
            return
        cut = _cut_count(payload)
        for place, alert in enumerate(each(alerts, lambda item: _alert(item, payload))):
            if cut and isinstance(alert, ParsedAlert):
                yield _of_cut_message(alert, payload, cut, is_first=place == 0)
            else:
                yield alert


def _alert(item: Any, payload: dict[str, Any]) -> ParsedAlert:
    if not isinstance(item, dict):
        raise ValueError("it is no object")
    labels, notes = text_map(item.get("labels")), text_map(item.get("annotations"))
    status = text_of(item.get("status") or payload.get("status")).lower()
    return ParsedAlert(
        key=text_of(item.get("fingerprint")) or _fingerprint(labels),
        status=RESOLVED if status == "resolved" else FIRING,
        title=first_text(notes, "summary", "title", "message") or _title_from(labels),
        group=text_of(payload.get("groupKey")),
        detail=first_text(notes, "description", "message") or _listed(labels),
        severity=first_text(labels, "severity", "priority", "level"),
        labels=labels,
        links=tuple(_links(item, notes, payload)),
        started_at=time_of(item.get("startsAt")),
    )


def _of_cut_message(
    alert: ParsedAlert, payload: dict[str, Any], cut: int, *, is_first: bool
) -> ParsedAlert:
    """Alerts beyond `max_alerts` are never sent, nor is their end.

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


def _fingerprint(labels: dict[str, str]) -> str:
    """Our own, for an Alertmanager before 0.19: the same labels are the same alert."""
    text = json.dumps(labels, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _title_from(labels: dict[str, str]) -> str:
    if name := labels.get("alertname"):
        return f"{name} on {labels['instance']}" if labels.get("instance") else name
    return next((f"{k}={v}" for k, v in labels.items()), "Alertmanager alert")


def _listed(labels: dict[str, str]) -> str:
    return "\n".join(f"{name}: {value}" for name, value in labels.items())


def _links(item: dict[str, Any], notes: dict[str, str], payload: dict[str, Any]) -> Iterator[Link]:
    yield Link("source", text_of(item.get("generatorURL")))
    for name in ANNOTATED_LINKS:
        yield Link(name.removesuffix("_url"), notes.get(name, ""))
    if home := text_of(payload.get("externalURL")).rstrip("/"):
        receiver = quote(text_of(payload.get("receiver")), safe="", errors="replace")
        yield Link("Alertmanager", f"{home}/#/alerts?receiver={receiver}")


register(Alertmanager())
