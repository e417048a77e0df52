"""Made-up rotations of every kind, with covers and a moment to ask about, for hypothesis."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from random import Random
from zoneinfo import ZoneInfo

from hypothesis import strategies as st

from schedules.shifts import Cadence, Cover, Kept, Unit, Window

ZONES = [
    "Europe/Berlin",
    "America/New_York",
    "Australia/Lord_Howe",  # by half an hour
    "Asia/Kolkata",
    "Pacific/Apia",  # skipped 2011-12-30
    "America/Sao_Paulo",  # at midnight, until 2019
    "Africa/Casablanca",  # back for Ramadan
    "UTC",
]
FIRST, LAST = datetime(2006, 1, 1, tzinfo=UTC), datetime(2026, 12, 31, tzinfo=UTC)
MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
LONGEST: dict[Unit, int] = {"hours": 36, "days": 10, "weeks": 4, "months": 3}


@dataclass(frozen=True)
class World:
    cadence: Cadence
    covers: list[Cover]
    moment: datetime


def made_up(chance: Random, *, oldest: int = 7300) -> World:
    """A moment anywhere in 20 years, often when clocks change, and a rotation around it.

    It began up to `oldest` days before, or begins up to 20 days after.
    """
    zone = chance.choice(ZONES)
    moment = _moment(chance, zone)
    unit: Unit = chance.choice(list(LONGEST))
    age = chance.randint(-20, 40) if chance.randrange(2) else chance.randint(0, oldest)
    ends_on = moment.date() + chance.randint(-10, 40) * DAY if chance.randrange(3) == 2 else None
    kept = Kept(_person(chance), _near(chance, moment)) if chance.randrange(3) == 2 else None
    cadence = Cadence(
        every=chance.randint(1, LONGEST[unit]),
        unit=unit,
        starts_on=moment.date() - age * DAY,
        handover_time=_wall(chance),
        zone=zone,
        members=tuple(_person(chance) for _ in range(chance.randint(0, 6))),
        windows=tuple(_window(chance) for _ in range(max(0, chance.randint(-2, 3)))),
        ends_on=ends_on,
        offset=chance.randint(0, 6),
        kept=kept,
    )
    return World(cadence, [_cover(chance, moment) for _ in range(chance.randint(0, 4))], moment)


# Drawn one by one, so that hypothesis can make a failing world smaller.
worlds = st.randoms(use_true_random=False).map(made_up)


def _moment(chance: Random, zone: str) -> datetime:
    changes = clock_changes(zone)
    if changes and chance.randrange(2):
        return chance.choice(changes) + chance.randint(-240, 240) * MINUTE
    return FIRST + chance.randrange((LAST - FIRST) // MINUTE) * MINUTE


def _near(chance: Random, moment: datetime) -> datetime:
    return moment + chance.randint(-20 * 24 * 60, 20 * 24 * 60) * MINUTE


def _wall(chance: Random) -> time:
    if chance.randrange(2):
        return time(chance.randint(0, 3), chance.choice([0, 15, 30, 59]))
    return time(chance.randint(0, 23), chance.choice([0, 30]))


def _window(chance: Random) -> Window:
    days = frozenset(day for day in range(7) if chance.randrange(2)) or frozenset({0})
    return Window(days, _wall(chance), _wall(chance))


def _cover(chance: Random, moment: datetime) -> Cover:
    starts_at = _near(chance, moment)
    length = chance.randint(0, 60 if chance.randrange(2) else 10 * 24 * 60) * MINUTE
    user = _person(chance) if chance.randrange(4) else None
    return Cover(user, starts_at, starts_at + length)


def _person(chance: Random) -> int:
    return chance.randint(1, 5)


@functools.cache
def clock_changes(zone: str) -> list[datetime]:
    """The first minute after each change of a zone's clocks, in these 20 years."""
    found = []
    day = FIRST
    while day < LAST:
        if _offset(day, zone) != _offset(day + DAY, zone):
            low, high = 0, DAY // MINUTE
            while high - low > 1:
                middle = (low + high) // 2
                same = _offset(day + middle * MINUTE, zone) == _offset(day, zone)
                low, high = (middle, high) if same else (low, middle)
            found.append(day + high * MINUTE)
        day += DAY
    return found


def _offset(at: datetime, zone: str) -> timedelta | None:
    return at.astimezone(ZoneInfo(zone)).utcoffset()
