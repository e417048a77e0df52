"""Uptime Kuma, notification type "Webhook": JSON, form-data, custom body or GET."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, ClassVar

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
from alertsources.sources.values import first_text, text_of, time_of

# 2 is pending and 3 is maintenance: the state stays what it was.
STATES = {"0": FIRING, "1": RESOLVED}
SILENT_STATES = frozenset({"2", "3"})

EXPIRY = re.compile(r" will expire in (\d{1,6}) days$")
IN_BRACKETS = re.compile(r"\[(.{1,200}?)\] \[")


class UptimeKuma:
    slug: ClassVar[str] = "uptime-kuma"
    label: ClassVar[str] = "Uptime Kuma"
    reads_query: ClassVar[bool] = True
    marks_tests: ClassVar[bool] = True
    setup: ClassVar[str] = """\
Settings > Notifications > Setup Notification, Notification Type: Webhook, Post URL:

    {{ url }}

Request Body: Preset - application/json. Switch Additional Headers on:

    {"Authorization": "Bearer {{ key }}"}

Switch "Default enabled" and "Apply on all existing monitors" on to have all monitors reported.
"Test" pages the test person of this source, or is only recorded. A tag "severity" of a monitor,
with a value such as warning, sets the severity of its alerts.

Uptime Kuma sends each message once and never again: should PagerPal have been away when a monitor
came up, resolve its incident by hand. Notices about certificates and domains are never taken back:
their incidents end when none came for 8 days, or for the time that this source is told to wait.
"""
    example: ClassVar[dict[str, Any]] = {
        "heartbeat": {
            "monitorID": 7,
            "status": 0,
            "time": "2026-11-21 23:49:13.226",
            "msg": "Request failed with status code 503",
            "important": True,
        },
        "monitor": {
            "id": 7,
            "name": "Shop front page",
            "url": "https://shop.example.com/",
            "type": "http",
            "tags": [{"name": "severity", "value": "critical"}],
        },
        "msg": "[Shop front page] [\U0001f534 Down] Request failed with status code 503",
    }

    def parse(self, payload: Any) -> Iterator[ParsedAlert | Unreadable]:
        if not isinstance(payload, dict):
            raise ValueError("expected Uptime Kuma's object with heartbeat, monitor and msg")
        if not payload.keys() & {"heartbeat", "monitor"} and not _is_bare_message(payload):
            yield generic_alert(payload)  # a body of its user's own
            return
        beat, monitor = _object(payload, "heartbeat"), _object(payload, "monitor")
        message = text_of(payload.get("msg"))
        if not beat:
            yield _notice(message)
            return
        status = text_of(beat.get("status"))
        if status not in SILENT_STATES:
            yield _alert(beat, monitor, message, STATES.get(status, FIRING))


def _is_bare_message(payload: dict[str, Any]) -> bool:
    """What is left of a test in the query of a GET."""
    return payload.keys() == {"msg"}


def _object(payload: dict[str, Any], name: str) -> dict[str, Any]:
    """A part of the message; in the query of a GET it is JSON in a text."""
    value = payload.get(name)
    if isinstance(value, str) and value.strip():
        try:
            value = json.loads(value)
        except RecursionError:
            raise ValueError(f"its {name} is nested too deeply") from None
        except ValueError:
            raise ValueError(f"its {name} is not JSON") from None
    if value in (None, ""):
        return {}
    if not isinstance(value, dict):
        raise ValueError(f"its {name} is no object")
    return value


def _alert(beat: dict[str, Any], monitor: dict[str, Any], message: str, status: str) -> ParsedAlert:
    number = first_text(monitor, "id") or first_text(beat, "monitorID")
    bracketed = IN_BRACKETS.match(message)
    name = first_text(monitor, "name", "pathName") or (bracketed[1] if bracketed else "")
    if not number and not name:
        raise ValueError("it names no monitor")
    at = time_of(beat.get("time"))
    labels = _labels(monitor)
    return ParsedAlert(
        key=f"monitor:{number or name}",
        status=status,
        title=f"{name or f'Monitor {number}'} is {'down' if status == FIRING else 'up'}",
        detail="\n".join(_details(beat, monitor, message)),
        severity=labels.get("severity", "") or labels.get("priority", ""),
        labels=labels,
        links=(Link("monitored page", first_text(monitor, "url")),),
        # A reminder of a monitor that is down has the time of the reminder.
        started_at=at if beat.get("important", True) else None,
        occurred_at=at,
    )


def _details(beat: dict[str, Any], monitor: dict[str, Any], message: str) -> Iterator[str]:
    yield first_text(beat, "msg") or message
    if description := first_text(monitor, "description"):
        yield description
    if address := _address(monitor):
        yield f"Address: {address}"


def _address(monitor: dict[str, Any]) -> str:
    host, port = first_text(monitor, "hostname"), first_text(monitor, "port")
    return f"{host}:{port}" if host and port else host


def _labels(monitor: dict[str, Any]) -> dict[str, str]:
    known = {"monitor": "name", "path": "pathName", "type": "type"}
    labels = {label: first_text(monitor, name) for label, name in known.items()}
    if address := _address(monitor):
        labels["host"] = address
    tags = monitor.get("tags")
    for tag in tags if isinstance(tags, list) else []:
        if isinstance(tag, dict) and (name := first_text(tag, "name")):
            labels[name.lower() if name.lower() in {"severity", "priority"} else name] = first_text(
                tag, "value"
            )
    return {name: value for name, value in labels.items() if value or name not in known}


def _notice(message: str) -> ParsedAlert:
    """What comes without a heartbeat: the test button, and what will expire."""
    if message.endswith(" Testing"):
        name = message.removesuffix(" Testing")
        return ParsedAlert(key=f"test {name}", status=FIRING, title=f"Test of {name}", is_test=True)
    if found := EXPIRY.search(message[:2000]):
        return _expiry(message, message[: found.start()], found[1])
    if not message:
        raise ValueError("it has no heartbeat and no msg")
    return ParsedAlert(
        key=f"notice {message}", status=FIRING, title=message, severity="info", is_record_only=True
    )


def _expiry(message: str, subject: str, days: str) -> ParsedAlert:
    """`[name][address] server certificate CN`, or `Domain name example.com`.

    Sent once for each threshold; a renewal is never told.
    """
    alert = ParsedAlert(
        key=f"domain:{subject.removeprefix('Domain name ')}",
        status=FIRING,
        title=f"{subject} expires in {days} days",
        detail=message,
        severity="warning",
        resolve_after=EXPIRY_TOLD_FOR,
    )
    where, has_monitor, what = subject.rpartition("] ")
    name, has_address, url = where[1:].rpartition("][")
    kind, is_certificate, owner = what.partition("certificate ")
    if not (subject.startswith("[") and has_monitor and has_address and is_certificate):
        return alert
    return replace(
        alert,
        key=f"cert:{name}:{owner}",
        title=f"{kind.capitalize()}certificate {owner} of {name} expires in {days} days",
        labels={"monitor": name},
        links=(Link("monitored page", url),),
    )


register(UptimeKuma())
