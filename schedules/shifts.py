"""Whose turn it is at which instant: pure arithmetic, and the only code that reckons in local time.

All stretches of time are half-open: at the hand-over instant the next person is on call. Instants
go in and come out as aware datetimes; out always in UTC.
"""

from __future__ import annotations

import functools
import heapq
from calendar import monthrange
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from typing import Literal, NamedTuple
from zoneinfo import ZoneInfo

Unit = Literal["hours", "days", "weeks", "months"]

ONE_DAY = timedelta(days=1)
ONE_WEEK = timedelta(weeks=1)
ONE_SECOND = timedelta(seconds=1)
BEGINNING = datetime.min.replace(tzinfo=UTC)
FOREVER = datetime.max.replace(tzinfo=UTC)
LENGTH_OF = {"hours": timedelta(hours=1), "days": ONE_DAY, "weeks": ONE_WEEK}

# How far around a window the beginning and the end of a duty are looked for: at first, and where
# it is still going on there.
NEAR, FAR = timedelta(days=35), timedelta(days=400)


@dataclass(frozen=True)
class Window:
    """From `starts` to `ends` on these days (0 is Monday); on the next day if it ends no later."""

    days: frozenset[int]
    starts: time
    ends: time


@dataclass(frozen=True)
class Kept:
    """Who is on call in place of the cadence until then: they were when it was changed."""

    user: int
    until: datetime


@dataclass(frozen=True)
class Cadence:
    """The members take turns in order, each for `every` units of time, from `starts_on`.

    An hours cadence counts hours on the wall clock. Months that have no such day as the first turn
    began on begin on their last. Outside the windows nobody is on call; no windows: always. The
    first turn is that of the member at `offset`; from the hand-over time of `ends_on` on there is
    none any more.
    """

    every: int
    unit: Unit
    starts_on: date
    handover_time: time
    zone: str
    members: tuple[int, ...]
    windows: tuple[Window, ...] = ()
    ends_on: date | None = None
    offset: int = 0
    kept: Kept | None = None


@dataclass(frozen=True)
class Cover:
    """This person, or nobody on purpose, instead of whoever's turn it is."""

    user: int | None
    starts_at: datetime
    ends_at: datetime
    override: int | None = None

    def holds(self, at: datetime) -> bool:
        return self.starts_at <= at < self.ends_at


# Why nobody is on call. "off", a person who is switched off, is for those who know people.
Why = Literal["", "outside", "cover", "before", "after", "empty", "off"]
ON_PURPOSE = ("outside", "cover")


@dataclass(frozen=True)
class Shift:
    """One person's stretch of time; nobody's where `user` is None, and then `why`.

    `instead_of`: the others whose turn a cover takes, in order of time.
    """

    user: int | None
    starts_at: datetime
    ends_at: datetime
    is_cover: bool
    instead_of: tuple[int, ...] = ()
    why: Why = ""
    override: int | None = None

    @property
    def is_gap(self) -> bool:
        """Nobody, and not on purpose."""
        return self.user is None and self.why not in ON_PURPOSE


class _Piece(NamedTuple):
    """A stretch of a cadence as it is planned, covers aside."""

    user: int | None
    why: Why
    begins: datetime
    ends: datetime


class _Shown(NamedTuple):
    """A stretch of time in which a cover holds and none that was created later does."""

    cover: Cover
    begins: datetime
    ends: datetime


def on_call(cadence: Cadence, covers: Sequence[Cover], at: datetime) -> int | None:
    """Who is on call at this instant. `covers` in the order of their creation: the last wins."""
    if cover := next((cover for cover in reversed(covers) if cover.holds(at)), None):
        return cover.user
    return whose_turn(cadence, at) if _is_open(cadence, at) else None


def whose_turn(cadence: Cadence, at: datetime) -> int | None:
    """Whose turn it is at this instant, also outside the windows and whoever covers for them."""
    return next(_turns(cadence, at)).user


