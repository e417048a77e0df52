"""Puts reminders, hand-over notes and gap notices into words; pure, from a notification's facts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Any
from zoneinfo import ZoneInfo

from notifications.channels.texts import clip, one_line
from notifications.models import Notification

Purpose = Notification.Purpose
Facts = Mapping[str, Any]

MOST_NAME = 80
MOST_LINES = 20


@dataclass(frozen=True)
class Words:
    """One line that says it, and a few more."""

    title: str
    lines: list[str]


def words(notification: Notification, facts: Facts) -> Words | None:
    """What this notification says about somebody's duty; None where it is about something else."""
    clock = _Clock(notification)
    if notification.purpose == Purpose.REMINDER:
        return _reminder(facts, clock)
    if notification.purpose == Purpose.HANDOVER:
        return _handover(facts, clock)
    return _gaps(facts, clock) if facts.get("gaps") else None


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
        return f"{moment:%a} {moment.day} {moment:%b %H:%M}"


def _reminder(facts: Facts, clock: _Clock) -> Words:
    starts, ends = clock.tell(facts.get("starts_at")), clock.tell(facts.get("ends_at"))
    until = f"ends {ends}" if ends else "has no end planned"
    title = f"On call from {starts}: {_name(facts, 'team')}"
    lines = [f"Your shift in {_where(facts)} starts {starts} and {until} ({clock.name})."]
    if who := _name(facts, "hands_over"):
        lines.append(f"{who} hands over to you.")
    return Words(title, lines)


def _handover(facts: Facts, clock: _Clock) -> Words:
    """To the one who comes on, or, with `who`, to a channel about them."""
    who = _name(facts, "who")
    ends = clock.tell(facts.get("ends_at"))
    until = f" until {ends}" if ends else ""
    title = f"{f'{who} is' if who else 'You are'} on call for {_name(facts, 'team')}{until}"
    lines = [f"{_where(facts)}{until or ', no end planned'} ({clock.name})."]
    if before := _name(facts, "hands_over"):
        lines.append(f"{before} hands over.")
    return Words(title, [*lines, _open_incidents(facts)])


def _open_incidents(facts: Facts) -> str:
    listed = [clip(one_line(str(line)), MOST_NAME) for line in facts.get("incidents") or []]
    if not listed:
        return "No open incidents."
    more = facts.get("more")
    return f"Open incidents: {', '.join(listed)}{f' and {more} more' if more else ''}."


def _gaps(facts: Facts, clock: _Clock) -> Words:
    found = list(facts["gaps"])
    lines = [_gap(gap, clock) for gap in found[:MOST_LINES]]
    if more := len(found) - len(lines):
        lines.append(f"And {more} more.")
    times = f"Times of {clock.name}. An override or a contact method closes a gap."
    title = f"{_name(facts, 'team')}: nobody would be paged at some time in the next 7 days"
    return Words(title, [*lines, times])


def _gap(gap: Facts, clock: _Clock) -> str:
    starts, ends = clock.tell(gap.get("starts_at")), clock.tell(gap.get("ends_at"))
    until = f"to {ends}" if ends else "with no end in sight"
    return f"{starts or 'Now'} {until}: {one_line(str(gap.get('why') or ''))}"


def _where(facts: Facts) -> str:
    return f"{_name(facts, 'team')}: {_name(facts, 'rotation')}"


def _name(facts: Facts, key: str) -> str:
    return clip(one_line(str(facts.get(key) or "")), MOST_NAME)
