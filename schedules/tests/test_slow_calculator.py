"""A second calculator, minute by minute from the rules alone, agrees with the fast one.

It knows no instants at which something begins. It watches the clocks on the wall: what is to happen
at a local time happens in the first minute in which they show that time or a later one. So a time
that is skipped comes right after the gap, and one that is shown twice comes the first time.
"""

from __future__ import annotations

from calendar import monthrange
from collections.abc import Iterator
from datetime import date, datetime, time, timedelta
from itertools import pairwise
from random import Random
from zoneinfo import ZoneInfo

import pytest

from pagerpal.testing import at
from schedules.shifts import Cadence, Cover, Window, on_call, shifts
from schedules.tests.made_up import DAY, MINUTE, World, made_up

BERLIN = "Europe/Berlin"
WATCHED = 300  # minutes on each side of the moment
# The clocks may have been set back before the watch began; none of these ever was by two hours.
WARM_UP = 120


def clocks(zone: str, start: datetime, end: datetime) -> Iterator[tuple[datetime, datetime]]:
    """Each minute with the latest time that clocks on the wall have shown by then."""
    here = ZoneInfo(zone)
    minute = start - WARM_UP * MINUTE
    latest = minute.astimezone(here).replace(tzinfo=None)
    while minute < end:
        latest = max(latest, minute.astimezone(here).replace(tzinfo=None))
        if minute >= start:
            yield minute, latest
        minute += MINUTE


def turns(cadence: Cadence) -> Iterator[datetime]:
    """The local times at which turns begin, one after the other."""
    day, number = cadence.starts_on, 0
    begins = datetime.combine(day, cadence.handover_time)
    while True:
        yield begins
        number += 1
        if cadence.unit == "months":
            month = day.month + number * cadence.every
            year, month = day.year + (month - 1) // 12, (month - 1) % 12 + 1
            last = monthrange(year, month)[1]
            begins = begins.replace(year=year, month=month, day=min(day.day, last))
        else:
            begins += timedelta(**{cadence.unit: cadence.every})


def is_open(windows: tuple[Window, ...], wall: datetime) -> bool:
    if not windows:
        return True
    for window in windows:
        for back in (0, 1):
            day = wall.date() - back * DAY
            opens = datetime.combine(day, window.starts)
            closes = datetime.combine(day, window.ends)
            if closes <= opens:
                closes += DAY
            if day.weekday() in window.days and opens <= wall < closes:
                return True
    return False


def slow(world: World, start: datetime, end: datetime) -> Iterator[tuple[datetime, int | None]]:
    """Who is on call in each minute."""
    cadence = world.cadence
    begins = turns(cadence)
    following, number = next(begins), -1
    for minute, wall in clocks(cadence.zone, start, end):
        while following <= wall:
            following, number = next(begins), number + 1
        yield minute, who(cadence, world.covers, minute, wall, number)


def who(
    cadence: Cadence, covers: list[Cover], minute: datetime, wall: datetime, number: int
) -> int | None:
    covering = [c for c in covers if c.starts_at <= minute and minute < c.ends_at]
    if covering:
        return covering[-1].user
    if not is_open(cadence.windows, wall):
        return None
    if cadence.ends_on and datetime.combine(cadence.ends_on, cadence.handover_time) <= wall:
        return None
    if cadence.kept and minute < cadence.kept.until:
        return cadence.kept.user
    if number < 0 or not cadence.members:
        return None
    return cadence.members[(cadence.offset + number) % len(cadence.members)]


@pytest.mark.parametrize("batch", range(5))
def test_the_slow_calculator_agrees_on_500_rotations(batch: int) -> None:
    for number in range(100):
        expect_agreement(made_up(Random(f"{batch}/{number}"), oldest=400))


def expect_agreement(world: World) -> None:
    start, end = world.moment - WATCHED * MINUTE, world.moment + WATCHED * MINUTE

    expected = list(slow(world, start, end))
    found = shifts(world.cadence, world.covers, start, end)
    places = iter(found)
    shift = next(places)
    for minute, user in expected:
        while shift.ends_at <= minute:
            shift = next(places)
        assert shift.user == user, (world, minute)
    for minute, user in expected[::97]:
        assert on_call(world.cadence, world.covers, minute) == user, (world, minute)


@pytest.mark.parametrize(
    ("day", "last_minute_before"),
    [
        (28, "2026-03-28 02:29"),
        (29, "2026-03-29 01:59"),  # clocks jump from 02:00 to 03:00: right after it
        (30, "2026-03-30 02:29"),
    ],
)
def test_the_slow_calculator_itself_hands_over_after_the_gap(
    day: int, last_minute_before: str
) -> None:
    changes = _handovers(at("2026-03-28 00:00", BERLIN), at("2026-03-31 00:00", BERLIN))

    assert changes[day - 28] - MINUTE == at(last_minute_before, BERLIN)


def test_the_slow_calculator_itself_hands_over_once_in_a_repeated_hour() -> None:
    changes = _handovers(at("2026-10-25 00:00", BERLIN), at("2026-10-26 00:00", BERLIN))

    assert changes == [at("2026-10-25 02:30", BERLIN)]


def _handovers(start: datetime, end: datetime) -> list[datetime]:
    """Nightly at 02:30 in Berlin."""
    nightly = Cadence(1, "days", date(2026, 1, 1), time(2, 30), BERLIN, (1, 2))
    minutes = list(slow(World(nightly, [], start), start, end))
    return [minute for (_, before), (minute, now) in pairwise(minutes) if before != now]
