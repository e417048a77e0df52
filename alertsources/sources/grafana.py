"""Grafana's unified alerting (8.0 and later), contact point "Webhook"."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from alertsources import signatures
from alertsources.sources.base import Link, ParsedAlert, register, registry
from alertsources.sources.generic import generic_alert
from alertsources.sources.grouped import annotated_links, group_alert, group_alerts
from alertsources.sources.values import first_text, text_map, text_of

if TYPE_CHECKING:
    from alertsources.models import AlertSource

SIGNATURE_HEADER = "X-Grafana-Alerting-Signature"
TIMESTAMP_HEADER = "X-Grafana-Alerting-Timestamp"

# What takes the place of a rule's own alert while it cannot be evaluated.
STAND_INS = {"DatasourceNoData": "no data", "DatasourceError": "query error"}
# Notification type, fingerprint, Unix time; a real group has its labels in braces.
GROUP_OF_TEST = re.compile(r"[^{}]+-[0-9a-f]{16}-\d{9,}")


class Grafana:
    slug: ClassVar[str] = "grafana"
    label: ClassVar[str] = "Grafana"
    takes_secret: ClassVar[bool] = True
    marks_tests: ClassVar[bool] = True
    setup: ClassVar[str] = """\
Alerting > Contact points > Add contact point, Integration: Webhook, URL:

    {{ url }}

Optional Webhook settings > Authorization Header - Scheme: Bearer, Credentials:

    {{ key }}

Or as a file in provisioning/alerting:

    apiVersion: 1
    contactPoints:
    - orgId: 1
      name: PagerPal
      receivers:
      - uid: pagerpal
        type: webhook
        settings:
          url: "{{ url }}"
          httpMethod: POST
          authorization_scheme: Bearer
          authorization_credentials: "{{ key }}"

Grafana before 9.1 has no such header: use Basic Authentication with any user and the key as
password. Then name the contact point in a notification policy. "Test" pages the test person of
this source, or is only recorded. To have messages signed, set HMAC Signature > Secret there (and
Timestamp Header: X-Grafana-Alerting-Timestamp), and the same secret here.
"""
    example: ClassVar[dict[str, Any]] = {
        "version": "1",
        "orgId": 1,
        "groupKey": '{}/{}:{alertname="High CPU"}',
        "status": "firing",
        "state": "alerting",
        "receiver": "PagerPal",
        "externalURL": "https://grafana.example.com/",
        "alerts": [
            {
                "status": "firing",
                "labels": {"alertname": "High CPU", "instance": "node1", "severity": "critical"},
                "annotations": {"summary": "CPU above 90% on node1"},
                "startsAt": "2026-11-21T23:49:10Z",
                "endsAt": "0001-01-01T00:00:00Z",
                "generatorURL": "https://grafana.example.com/alerting/grafana/edyq1/view",
                "fingerprint": "07a08467da3daa95",
                "panelURL": "https://grafana.example.com/d/rYdddlPWk?viewPanel=2",
                "values": {"A": 97.3},
            }
        ],
    }

    def parse(self, payload: Any) -> Iterator[Any]:
        if isinstance(payload, dict) and "alerts" in payload:
            return group_alerts(payload, lambda item: _alert(item, payload))
        if isinstance(payload, dict) and "ruleId" in payload:
            # A contact point that has been here since before version 8.
            return registry["grafana-legacy"].parse(payload)
        if isinstance(payload, dict):  # a payload template of its user's own
            return iter([generic_alert(payload)])
        raise ValueError("expected Grafana's object with a list of alerts")

    def check(self, body: bytes, headers: Mapping[str, str], source: AlertSource) -> None:
        """A message is signed alone, or together with the time in a header of its own."""
        if not source.signing_secret:
            return
        settings = text_map(source.settings)
        name = settings.get("signature_header") or SIGNATURE_HEADER
        timed_by = settings.get("timestamp_header", "")
        timestamp = headers.get(timed_by or TIMESTAMP_HEADER, "").strip()
        if timed_by and not timestamp:
            raise signatures.missing(timed_by)
        signed = timestamp.encode() + b":" + body if timestamp else body
        signatures.check_hmac(source.signing_secret, signed, headers.get(name, ""), name=name)
        if timestamp:
            signatures.check_fresh(timestamp)


def _alert(item: Any, payload: dict[str, Any]) -> ParsedAlert:
    if isinstance(item, dict) and not item.get("labels") and not item.get("fingerprint"):
        # A payload template of its user's own that has kept the list.
        return generic_alert(item)
    alert = group_alert(item, payload, nameless="Grafana alert")
    notes = text_map(item.get("annotations"))
    if reason := STAND_INS.get(alert.labels.get("alertname", "")):
        words = first_text(notes, "description", "summary")
        alert = replace(alert, title=f"{_rule_of(alert)}: {reason}", detail=words)
    alert = replace(
        alert,
        detail="\n".join([alert.detail, *_circumstances(item, notes)]).strip(),
        links=tuple(_links(item)),
        image=text_of(item.get("imageURL")),
    )
    if _is_test(alert, notes):
        # Each press of the button by itself: the fingerprint is always the same.
        return replace(alert, key=f"test {alert.group}", is_test=True)
    return alert


def _is_test(alert: ParsedAlert, notes: dict[str, str]) -> bool:
    if alert.labels.get("alertname") != "TestAlert":
        return False
    is_plain = notes.get("summary") == "Notification test"
    return is_plain or bool(GROUP_OF_TEST.fullmatch(alert.group[:500]))


def _rule_of(alert: ParsedAlert) -> str:
    return first_text(dict(alert.labels), "rulename", "alertname")


def _circumstances(item: dict[str, Any], notes: dict[str, str]) -> Iterator[str]:
    """What Grafana says beside its users' words."""
    values = item.get("values")
    if isinstance(values, dict) and values:
        yield "Values: " + ", ".join(f"{name}={_short(value)}" for name, value in values.items())
    if error := notes.get("Error"):
        yield f"Error: {error}"
    if reason := notes.get("grafana_state_reason"):
        yield f"State reason: {reason}"


def _short(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else text_of(value)


def _links(item: dict[str, Any]) -> Iterator[Link]:
    yield Link("panel", text_of(item.get("panelURL")))
    yield Link("dashboard", text_of(item.get("dashboardURL")))
    yield Link("source", text_of(item.get("generatorURL")))
    yield from annotated_links(item)
    yield Link("silence", text_of(item.get("silenceURL")))


register(Grafana())
