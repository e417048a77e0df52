"""Prometheus Alertmanager, "webhook_configs" (message version 4)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, ClassVar
from urllib.parse import quote

from alertsources.sources.base import Link, ParsedAlert, Unreadable, register
from alertsources.sources.grouped import annotated_links, group_alert, group_alerts
from alertsources.sources.values import text_map, text_of


class Alertmanager:
    slug: ClassVar[str] = "alertmanager"
    label: ClassVar[str] = "Prometheus Alertmanager"
    setup: ClassVar[str] = """\
Put this into alertmanager.yml, and name the receiver in a route:

    receivers:
    - name: pagerpal
      webhook_configs:
      - url: "{{ url }}"
        send_resolved: true
        http_config:
          authorization: {credentials: "{{ key }}"}

An Alertmanager before 0.22 has in place of authorization:

    bearer_token: "{{ key }}"

It has no test button. This sends an alert that ends by itself after some minutes, and pages like
any other unless you press "Take what comes next as a test" before:

    amtool --alertmanager.url=http://localhost:9093 alert add \\
      TestOfPagerPal severity=critical --annotation=summary="Test of PagerPal"
"""
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
        return group_alerts(payload, lambda item: _alert(item, payload))


def _alert(item: Any, payload: dict[str, Any]) -> ParsedAlert:
    alert = group_alert(item, payload, nameless="Alertmanager alert")
    return replace(alert, links=tuple(_links(item, payload)))


def _links(item: dict[str, Any], payload: dict[str, Any]) -> Iterator[Link]:
    yield Link("source", text_of(item.get("generatorURL")))
    yield from annotated_links(item)
    if home := text_of(payload.get("externalURL")).rstrip("/"):
        labels = text_map(item.get("labels"))
        filters = ",".join(
            f"{name}={json.dumps(value, ensure_ascii=False)}" for name, value in labels.items()
        )
        if filters:
            yield Link("silence", f"{home}/#/silences/new?filter={_quoted(f'{{{filters}}}')}")
        yield Link("Alertmanager", f"{home}/#/alerts?receiver={_quoted(payload.get('receiver'))}")


def _quoted(value: Any) -> str:
    return quote(text_of(value), safe="", errors="replace")


register(Alertmanager())
