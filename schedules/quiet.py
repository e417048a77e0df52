"""A person's quiet hours: when what is not urgent waits; pure, from the times that they chose."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import NamedTuple
from zoneinfo import ZoneInfo

from schedules.models import User
from schedules.shifts import ONE_DAY, resolve_local

# What would come too late in the morning is said this long before the quiet begins.
BEFORE = timedelta(minutes=5)
# Too late: with less than this left before it says nothing true any more.
STILL_USEFUL = timedelta(minutes=30)


class Quiet(NamedTuple):
    """One stretch, half-open, in UTC."""

    begins: datetime
    ends: datetime


def around(user: User, at: datetime) -> Quiet | None:
    """The quiet hours of this person that hold `at`; None outside them, or where there are none.

    They keep to the wall clock of the person's zone through summer and winter.
    """
    if user.quiet_from is None or user.quiet_until is None:
        return None
    today = at.astimezone(ZoneInfo(user.time_zone)).date()
    nights = ONE_DAY if user.quiet_until <= user.quiet_from else timedelta(0)
    for day in (today - ONE_DAY, today):
        found = Quiet(
            resolve_local(day, user.quiet_from, user.time_zone),
            resolve_local(day + nights, user.quiet_until, user.time_zone),
        )
        if found.begins <= at < found.ends:
            return found
    return None


def put_off(user: User, at: datetime) -> datetime:
    """`at`, or the end of the quiet hours that hold it."""
    quiet = around(user, at)
    return quiet.ends if quiet else at.astimezone(UTC)


def moved(user: User, at: datetime, void_at: datetime) -> datetime:
    """When to say what was planned for `at` and is void from `void_at` on.

    At the end of the quiet hours, if that leaves time to make use of it; else shortly before they
    begin: what is only true in the night is better said in the evening than not at all.
    """
    quiet = around(user, at)
    if quiet is None:
        return at
    if quiet.ends + STILL_USEFUL <= void_at:
        return quiet.ends
    return quiet.begins - BEFORE
