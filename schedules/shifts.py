"""Whose turn it is at which instant: pure arithmetic, and the only code that reckons in local time.

All stretches of time are half-open: at the hand-over instant the next person is on call. Instants
go in and come out as aware datetimes; out always in UTC.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from typing import Literal
from zoneinfo import ZoneInfo

ONE_DAY = timedelta(days=1)
ONE_SECOND = timedelta(seconds=1)
FOREVER = datetime.max.replace(tzinfo=UTC)
SATURDAY = 5
DAYS_IN = {"days": 1, "weeks": 7}


@dataclass(frozen=True)
class Cadence:
    """The members take turns in order, each for `every` days or weeks, from `starts_on`."""

    every: int
    unit: Literal["days", "weeks"]
    starts_on: date
    handover_time: time
    zone: str
    members: tuple[int, ...]


@dataclass(frozen=True)
class Cover:
    """This person, or nobody on purpose, instead of whoever's turn it is."""

    user: int | None
    starts_at: datetime
    ends_at: datetime

    def holds(self, at: datetime) -> bool:
        return self.starts_at <= at < self.ends_at


@dataclass(frozen=True)
class Shift:
    """One person's stretch of time; nobody's where `user` is None."""

    user: int | None
    starts_at: datetime
    ends_at: datetime
    is_cover: bool


def on_call(cadence: Cadence, covers: Sequence[Cover], at: datetime) -> int | None:
    """Who is on call at this instant. `covers` in the order of their creation: the last wins."""
    if cover := _cover_at(covers, at):
        return cover.user
    return _whose_turn(cadence, at)


def next_handover(cadence: Cadence, covers: Sequence[Cover], at: datetime) -> datetime | None:
    """The first instant after `at` at which another person (or nobody) is on call."""
    person = on_call(cadence, covers, at)
    edges = {edge for cover in covers for edge in (cover.starts_at, cover.ends_at) if edge > at}
    for begins, ends in pairwise([at, *sorted(edges), FOREVER]):
        if on_call(cadence, covers, begins) != person:
            return begins.astimezone(UTC)
        if _cover_at(covers, begins):
            continue
        change = _next_change_of_turn(cadence, begins)
        if change and change < ends:
            return change
    return None


def shifts(
    cadence: Cadence, covers: Sequence[Cover], start: datetime, end: datetime
) -> list[Shift]:
    """Every shift that touches [start, end), in order, without holes: each begins where one ends.

    Shifts are whole, not cut at the window, as far as `covers` knows of what lies outside it. Only
    a stretch that has no edge of its own (before the first turn, or without members) is cut.
    """
    if start >= end:
        return []
    live = [cover for cover in covers if cover.starts_at < cover.ends_at]
    turns = list(_turns(cadence, start, end))
    stretches: list[Shift | Cover] = [*turns, *live]
    edges = {edge for one in stretches for edge in (one.starts_at, one.ends_at)}
    found: list[Shift] = []
    source: Cover | Shift | None = None
    for begins, ends in pairwise(sorted(edges)):
        before, source = source, _cover_at(live, begins) or _turn_at(turns, begins)
        if source is None:
            continue
        if source is before:
            begins = found.pop().starts_at
        found.append(
            Shift(
                source.user,
                begins.astimezone(UTC),
                ends.astimezone(UTC),
                is_cover=isinstance(source, Cover),
            )
        )
    return [shift for shift in found if shift.starts_at < end and shift.ends_at > start]


def resolve_local(day: date, wall: time, zone: str) -> datetime:
    """The instant, in UTC, at which clocks in `zone` first show this time on this day.

    A time that is skipped (clocks going forward) gives the first instant after the gap; one that
    is shown twice (clocks going back) gives the first of the two.
    """
    local = datetime.combine(day, wall.replace(tzinfo=None, fold=0), tzinfo=ZoneInfo(zone))
    instant = local.astimezone(UTC)
    if instant.astimezone(local.tzinfo).replace(tzinfo=None) == local.replace(tzinfo=None):
        return instant
    return _end_of_gap(local)


