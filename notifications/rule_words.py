"""Says in words how a person is called, and what about that may yet be a slip; pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta

from notifications.channels.base import kind_of
from notifications.outbox import Call
from schedules.models import User

MAIL_LAST = "Your last rule is {}. A phone that sleeps will not wake you."
NO_PUSH = (
    "Only {}: push should come first, because it takes a second, rings again each minute and is "
    "answered with one tap."
)


@dataclass(frozen=True)
class Manner:
    """How a person is called for one urgency: `is_default` where no rule of theirs says so."""

    urgency: str
    words: str
    is_default: bool


def manner(urgency: str, calls: Sequence[Call], *, quiet: str = "") -> Manner:
    """`at once ntfy push (5 times again, each 60 s), after 2 min SMS`."""
    parts: dict[timedelta, list[str]] = {}
    for call in calls:
        parts.setdefault(call.delay, []).append(_call(call))
    said = ", ".join(f"{_after(delay)} {' and '.join(who)}" for delay, who in parts.items())
    is_default = all(call.rule_id is None for call in calls)
    return Manner(urgency, f"{said or 'nothing'}.{f' {quiet}' if quiet else ''}", is_default)


def quiet(user: User) -> str:
    if user.quiet_from is None or user.quiet_until is None:
        return ""
    return f"Nothing from {user.quiet_from:%H:%M} to {user.quiet_until:%H:%M}."


def warnings(calls: Iterable[Call]) -> list[str]:
    """What makes these calls for high urgency less likely to wake somebody."""
    kinds = [kind_of(call.method.channel) for call in calls]
    known = [kind for kind in kinds if kind is not None]
    found = []
    if known and not getattr(known[-1], "wakes", True):
        found.append(MAIL_LAST.format(known[-1].label))
    if known and not any(getattr(kind, "is_push", False) for kind in known):
        labels = list(dict.fromkeys(kind.label for kind in known))
        found.append(NO_PUSH.format(" and ".join(labels)))
    return found


def _call(call: Call) -> str:
    kind = kind_of(call.method.channel)
    who = f"{kind.label if kind else call.method.channel} {call.method.masked_address}"
    if not call.repeats:
        return who
    times = "once" if call.repeats == 1 else f"{call.repeats} times"
    return f"{who} (again {times}, each {_length(call.repeat_every)})"


def _after(delay: timedelta) -> str:
    return f"after {_length(delay)}" if delay else "at once"


def _length(time: timedelta) -> str:
    """`60 s`, `2 min`, `2 min 30 s`, `3 h`."""
    seconds = int(time.total_seconds())
    if seconds < 120:
        return f"{seconds} s"
    hours, minutes, seconds = seconds // 3600, seconds % 3600 // 60, seconds % 60
    parts = [(hours, "h"), (minutes, "min"), (seconds, "s")]
    return " ".join(f"{number} {unit}" for number, unit in parts if number)