def turn_number(cadence: Cadence, at: datetime) -> int | None:
    """Which turn by the cadence alone, counted from 0, this instant is in; None before the first.

    Found from the local time directly, however long ago the first turn was.
    """
    local = at.astimezone(ZoneInfo(cadence.zone)).replace(tzinfo=None)
    wall = _walls(cadence)
    first = wall(0)
    if cadence.unit == "months":
        guess = ((local.year - first.year) * 12 + local.month - first.month) // cadence.every
    else:
        guess = (local - first) // (cadence.every * LENGTH_OF[cadence.unit])
    # Near a hand-over, in a repeated hour or around a skipped day the guess is off by a few.
    number = max(guess, -1)
    while number >= 0 and _resolve(wall(number), cadence.zone) > at:
        number -= 1
    while _resolve(wall(number + 1), cadence.zone) <= at:
        number += 1
    return number if number >= 0 else None


def next_turn_starts(cadence: Cadence, at: datetime) -> datetime:
    """The first instant after `at` at which a turn begins, be it the same person's."""
    number = turn_number(cadence, at)
    ahead = 0 if number is None else number + 1
    while (begins := _turn_starts(cadence, ahead)) <= at:
        ahead += 1
    return begins


def next_handover(cadence: Cadence, covers: Sequence[Cover], at: datetime) -> datetime | None:
    """The first instant after `at` at which another person (or nobody) is on call."""
    person = on_call(cadence, covers, at)
    shown = [one for one in _shown(covers) if one.ends > at]
    since = at.astimezone(UTC)
    for one in shown:
        change = _first_other(cadence, person, since, max(since, one.begins))
        if change:
            return change
        if one.cover.user != person:
            return one.begins
        since = one.ends
    return _first_other(cadence, person, since, FOREVER)


def shifts(
    cadence: Cadence,
    covers: Sequence[Cover],
    start: datetime,
    end: datetime,
    *,
    joined: bool = False,
) -> list[Shift]:
    """Every shift that touches [start, end), in order, without holes: each begins where one ends.

    Shifts are whole, not cut at the window, as far as `covers` knows of what lies outside it. Only
    a stretch that has no edge of its own (before the first turn, or without members) is cut.
    `joined`: the turns of somebody who takes all of them are one, also cut at the window's end.
    """
    if start >= end:
        return []
    start, end = start.astimezone(UTC), end.astimezone(UTC)
    shown = _shown(covers)
    touching = [one for one in shown if one.begins < end and one.ends > start]
    # The whole of a cover is looked at, to name everybody whose turn it takes.
    since = min(start, touching[0].begins) if touching else start
    until = max(end, touching[-1].ends) if touching else end
    found = _overlay(_pieces(cadence, since, until, joined=joined), shown)
    return [
        _cut_if_endless(shift, start, end)
        for shift in found
        if shift.starts_at < end and shift.ends_at > start
    ]


def new_shifts(
    cadence: Cadence, covers: Sequence[Cover], start: datetime, end: datetime
) -> list[Shift]:
    """The duties that touch [start, end): what a person has before them when they come on.

    A duty goes on over turns of the same person one after the other, and over the time outside the
    windows between them; anything else ends it. As far as `covers` knows, and 400 days around.
    """
    return whole_duties(
        lambda since, until: shifts(cadence, covers, since, until, joined=True), start, end
    )


def whole_duties(
    timeline: Callable[[datetime, datetime], list[Shift]], start: datetime, end: datetime
) -> list[Shift]:
    """As `new_shifts`, of any source of shifts that answers for a window."""
    found: list[Shift] = []
    for reach in (NEAR, FAR):
        until = end + reach
        found = _duties(timeline(start - NEAR, until))
        found = [duty for duty in found if duty.starts_at < end and duty.ends_at > start]
        if not found or found[-1].ends_at < until:
            break
    return found


def join(found: Iterable[Shift]) -> list[Shift]:
    """The same time with neighbours that say the same made one.

    Two covers stay two, unless the first is no longer known to be one or the other.
    """
    joined: list[Shift] = []
    for shift in found:
        if joined and says_the_same(joined[-1], shift):
            joined[-1] = merge(joined[-1], shift)
        else:
            joined.append(shift)
    return joined