def next_in_hours(start: time, end: time, weekends: bool, zone: str, at: datetime) -> datetime:
    """`at` itself within team hours (Monday to Friday unless `weekends`), else the next opening.

    Hours that never open count as always open: better a message at night than none.
    """
    today = at.astimezone(ZoneInfo(zone)).date()
    for ahead in range(10):
        day = today + ahead * ONE_DAY
        if day.weekday() >= SATURDAY and not weekends:
            continue
        opens, closes = resolve_local(day, start, zone), resolve_local(day, end, zone)
        if opens < closes and at < closes:
            return max(opens, at.astimezone(UTC))
    return at.astimezone(UTC)


def _cover_at(covers: Sequence[Cover], at: datetime) -> Cover | None:
    return next((cover for cover in reversed(covers) if cover.holds(at)), None)


def _whose_turn(cadence: Cadence, at: datetime) -> int | None:
    number = _turn_number(cadence, at)
    return None if number is None else cadence.members[number % len(cadence.members)]


def _turn_number(cadence: Cadence, at: datetime) -> int | None:
    """Which turn, counted from 0, this instant is in; None before the first or without members."""
    if not cadence.members:
        return None
    local = at.astimezone(ZoneInfo(cadence.zone))
    # A guess that is never too low: the hour of the hand-over may still be ahead today, and where
    # a whole day is repeated (a move across the date line) the local date falls back by one.
    number = (local.date() - cadence.starts_on + ONE_DAY).days // _length(cadence)
    while number >= 0 and _turn_starts(cadence, number) > at:
        number -= 1
    return number if number >= 0 else None


def _turn_starts(cadence: Cadence, number: int) -> datetime:
    day = cadence.starts_on + timedelta(days=number * _length(cadence))
    return resolve_local(day, cadence.handover_time, cadence.zone)


def _length(cadence: Cadence) -> int:
    """Days in one turn."""
    return cadence.every * DAYS_IN[cadence.unit]


def _next_change_of_turn(cadence: Cadence, at: datetime) -> datetime | None:
    """The first instant after `at` at which, covers aside, it is another person's turn."""
    person, number = _whose_turn(cadence, at), _turn_number(cadence, at)
    first = 0 if number is None else number + 1
    for ahead in range(first, first + len(cadence.members)):
        if cadence.members[ahead % len(cadence.members)] == person:
            continue
        begins = _turn_starts(cadence, ahead)
        # A turn that a skipped day left without length is nobody's.
        if _whose_turn(cadence, begins) != person:
            return begins
    return None


def _turns(cadence: Cadence, start: datetime, end: datetime) -> Iterator[Shift]:
    """The whole turns that touch [start, end), covers aside, and nobody's time before them."""
    if not cadence.members:
        yield Shift(None, start, end, is_cover=False)
        return
    number = _turn_number(cadence, start)
    if number is None:
        number = 0
        yield Shift(None, start, _turn_starts(cadence, 0), is_cover=False)
    begins = _turn_starts(cadence, number)
    while begins < end:
        user = cadence.members[number % len(cadence.members)]
        number += 1
        ends = _turn_starts(cadence, number)
        if begins < ends:
            yield Shift(user, begins, ends, is_cover=False)
        begins = ends


def _turn_at(turns: Sequence[Shift], at: datetime) -> Shift | None:
    place = bisect_right(turns, at, key=lambda turn: turn.starts_at) - 1
    return turns[place] if place >= 0 and at < turns[place].ends_at else None


def _end_of_gap(local: datetime) -> datetime:
    """The instant at which clocks jump over this local time, which they never show."""
    # Read with the offset after the jump the time lies before it, with the one before it, after.
    before = local.replace(fold=1).astimezone(UTC)
    after = local.replace(fold=0).astimezone(UTC)
    offset = after.astimezone(local.tzinfo).utcoffset()
    low, high = 0, int((after - before).total_seconds()) + 1
    before = before.replace(microsecond=0)
    while low < high:
        middle = (low + high) // 2
        if (before + middle * ONE_SECOND).astimezone(local.tzinfo).utcoffset() == offset:
            high = middle
        else:
            low = middle + 1
    return before + low * ONE_SECOND
