"""Generic JSON: the format for scripts and for everything that has no source of its own."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, ClassVar

from alertsources.sources.base import (
    FIRING,
    RESOLVED,
    Link,
    ParsedAlert,
    Unreadable,
    each,
    register,
)
from alertsources.sources.values import first_text, labels_of, links_of, text_of, time_of

RESOLVED_WORDS = frozenset(
    {"resolved", "resolve", "ok", "okay", "recovered", "recovery", "recover", "up", "normal"}
    | {"closed", "close", "cleared", "clear", "good", "healthy", "inactive", "fixed", "ended"}
    | {"success", "succeeded", "passing", "false"}
)
# Somebody has it elsewhere: neither a new problem nor its end.
ACKNOWLEDGED_WORDS = frozenset({"acknowledge", "acknowledged", "acknowledgement", "ack", "acked"})
# Signs around a word, such as those of "\u2705 Up".
EDGES = re.compile(r"^\W+|\W+$")

KEYS = (
    *("external_id", "dedup_key", "alert_uid", "alias", "incident_key"),
    *("fingerprint", "id"),
)
TITLES = ("title", "message", "summary", "name", "subject", "msg")
DETAILS = ("description", "detail", "details", "body", "text")
STATES = ("status", "state", "event_action", "action")
NAMED_LINKS = ("runbook", "dashboard", "panel", "silence")


class Generic:
    slug: ClassVar[str] = "generic"
    label: ClassVar[str] = "Generic JSON"
    reads_query: ClassVar[bool] = True
    setup: ClassVar[str] = """\
From a shell, a script or cron; only the title is needed:

    curl -X POST {{ url }} \\
      -H 'X-API-Key: {{ key }}' -H 'Content-Type: application/json' \\
      -d '{"title": "Disk full on db1", "severity": "critical", "external_id": "db1/disk"}'

The same external_id with a status of "resolved" ends it:

    curl -X POST {{ url }} \\
      -H 'X-API-Key: {{ key }}' -H 'Content-Type: application/json' \\
      -d '{"title": "Disk full on db1", "status": "resolved", "external_id": "db1/disk"}'

Also understood: description, group, labels, links, image, occurred_at; a list of such objects;
the fields of a form.
"""
    example: ClassVar[dict[str, Any]] = {
        "title": "Disk full on db1",
        "description": "/var/lib/postgresql is 97% full.",
        "severity": "critical",
        "external_id": "db1/disk",
        "status": "firing",
        "labels": {"host": "db1.example.com"},
        "links": ["https://runbooks.example.com/disk-full"],
    }

    def parse(self, payload: Any) -> Iterator[ParsedAlert | Unreadable]:
        if isinstance(payload, list):
            yield from each(payload, generic_alert)
        else:
            yield generic_alert(payload)


def generic_alert(item: Any) -> ParsedAlert:
    """What an object says that was written for nobody in particular."""
    if not isinstance(item, dict):
        raise ValueError("expected an object with a title")
    detail = first_text(item, *DETAILS)
    title = first_text(item, *TITLES) or detail.partition("\n")[0]
    named = first_text(item, *KEYS)
    if not title and not named:
        raise ValueError("it has no title, message, summary, name or external_id")
    state = next((item[name] for name in STATES if name in item), "")
    return ParsedAlert(
        # Without a name of the sender's own, the same title is the same problem.
        key=named or f"title {title}",
        status=state_of(state),
        title=title or named,
        group=first_text(item, "group"),
        detail=detail,
        severity=first_text(item, "severity", "priority", "level"),
        labels=labels_of(item.get("labels") or item.get("tags")),
        links=tuple(_links(item)),
        image=first_text(item, "image", "image_url"),
        started_at=time_of(item.get("started_at")),
        occurred_at=time_of(item.get("occurred_at") or item.get("timestamp")),
        team=first_text(item, "team_id", "team"),
        is_record_only=_word(state) in ACKNOWLEDGED_WORDS,
    )


def state_of(value: Any) -> str:
    """A word nobody knows counts as firing: doubt pages."""
    return RESOLVED if _word(value) in RESOLVED_WORDS else FIRING


def _word(state: Any) -> str:
    return EDGES.sub("", text_of(state)[:100].lower())


def _links(item: dict[str, Any]) -> Iterator[Link]:
    plain = (item.get(name) for name in ("links", "link", "url", "source_url"))
    yield from links_of(next((value for value in plain if value), None))
    for name in NAMED_LINKS:
        if isinstance(url := item.get(name) or item.get(f"{name}_url"), str):
            yield Link(name, url)


register(Generic())