def says_the_same(before: Shift, after: Shift) -> bool:
    """Whether the second goes on where the first ends, with nothing to tell them apart."""
    if before.ends_at != after.starts_at or before.user != after.user:
        return False
    if before.is_cover != after.is_cover or before.why != after.why:
        return False
    if before.why == "off" and before.instead_of != after.instead_of:
        return False
    return before.override is None or before.override == after.override


def merge(before: Shift, after: Shift) -> Shift:
    """Both as one, which is a cover only if both are."""
    is_cover = before.is_cover and after.is_cover
    new = tuple(user for user in after.instead_of if user not in before.instead_of)
    return replace(
        before,
        ends_at=after.ends_at,
        instead_of=before.instead_of + new,
        override=after.override if is_cover else None,
        is_cover=is_cover,
    )


def resolve_local(day: date, wall: time, zone: str) -> datetime:
    """The instant, in UTC, at which clocks in `zone` first show this time on this day.

    A time that is skipped (clocks going forward) gives the first instant after the gap; one that
    is shown twice (clocks going back) gives the first of the two.
    """
    return _resolve(datetime.combine(day, _plain(wall)), zone)


def opening(
    windows: tuple[Window, ...], zone: str, at: datetime
) -> tuple[datetime, datetime] | None:
    """The stretch in which one of the windows is open at this instant, else the next one.

    None where they are never shut; no windows: always open.
    """
    if not _open_hours(windows):
        return None
    return next(one for one in _openings(windows, zone, at, weeks_back=1) if one[1] > at)


def _duties(found: Iterable[Shift]) -> list[Shift]:
    joined: list[Shift] = []
    since: datetime | None = None  # where whoever came last would have to go on
    for shift in found:
        if shift.user is None:
            since = shift.ends_at if shift.why == "outside" and since == shift.starts_at else None
        elif joined and since == shift.starts_at and joined[-1].user == shift.user:
            joined[-1] = merge(joined[-1], shift)
            since = shift.ends_at
        else:
            joined.append(shift)
            since = shift.ends_at
    return joined


def _cut_if_endless(shift: Shift, start: datetime, end: datetime) -> Shift:
    if shift.starts_at == BEGINNING:
        shift = replace(shift, starts_at=start)
    return replace(shift, ends_at=end) if shift.ends_at == FOREVER else shift


def _shown(covers: Sequence[Cover]) -> list[_Shown]:
    """What shows of the covers, in order of time; zero length does nothing."""
    waiting = sorted(
        (
            (cover.starts_at.astimezone(UTC), -rank, cover.ends_at.astimezone(UTC), cover)
            for rank, cover in enumerate(covers)
            if cover.starts_at < cover.ends_at
        ),
        key=lambda one: one[:2],
        reverse=True,
    )
    edges = sorted({edge for begins, _, ends, _ in waiting for edge in (begins, ends)})
    holding: list[tuple[int, datetime, Cover]] = []  # on top the one created last
    found: list[_Shown] = []
    for begins, ends in pairwise(edges):
        while waiting and waiting[-1][0] == begins:
            _, rank, over, cover = waiting.pop()
            heapq.heappush(holding, (rank, over, cover))
        while holding and holding[0][1] <= begins:
            heapq.heappop(holding)
        if not holding:
            continue
        cover = holding[0][2]
        if found and found[-1].cover is cover and found[-1].ends == begins:
            begins = found.pop().begins
        found.append(_Shown(cover, begins, ends))
    return found


def _overlay(pieces: Iterable[_Piece], shown: Sequence[_Shown]) -> Iterator[Shift]:
    """The plan with what shows of the covers laid over it."""
    place = 0
    instead_of: list[int] = []
    for user, why, begins, ends in pieces:
        while place < len(shown) and shown[place].ends <= begins:
            place += 1
        while place < len(shown) and shown[place].begins < ends:
            one = shown[place]
            if begins < one.begins:
                yield Shift(user, begins, one.begins, False, (), why)
            if user not in (None, one.cover.user, *instead_of):
                instead_of.append(user)  # type: ignore[arg-type]  # not None, see above
            begins = one.ends
            if one.ends > ends:
                break
            yield _covered(one, instead_of)
            instead_of = []
            place += 1
        if begins < ends:
            yield Shift(user, begins, ends, False, (), why)


