"""Healthchecks (healthchecks.io or self-hosted), integration "Webhook": bodies its users write."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from alertsources.sources.base import (
    FIRING,
    RESOLVED,
    Link,
    ParsedAlert,
    Unreadable,
    register,
)
from alertsources.sources.generic import generic_alert
from alertsources.sources.values import first_text, labels_of, text_of, time_of

STATES = {"down": FIRING, "up": RESOLVED}
# Of the whole check as $JSON gives it.
SILENT_STATES = frozenset({"new", "paused", "grace", "started"})
# The test button's check.
TEST_NAME = "TEST"


class Healthchecks:
    slug: ClassVar[str] = "healthchecks"
    label: ClassVar[str] = "Healthchecks"
    reads_query: ClassVar[bool] = True
    marks_tests: ClassVar[bool] = True
    setup: ClassVar[str] = """\
Integrations > Webhook > Add Integration. "Execute when a check goes down" and "Execute when a
check goes up" are filled in alike, Method: POST, URL:

    {{ url }}

Request Body:

    {"source": "healthchecks", "code": "$CODE", "name": $NAME_JSON, "status": "$STATUS",
     "now": "$NOW", "tags": "$TAGS"}

Request Headers:

    Content-Type: application/json
    X-API-Key: {{ key }}

$NAME_JSON stands without quotes, as it brings its own. "Test!" pages the test person of this
source, or is only recorded. A tag such as severity:warning sets the severity of a check.
"""
    example: ClassVar[dict[str, Any]] = {
        "source": "healthchecks",
        "code": "2b7d2a1c-4b0f-4a3a-8f29-3b2b1f6f9a01",
        "name": "Nightly backup",
        "status": "down",
        "now": "2026-11-21T23:49:13+00:00",
        "tags": "prod db",
    }

    def parse(self, payload: Any) -> Iterator[ParsedAlert | Unreadable]:
        if not isinstance(payload, dict):
            raise ValueError("expected an object with code, name and status")
        number = first_text(payload, "code", "uuid", "unique_key", "slug")
        status = text_of(payload.get("status")).lower()
        if not number or not status:
            yield generic_alert(payload)  # a body of its user's own
        elif status not in SILENT_STATES:
            yield _alert(payload, number, STATES.get(status, FIRING))


def _alert(payload: dict[str, Any], number: str, status: str) -> ParsedAlert:
    name = first_text(payload, "name", "slug") or f"Check {number}"
    labels = {"check": name} | _tags(payload.get("tags"))
    return ParsedAlert(
        key=f"check:{number}",
        status=status,
        title=f"{name} is {'down' if status == FIRING else 'up'}",
        detail="\n".join(_details(payload)),
        severity=first_text(payload, "severity")
        or labels.get("severity", "")
        or labels.get("priority", ""),
        labels=labels,
        links=(Link("check", first_text(payload, "url", "link")),),
        occurred_at=time_of(payload.get("now")),
        is_test=name == TEST_NAME,
    )


def _details(payload: dict[str, Any]) -> Iterator[str]:
    yield from (text for name in ("desc", "body") if (text := first_text(payload, name)))
    for label, name in (("Exit status", "exitstatus"), ("Last ping", "last_ping")):
        if text := first_text(payload, name):
            yield f"{label}: {text}"


def _tags(value: Any) -> dict[str, str]:
    return labels_of(value.split()) if isinstance(value, str) else labels_of(value)


register(Healthchecks())
