"""Generic JSON: the format for scripts and for everything that has no source of its own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, ClassVar

from alertsources.sources.base import (
    FIRING,
    RESOLVED,
    ParsedAlert,
    Unreadable,
    each,
    register,
)
from alertsources.sources.values import first_text, labels_of, links_of, text_of

RESOLVED_WORDS = frozenset(
    {"resolved", "resolve", "ok", "okay", "recovered", "recovery", "recover", "up", "normal"}
    | {"closed", "close", "cleared", "clear", "good", "healthy", "inactive", "fixed", "ended"}
    | {"success", "succeeded", "passing"}
)


class Generic:
    slug: ClassVar[str] = "generic"
    label: ClassVar[str] = "Generic JSON"
    setup: ClassVar[str] = (
        "curl -X POST {{ url }} -H 'X-API-Key: {{ key }}' "
        '-d \'{"title": "Disk full on db1", "severity": "critical", "external_id": "db1/disk"}\'\n'
        'The same external_id with "status": "resolved" ends it.'
    )
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
            yield from each(payload, _alert)
        else:
            yield _alert(payload)


def _alert(item: Any) -> ParsedAlert:
    if not isinstance(item, dict):
        raise ValueError("expected an object with a title")
    detail = first_text(item, "description", "detail", "details", "body")
    title = first_text(item, "title", "message", "summary", "name") or detail.partition("\n")[0]
    named = first_text(item, "external_id", "dedup_key")
    if not title and not named:
        raise ValueError("it has no title, message, summary, name or external_id")
    return ParsedAlert(
        # Without a name of the sender's own, the same title is the same problem.
        key=named or f"title {title}",
        status=_status_of(item.get("status")),
        title=title or named,
        detail=detail,
        severity=first_text(item, "severity", "priority", "level"),
        labels=labels_of(item.get("labels") or item.get("tags")),
        links=links_of(item.get("links") or item.get("link") or item.get("url")),
        team=first_text(item, "team_id", "team"),
    )


def _status_of(value: Any) -> str:
    """A word nobody knows counts as firing: doubt pages."""
    return RESOLVED if text_of(value).lower() in RESOLVED_WORDS else FIRING


register(Generic())