def _covered(one: _Shown, instead_of: list[int]) -> Shift:
    cover = one.cover
    why: Why = "cover" if cover.user is None else ""
    return Shift(cover.user, one.begins, one.ends, True, tuple(instead_of), why, cover.override)


def _pieces(
    cadence: Cadence, start: datetime, end: datetime = FOREVER, *, joined: bool = False
) -> Iterator[_Piece]:
    """The plan, covers aside: whole pieces without holes, the first of which holds `start`."""
    turns = _turns(cadence, start, joined=joined)
    found = _in_windows(cadence, turns, start) if _open_hours(cadence.windows) else turns
    for piece in found:
        if piece.begins >= end:
            return
        yield piece


def _in_windows(cadence: Cadence, turns: Iterator[_Piece], start: datetime) -> Iterator[_Piece]:
    """Each turn as far as the windows are open, and nobody between them."""
    turn = next(turns)
    closed_at = BEGINNING
    for opens, closes in _openings(cadence.windows, cadence.zone, start, weeks_back=2):
        if closes <= start:
            closed_at = closes
            continue
        if opens > start:
            yield _Piece(None, "outside", closed_at, opens)
        while True:
            begins, ends = max(turn.begins, opens), min(turn.ends, closes)
            if begins < ends:
                yield _Piece(turn.user, turn.why, begins, ends)
            if turn.ends >= closes:
                break
            turn = next(turns)
        closed_at = closes


def _turns(cadence: Cadence, start: datetime, *, joined: bool = False) -> Iterator[_Piece]:
    """Whose turn it is, windows aside: pieces without holes, the first of which holds `start`."""
    kept, over = cadence.kept, _over(cadence)
    kept_until = kept.until.astimezone(UTC) if kept else BEGINNING
    if start >= over:
        yield _Piece(None, "after", over, FOREVER)
        return
    if kept and start < kept_until:
        yield _Piece(kept.user, "", BEGINNING, min(kept_until, over))
        start = kept_until
    for user, why, begins, ends in _turns_by_cadence(cadence, start, joined=joined):
        # Whoever is kept is on call to the end, even where a turn has begun meanwhile.
        begins = max(begins, kept_until)
        if begins >= over:
            break
        yield _Piece(user, why, begins, min(ends, over))
    if over < FOREVER:
        yield _Piece(None, "after", over, FOREVER)


def _turns_by_cadence(cadence: Cadence, start: datetime, *, joined: bool) -> Iterator[_Piece]:
    members = cadence.members
    if not members:
        yield _Piece(None, "empty", BEGINNING, FOREVER)
        return
    number = turn_number(cadence, start)
    if number is None:
        yield _Piece(None, "before", BEGINNING, _turn_starts(cadence, 0))
        number = 0
    if joined and len(set(members)) == 1:
        yield _Piece(members[0], "", _turn_starts(cadence, 0), FOREVER)
        return
    wall, zone = _walls(cadence), cadence.zone
    begins = _resolve(wall(number), zone)
    while True:
        ends = _resolve(wall(number + 1), zone)
        if begins < ends:  # a skipped day or hour leaves a turn without length
            yield _Piece(members[(number + cadence.offset) % len(members)], "", begins, ends)
        begins, number = ends, number + 1


def _over(cadence: Cadence) -> datetime:
    if cadence.ends_on is None:
        return FOREVER
    return resolve_local(cadence.ends_on, cadence.handover_time, cadence.zone)


def _turn_starts(cadence: Cadence, number: int) -> datetime:
    return _resolve(_walls(cadence)(number), cadence.zone)


