"""Checkly, alert channel "Webhook": its users write the body, we publish one."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, ClassVar

from alertsources import signatures
from alertsources.decoding import decode, text_of_body
from alertsources.sources.base import (
    EXPIRY_TOLD_FOR,
    FIRING,
    RESOLVED,
    Link,
    ParsedAlert,
    Unreadable,
    register,
)
from alertsources.sources.generic import generic_alert
from alertsources.sources.values import first_text, labels_of, text_of, time_of

if TYPE_CHECKING:
    from alertsources.models import AlertSource

SIGNATURE_HEADER, TIMESTAMP_HEADER = "x-checkly-signature", "x-checkly-timestamp"

STATES = {
    "ALERT_FAILURE": (FIRING, "critical"),
    "ALERT_DEGRADED_FAILURE": (FIRING, "critical"),
    "ALERT_FAILURE_REMAIN": (FIRING, "critical"),
    "ALERT_DEGRADED": (FIRING, "warning"),
    "ALERT_DEGRADED_REMAIN": (FIRING, "warning"),
    "ALERT_FAILURE_DEGRADED": (FIRING, "warning"),
    "ALERT_RECOVERY": (RESOLVED, ""),
    "ALERT_DEGRADED_RECOVERY": (RESOLVED, ""),
    "NO_ALERT": (RESOLVED, ""),
    "ALERT_SSL": (FIRING, "warning"),
}
# What can be saved of a body that a quotation mark in a name has broken, and how far we look.
SAVED = ("alert_type", "check_id", "check_name", "event", "link")
SEARCHED = 8000

PUBLISHED = (
    *(("event", "ALERT_TITLE"), ("alert_type", "ALERT_TYPE"), ("check_name", "CHECK_NAME")),
    *(("group_name", "GROUP_NAME"), ("check_id", "CHECK_ID"), ("check_type", "CHECK_TYPE")),
    *(("check_error_message", "CHECK_ERROR_MESSAGE"), ("response_time", "RESPONSE_TIME")),
    ("api_check_response_status_code", "API_CHECK_RESPONSE_STATUS_CODE"),
    ("api_check_response_status_text", "API_CHECK_RESPONSE_STATUS_TEXT"),
    *(("run_location", "RUN_LOCATION"), ("ssl_days_remaining", "SSL_DAYS_REMAINING")),
    *(("ssl_check_domain", "SSL_CHECK_DOMAIN"), ("started_at", "STARTED_AT"), ("tags", "TAGS")),
    ("link", "RESULT_LINK"),
)
TEMPLATE = ",\n".join(f'      "{name}": "{{{{{variable}}}}}"' for name, variable in PUBLISHED)


class Checkly:
    slug: ClassVar[str] = "checkly"
    label: ClassVar[str] = "Checkly"
    reads_bytes: ClassVar[bool] = True
    takes_secret: ClassVar[bool] = True
    setup: ClassVar[str] = f"""\
Alerts > Alert channels > Add more channels > Webhook. Method POST, URL:

    {{{{ url }}}}

Headers: X-API-Key with the value

    {{{{ key }}}}

Body; with two braces, not three, so that a quotation mark in a name breaks nothing:

    {{
{TEMPLATE}
    }}

Subscribe the channel to checks or groups, with failure, degradation, recovery and SSL switched on.
A notice about a certificate has no recovery: its incident ends when none came for 8 days, or for
the time that this source is told to wait. Checkly's test message looks like a failure of a check:
press "Take what comes next as a test" here before you send it, and it pages you only. Should the
channel have a webhook secret, put the same into this source's signing secret.
"""
    example: ClassVar[dict[str, Any]] = {
        "event": "Checkout API has failed",
        "alert_type": "ALERT_FAILURE",
        "check_name": "Checkout API",
        "group_name": "Payment",
        "check_id": "927a2982-1007-4b81-b383-eae8bf717e61",
        "check_error_message": "Assertion failed: status code is 200",
        "run_location": "Frankfurt",
        "started_at": "2026-11-21T23:49:13.226Z",
        "tags": "critical,payment",
        "link": "https://app.checklyhq.com/checks/927a2982/check-sessions/478cacb1",
    }

    def parse(self, payload: Any) -> Iterator[ParsedAlert | Unreadable]:
        if not isinstance(payload, dict):
            raise ValueError("expected an object with alert_type and check_id")
        if not first_text(payload, "alert_type") or not first_text(payload, "check_id"):
            yield generic_alert(payload)  # a body of its user's own
        else:
            yield _alert(payload)

    def parse_body(
        self, body: bytes, headers: Mapping[str, str], source: AlertSource
    ) -> Iterator[ParsedAlert | Unreadable]:
        try:
            payload = decode(body)
        except ValueError:
            payload = _saved(text_of_body(body)[:SEARCHED])
            if not payload.keys() >= {"alert_type", "check_id"}:
                raise
        sent_at = _sent_at(headers.get(TIMESTAMP_HEADER, ""))
        for alert in self.parse(payload):
            if sent_at and isinstance(alert, ParsedAlert):
                yield replace(alert, occurred_at=sent_at)
            else:
                yield alert

    def check(self, body: bytes, headers: Mapping[str, str], source: AlertSource) -> None:
        if source.signing_secret:
            given = headers.get(SIGNATURE_HEADER, "")
            signatures.check_hmac(source.signing_secret, body, given, name=SIGNATURE_HEADER)


def _alert(payload: dict[str, Any]) -> ParsedAlert:
    kind = text_of(payload["alert_type"]).upper()
    status, severity = STATES.get(kind, (FIRING, ""))  # doubt pages
    number = text_of(payload["check_id"])
    labels = {
        name: html.unescape(text)
        for name in ("check_name", "group_name", "check_type", "run_location", "ssl_check_domain")
        if (text := first_text(payload, name))
    }
    return ParsedAlert(
        key=f"{'ssl' if kind == 'ALERT_SSL' else 'check'}:{number}",
        status=status,
        title=html.unescape(first_text(payload, "event", "check_name") or f"Check {number}"),
        detail="\n".join(_details(payload)),
        severity=severity,
        labels=labels | _tags(payload.get("tags")),
        resolve_after=EXPIRY_TOLD_FOR if kind == "ALERT_SSL" else None,
        links=(Link("result", html.unescape(first_text(payload, "link", "result_link"))),),
        occurred_at=time_of(payload.get("started_at")),
    )


def _details(payload: dict[str, Any]) -> Iterator[str]:
    if error := first_text(payload, "check_error_message"):
        yield html.unescape(error)
    if code := first_text(payload, "api_check_response_status_code"):
        words = first_text(payload, "api_check_response_status_text")
        yield html.unescape(f"Answer: {code} {words}".rstrip())
    if duration := first_text(payload, "response_time"):
        yield f"Response time: {duration} ms"


def _tags(value: Any) -> dict[str, str]:
    """A list; within a template's quotes its items with commas between them."""
    if isinstance(value, str):
        value = [tag.strip() for tag in html.unescape(value).split(",")]
    return labels_of(value)


def _sent_at(milliseconds: str) -> datetime | None:
    try:
        return datetime.fromtimestamp(int(milliseconds) / 1000, UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _saved(text: str) -> dict[str, str]:
    """The fields that can still be told, each up to a quotation mark that may end it."""
    found = {}
    for name in SAVED:
        match = re.search(rf'"{name}"\s*:\s*"(.{{0,500}}?)"\s*[,}}]', text, re.DOTALL)
        if match:
            found[name] = match[1]
    return found


register(Checkly())
