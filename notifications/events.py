"""What a team's own program is told: the facts as they are, and how that is signed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.conf import settings

from notifications.models import Notification
from notifications.wording import Words

Purpose = Notification.Purpose

# If they are among the facts of a message. No credential is, and no link that answers.
FACTS = (
    *("number", "title", "detail", "severity", "urgency", "state", "event", "who", "team"),
    *("source", "opened_at", "at", "lasted", "step", "next", "links", "is_test", "news"),
    *("rotation", "starts_at", "ends_at", "hands_over", "incidents", "more"),
)
TYPES: dict[str, str] = {
    Purpose.PAGE: "incident.paged",
    Purpose.GROWTH: "incident.grown",
    Purpose.HANDOVER: "on_call.handover",
    Purpose.NOTICE: "on_call.gaps",
}
# What a body of one's own may name.
EXAMPLE: dict[str, Any] = {
    "type": "incident.opened",
    "data": dict.fromkeys((*FACTS, "text", "url"), ""),
}


def for_programs(notification: Notification, words: Words) -> dict[str, Any]:
    """The fields of a message that only a webhook reads; none for the others."""
    channel = notification.team_channel
    if notification.channel != "webhook" or channel is None:
        return {}
    facts = notification.context
    data = {name: facts[name] for name in FACTS if name in facts}
    data["title"] = data.get("title") or words.title
    data |= {"text": "\n".join(words.lines), "url": url_of(facts.get("open_path"))}
    event = {
        "type": _type(notification, facts),
        "timestamp": str(facts.get("at") or notification.created_at.isoformat()),
        "data": data,
    }
    return {"event": event, "secret": channel.secret, "template": channel.template}


def _type(notification: Notification, facts: Mapping[str, Any]) -> str:
    if facts.get("digest"):
        return "incidents.digest"
    if facts.get("event"):
        return f"incident.{facts['event']}"
    return TYPES.get(notification.purpose, str(notification.purpose))


def url_of(path: Any) -> str:
    """The whole address of one of our pages; empty for what is no path."""
    return f"{settings.PAGERPAL_BASE_URL}{path}" if isinstance(path, str) and path else ""