def _walls(cadence: Cadence) -> Callable[[int], datetime]:
    """Says at which local time each turn begins, counted from 0."""
    first = datetime.combine(cadence.starts_on, _plain(cadence.handover_time))
    if cadence.unit != "months":
        length = cadence.every * LENGTH_OF[cadence.unit]
        return lambda number: first + number * length

    def wall(number: int) -> datetime:
        years, month = divmod(first.month - 1 + number * cadence.every, 12)
        year, month = first.year + years, month + 1
        return first.replace(year=year, month=month, day=min(first.day, monthrange(year, month)[1]))

    return wall


def _plain(wall: time) -> time:
    return wall.replace(tzinfo=None, fold=0) if wall.tzinfo or wall.fold else wall


def _first_other(
    cadence: Cadence, person: int | None, begins: datetime, ends: datetime
) -> datetime | None:
    """The first instant in [begins, ends) at which, covers aside, it is not this person's."""
    kept_until = cadence.kept.until if cadence.kept else BEGINNING
    # From when on nobody is on call any more.
    over = _over(cadence) if cadence.members else min(_over(cadence), kept_until)
    if person is None and cadence.members and begins >= kept_until:
        begins = max(begins, _turn_starts(cadence, 0))
    if begins >= ends:
        return None
    for piece in _pieces(cadence, begins, ends, joined=True):
        if piece.user != person:
            return max(piece.begins, begins)
        if piece.ends >= ends or (person is None and piece.ends >= over):
            return None
    return None


def _is_open(cadence: Cadence, at: datetime) -> bool:
    found = opening(cadence.windows, cadence.zone, at)
    return found is None or found[0] <= at


def _openings(
    windows: tuple[Window, ...], zone: str, start: datetime, *, weeks_back: int
) -> Iterator[tuple[datetime, datetime]]:
    """When the windows are open, in order, without end, from some weeks before `start` on."""
    local = start.astimezone(ZoneInfo(zone)).replace(tzinfo=None)
    monday = datetime.combine(local.date() - local.weekday() * ONE_DAY, time.min)
    monday -= weeks_back * ONE_WEEK
    last: tuple[datetime, datetime] | None = None
    while True:
        for begins, ends in _open_hours(windows):
            opens = _resolve(monday + begins, zone)
            closes = _resolve(monday + ends, zone)
            if opens >= closes:  # swallowed by a skipped hour or day
                continue
            if last and last[1] >= opens:
                last = (last[0], closes)
                continue
            if last:
                yield last
            last = (opens, closes)
        monday += ONE_WEEK


@functools.lru_cache(maxsize=512)
def _open_hours(windows: tuple[Window, ...]) -> tuple[tuple[timedelta, timedelta], ...]:
    """The stretches of a week, counted from its Monday, that are open; empty: all of it is."""
    spans = sorted(
        (begins, begins + _how_long(window))
        for window in windows
        for day in window.days
        for begins in [week * ONE_WEEK + day * ONE_DAY + _since_midnight(window.starts)
                       for week in (-1, 0, 1)]
    )  # fmt: skip
    merged: list[tuple[timedelta, timedelta]] = []
    for begins, ends in spans:
        if merged and begins <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(ends, merged[-1][1]))
        else:
            merged.append((begins, ends))
    if any(ends - begins >= ONE_WEEK for begins, ends in merged):
        return ()
    return tuple(span for span in merged if timedelta(0) <= span[0] < ONE_WEEK)


def _how_long(window: Window) -> timedelta:
    length = _since_midnight(window.ends) - _since_midnight(window.starts)
    return length if length > timedelta(0) else length + ONE_DAY


def _since_midnight(wall: time) -> timedelta:
    return timedelta(
        hours=wall.hour, minutes=wall.minute, seconds=wall.second, microseconds=wall.microsecond
    )


def _resolve(wall: datetime, zone: str) -> datetime:
    local = wall.replace(tzinfo=ZoneInfo(zone))
    instant = local.astimezone(UTC)
    if instant.astimezone(local.tzinfo).replace(tzinfo=None) == wall:
        return instant
    return _end_of_gap(local)


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
