"""Puts reminders, hand-over notes and notices to leads into words; pure, from their facts."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from django.utils.translation import gettext

from notifications import terms, wording
from notifications.channels.texts import clip, one_line
from notifications.models import Notification
from notifications.wording import Words

Purpose = Notification.Purpose
Facts = Mapping[str, Any]

MOST_NAME = 80
MOST_LINES = 20


def words(notification: Notification, facts: Facts) -> Words | None:
    """What this notification says quietly; None where it is about something else."""
    clock = _Clock(notification)
    if notification.purpose in {Purpose.REMINDER, Purpose.HANDOVER}:
        values = _shift(facts, clock)
    elif facts.get("gaps"):
        values = _gaps(facts, clock)
    elif facts.get("silent"):
        return wording.say(notification.channel, "silent", _silent(facts, clock))
    else:
        return None
    return wording.say(notification.channel, str(notification.purpose), values)


class _Clock:
    """Tells times in the zone of whoever reads them."""

    def __init__(self, notification: Notification) -> None:
        self.name = notification.zone
        self._zone: tzinfo = UTC
        try:
            self._zone = ZoneInfo(self.name)
        except (ValueError, KeyError, OSError):
            self.name = "UTC"

    def tell(self, iso: Any) -> str:
        """`Mon 30 Nov 10:00`; empty when it is no time."""
        try:
            moment = datetime.fromisoformat(str(iso)).astimezone(self._zone)
        except (ValueError, OverflowError):
            return ""
        return f"{terms.weekday(moment)} {moment:%H:%M}"


def _shift(facts: Facts, clock: _Clock) -> dict[str, Any]:
    """With `who` it is said to a channel about them, else to the one who comes on."""
    listed = [clip(one_line(str(line)), MOST_NAME) for line in facts.get("incidents") or []]
    return {
        "team": _name(facts, "team"),
        "where": f"{_name(facts, 'team')}: {_name(facts, 'rotation')}",
        "starts": clock.tell(facts.get("starts_at")),
        "ends": clock.tell(facts.get("ends_at")),
        "zone": clock.name,
        "hands_over": _name(facts, "hands_over"),
        "who": _name(facts, "who"),
        "incidents": ", ".join(listed),
        "more": str(facts.get("more") or ""),
    }


def _gaps(facts: Facts, clock: _Clock) -> dict[str, Any]:
    found = list(facts["gaps"])
    more = len(found) - MOST_LINES
    return {
        "team": _name(facts, "team"),
        "gaps": [_gap(gap, clock) for gap in found[:MOST_LINES]],
        "more": str(more) if more > 0 else "",
        "zone": clock.name,
    }


def _gap(gap: Facts, clock: _Clock) -> dict[str, str]:
    return {
        "starts": clock.tell(gap.get("starts_at")) or gettext("Now"),
        "ends": clock.tell(gap.get("ends_at")),
        "why": one_line(str(gap.get("why") or "")),
    }


def _silent(facts: Facts, clock: _Clock) -> dict[str, Any]:
    """A source of alerts of which nothing comes."""
    told: Facts = facts["silent"]
    return {
        "team": _name(facts, "team"),
        "source": _name(told, "source"),
        "since": clock.tell(told.get("since")),
        "allowed": _name(told, "allowed"),
        "has_spoken": bool(told.get("has_spoken")),
        "zone": clock.name,
    }


def _name(facts: Facts, key: str) -> str:
    return clip(one_line(str(facts.get(key) or "")), MOST_NAME)
