"""What holds of all rotations, covers, windows and zones, at any moment of 20 years."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from schedules import shifts as module
from schedules.shifts import (
    Cadence,
    Shift,
    Window,
    join,
    new_shifts,
    next_handover,
    on_call,
    resolve_local,
    shifts,
    whose_turn,
)
from schedules.tests.made_up import DAY, MINUTE, ZONES, World, clock_changes, worlds

INSTANT = timedelta(microseconds=1)
some = settings(max_examples=50)
lengths = st.integers(1, 60)
walls = st.builds(time, st.integers(0, 23), st.sampled_from([0, 15, 30, 59]))


@given(st.sampled_from(ZONES), st.dates(date(2006, 1, 1), date(2026, 12, 31)), walls, st.data())
@settings(max_examples=40)
def test_a_local_time_is_the_first_instant_at_which_clocks_have_reached_it(
    zone: str, day: date, wall: time, data: st.DataObject
) -> None:
    if changes := clock_changes(zone):
        day = data.draw(st.just(day) | st.sampled_from(changes).map(datetime.date))
    target = datetime.combine(day, wall)
    instant = target.replace(tzinfo=UTC) - timedelta(hours=26)

    while instant.astimezone(ZoneInfo(zone)).replace(tzinfo=None) < target:
        instant += MINUTE

    assert resolve_local(day, wall, zone) == instant


@given(worlds, lengths)
@some
def test_shifts_tile_time_without_hole_or_overlap(world: World, days: int) -> None:
    start, end = world.moment, world.moment + days * DAY

    found = shifts(world.cadence, world.covers, start, end)

    assert found[0].starts_at <= start
    assert found[-1].ends_at >= end
    assert all(one.starts_at < one.ends_at for one in found)
    assert all(before.ends_at == after.starts_at for before, after in pairwise(found))
    assert all((one.user is None) == bool(one.why) for one in found)


@given(worlds, lengths, st.floats(0, 0.999))
@some
def test_any_instant_has_the_same_answer_from_the_list_as_from_on_call(
    world: World, days: int, part: float
) -> None:
    start, end = world.moment, world.moment + days * DAY

    found = shifts(world.cadence, world.covers, start, end)

    edges = [edge for s in found[:40] for edge in (s.starts_at, s.ends_at - INSTANT)]
    for instant in [start, end - INSTANT, start + (end - start) * part, *edges]:
        if start <= instant < end:
            [answer] = [s for s in found if s.starts_at <= instant < s.ends_at]
            assert answer.user == on_call(world.cadence, world.covers, instant)


@given(worlds, lengths, st.lists(st.floats(0, 1), max_size=3), st.booleans())
@some
def test_a_long_window_is_its_parts_put_together(
    world: World, days: int, parts: list[float], joined: bool
) -> None:
    start, end = world.moment, world.moment + days * DAY
    cuts = [start, *(start + (end - start) * part for part in sorted(parts)), end]

    def found(begins: datetime, ends: datetime) -> list[Shift]:
        listed = shifts(world.cadence, world.covers, begins, ends, joined=joined)
        return [
            replace(s, starts_at=max(s.starts_at, begins), ends_at=min(s.ends_at, ends))
            for s in listed
        ]

    together = [shift for edges in pairwise(cuts) for shift in found(*edges)]
    assert join(together) == join(found(start, end))


@given(worlds, lengths)
@some
def test_a_shift_is_whole_from_wherever_it_is_seen_unless_it_has_no_edge(
    world: World, days: int
) -> None:
    start, end = world.moment, world.moment + days * DAY

    for shift in shifts(world.cadence, world.covers, start, end)[:60]:
        begins = max(shift.starts_at, start)
        [seen] = shifts(world.cadence, world.covers, begins, begins + INSTANT)

        endless = seen.starts_at == begins, seen.ends_at == begins + INSTANT
        assert seen.starts_at == shift.starts_at or (endless[0] and shift.starts_at <= start)
        assert seen.ends_at == shift.ends_at or (endless[1] and shift.ends_at == end)


@given(worlds)
@some
def test_the_next_handover_is_the_first_instant_with_somebody_else(world: World) -> None:
    horizon = world.moment + timedelta(days=300)

    answer = next_handover(world.cadence, world.covers, world.moment)

    person = on_call(world.cadence, world.covers, world.moment)
    found = shifts(world.cadence, world.covers, world.moment, horizon, joined=True)
    later = (s.starts_at for s in found if s.starts_at > world.moment and s.user != person)
    expected = next(later, None)
    assert answer == expected or (expected is None and (answer is None or answer >= horizon))


@given(worlds, st.integers(1, 20))
@some
def test_duties_hold_each_shift_of_a_person_once_and_begin_with_one(
    world: World, days: int
) -> None:
    start, end = world.moment, world.moment + days * DAY

    duties = new_shifts(world.cadence, world.covers, start, end)

    for duty in duties:
        assert on_call(world.cadence, world.covers, duty.starts_at) == duty.user
        assert on_call(world.cadence, world.covers, duty.ends_at - INSTANT) == duty.user
    for shift in shifts(world.cadence, world.covers, start, end):
        around = [
            duty
            for duty in duties
            if duty.starts_at < min(shift.ends_at, end)
            and duty.ends_at > max(shift.starts_at, start)
        ]
        if shift.user is not None:
            assert [duty.user for duty in around] == [shift.user]
        elif shift.why != "outside":
            assert not around


@given(worlds, st.integers(1, 20), st.integers(1, 20))
@some
def test_a_duty_begins_at_the_same_moment_from_wherever_it_is_seen(
    world: World, days: int, later: int
) -> None:
    start, end = world.moment, world.moment + 21 * DAY

    seen = new_shifts(world.cadence, world.covers, start, end)
    again = new_shifts(world.cadence, world.covers, start + later * DAY, end + days * DAY)

    def coming(duties: list[Shift]) -> list[tuple[int | None, datetime]]:
        within = [d for d in duties if start + later * DAY <= d.starts_at < end]
        return [(duty.user, duty.starts_at) for duty in within]

    assert coming(seen) == coming(again)


@pytest.mark.parametrize(
    ("unit", "every"), [("hours", 7), ("days", 1), ("weeks", 1), ("months", 1)]
)
@pytest.mark.parametrize("windows", [(), (Window(frozenset(range(5)), time(9), time(17)),)])
def test_a_rotation_that_began_20_years_ago_costs_what_a_new_one_does(
    unit: module.Unit, every: int, windows: tuple[Window, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = 0
    resolve = module._resolve

    def counted(wall: datetime, zone: str) -> datetime:
        nonlocal asked
        asked += 1
        return resolve(wall, zone)

    monkeypatch.setattr(module, "_resolve", counted)
    costs = []
    now = datetime(2026, 3, 1, 12, tzinfo=UTC)
    for year in (2006, 2026):
        cadence = Cadence(
            every, unit, date(year, 1, 31), time(9), "Europe/Berlin", (1, 2, 3), windows
        )
        before = asked
        shifts(cadence, [], now, now + 90 * DAY)
        on_call(cadence, [], now)
        next_handover(cadence, [], now)
        whose_turn(cadence, now)
        costs.append(asked - before)

    assert abs(costs[0] - costs[1]) <= 8
