"""When the messages of a person's rule are due: from the moment of the page, past quiet hours."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Protocol

from schedules import quiet
from schedules.models import User


class Timed(Protocol):
    """What says when an address is used: after a delay, and so often again."""

    @property
    def delay(self) -> timedelta: ...
    @property
    def repeats(self) -> int: ...
    @property
    def repeat_every(self) -> timedelta: ...


def of_rule(
    user: User, rule: Timed, *, now: datetime, is_urgent: bool, repeating: bool = True
) -> list[datetime]:
    """When the messages of a page written now are due: the first, and its repeats.

    What is not urgent waits for the end of the person's quiet hours; repeats that would fall into
    them keep their distance after them. Raises OverflowError where the calendar ends.
    """

    def wait(at: datetime) -> datetime:
        return at if is_urgent else quiet.put_off(user, at)

    times = [wait(wait(now) + rule.delay)]
    while repeating and len(times) <= rule.repeats:
        times.append(wait(times[-1] + rule.repeat_every))
    return times


def first(user: User, rules: Iterable[Timed], *, now: datetime, is_urgent: bool) -> datetime | None:
    """When the first message of all is due; None where no rule makes one."""
    found = []
    for rule in rules:
        try:
            found += of_rule(user, rule, now=now, is_urgent=is_urgent, repeating=False)
        except OverflowError:
            continue  # its row is written as failed, with this as the reason
    return min(found, default=None)
