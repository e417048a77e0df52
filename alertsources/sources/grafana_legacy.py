"""Grafana's dashboard alerts (up to 8, optional until 10), notification channel "webhook"."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from alertsources.sources.base import (
    FIRING,
    RESOLVED,
    Link,
    ParsedAlert,
    register,
    registry,
)
from alertsources.sources.values import first_text, text_map, text_of

# The others (paused, pending, unknown) say nothing about an alert.
STATES = {"alerting": FIRING, "no_data": FIRING, "ok": RESOLVED}
SILENT_STATES = frozenset({"paused", "pending", "unknown"})


class GrafanaLegacy:
    slug: ClassVar[str] = "grafana-legacy"
    label: ClassVar[str] = "Grafana dashboard alerts (before 9)"
    marks_tests: ClassVar[bool] = True
    setup: ClassVar[str] = """\
Alerting > Notification channels > Add channel, Type: webhook, Http Method: POST, Url:

    {{ url }}

Username: pagerpal, Password:

    {{ key }}

Or as a file in provisioning/notifiers:

    notifiers:
    - name: PagerPal
      type: webhook
      uid: pagerpal
      org_id: 1
      send_reminder: false
      settings:
        url: "{{ url }}"
        httpMethod: POST
        username: pagerpal
        password: "{{ key }}"

Leave "Disable Resolve Message" off. A tag "severity" of an alert rule sets its severity.
"""
    example: ClassVar[dict[str, Any]] = {
        "orgId": 1,
        "dashboardId": 1,
        "panelId": 2,
        "ruleId": 17,
        "ruleName": "CPU web",
        "ruleUrl": "https://grafana.example.com/d/hZ7BuVbWz/shop?viewPanel=2",
        "state": "alerting",
        "title": "[Alerting] CPU web",
        "message": "CPU is too high",
        "evalMatches": [{"metric": "web1", "value": 97, "tags": None}],
        "tags": {"severity": "critical"},
    }

    def parse(self, payload: Any) -> Iterator[Any]:
        if isinstance(payload, dict) and "alerts" in payload:  # it has been brought up to date
            yield from registry["grafana"].parse(payload)
            return
        if not isinstance(payload, dict) or "ruleId" not in payload or "state" not in payload:
            raise ValueError("expected Grafana's object with a ruleId and a state")
        state = text_of(payload["state"]).lower()
        if state not in SILENT_STATES:
            yield _alert(payload, STATES.get(state, FIRING))


def _alert(payload: dict[str, Any], status: str) -> ParsedAlert:
    name = first_text(payload, "ruleName", "title") or f"Rule {text_of(payload['ruleId'])}"
    tags = text_map(payload.get("tags"))
    no_data = text_of(payload["state"]).lower() == "no_data"
    is_test = _is_test(payload)
    return ParsedAlert(
        key="test" if is_test else f"{first_text(payload, 'orgId')}:{text_of(payload['ruleId'])}",
        status=status,
        title=f"{name}: no data" if no_data else name,
        detail="\n".join([text_of(payload.get("message")), *_matches(payload)]).strip(),
        severity=first_text(tags, "severity", "priority", "level"),
        labels=tags,
        links=(Link("panel", first_text(payload, "ruleUrl", "rule_url")),),
        image=first_text(payload, "imageUrl", "image_url"),
        is_test=is_test,
    )


def _is_test(payload: dict[str, Any]) -> bool:
    return payload.get("ruleName") == "Test notification" and (
        payload["ruleId"] == 0
        or text_of(payload.get("message")).startswith("Someone is testing the alert notification")
    )


def _matches(payload: dict[str, Any]) -> Iterator[str]:
    """What of the rule's series is out of bounds; one message stands for all of them."""
    matches = payload.get("evalMatches")
    for match in matches[:20] if isinstance(matches, list) else []:
        if isinstance(match, dict):
            yield f"{text_of(match.get('metric'))}: {text_of(match.get('value'))}"


register(GrafanaLegacy())
