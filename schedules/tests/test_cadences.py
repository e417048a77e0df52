"""Turns of hours and months, windows of the week, an end, and somebody who is kept."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Any

import pytest

from pagerpal.testing import at
from schedules.shifts import (
    Cadence,
    Cover,
    Kept,
    Shift,
    Window,
    join,
    new_shifts,
    next_handover,
    next_turn_starts,
    on_call,
    shifts,
    turn_number,
    whose_turn,
)

BERLIN = "Europe/Berlin"
ALICE, BOB, CAROL = 1, 2, 3
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
WORKDAYS = frozenset(range(5))
OFFICE = Window(WORKDAYS, time(9), time(17))
NIGHTS = Window(WORKDAYS, time(22), time(6))


def cadence(**fields: Any) -> Cadence:
    """Alice, then bob, a week each from Monday 2 March 2026, 09:00 in Berlin, unless told."""
    values: dict[str, Any] = {
        "every": 1,
        "unit": "weeks",
        "starts_on": date(2026, 3, 2),
        "handover_time": time(9),
        "zone": BERLIN,
        "members": (ALICE, BOB),
        **fields,
    }
    return Cadence(**values)


def berlin(text: str) -> datetime:
    return at(text, BERLIN)


def begins(turns: Cadence, start: str, end: str) -> list[datetime]:
    return [shift.starts_at for shift in shifts(turns, [], berlin(start), berlin(end))]


def people(found: list[Shift]) -> list[int | None]:
    return [shift.user for shift in found]


# --- Hours ----------------------------------------------------------------------------------------


def test_hours_are_counted_on_the_wall_clock() -> None:
    twelve = cadence(every=12, unit="hours")

    assert begins(twelve, "2026-03-10 09:00", "2026-03-11 09:00") == [
        berlin("2026-03-10 09:00"),
        berlin("2026-03-10 21:00"),
    ]


@pytest.mark.parametrize(
    ("day", "night_lasts"), [("2026-03-28", 11), ("2026-10-24", 13), ("2026-11-01", 12)]
)
def test_twelve_hours_at_night_are_shorter_in_spring_and_longer_in_autumn(
    day: str, night_lasts: int
) -> None:
    twelve = cadence(every=12, unit="hours")

    [night] = shifts(twelve, [], berlin(f"{day} 22:00"), berlin(f"{day} 23:00"))

    assert night.starts_at == berlin(f"{day} 21:00")
    assert night.ends_at - night.starts_at == night_lasts * HOUR


def test_a_turn_in_the_skipped_hour_is_nobodys_and_shifts_nobody() -> None:
    hourly = cadence(every=1, unit="hours", members=(ALICE, BOB, CAROL))
    morning = ("2026-03-29 01:00", "2026-03-29 05:00")

    found = shifts(hourly, [], berlin(morning[0]), berlin(morning[1]))

    # 01:00, 03:00 and 04:00: the one at 02:00 has no length.
    at_one = turn_number(hourly, berlin("2026-03-29 01:00"))
    assert at_one is not None
    assert people(found) == [hourly.members[(at_one + ahead) % 3] for ahead in (0, 2, 3)]
    assert turn_number(hourly, berlin("2026-03-29 03:00")) == at_one + 2


def test_a_turn_in_the_repeated_hour_lasts_both_times() -> None:
    hourly = cadence(every=1, unit="hours", members=(ALICE, BOB, CAROL))

    [twice] = shifts(hourly, [], berlin("2026-10-25 02:10"), berlin("2026-10-25 02:20"))

    assert twice.starts_at == berlin("2026-10-25 02:00")
    assert twice.ends_at == berlin("2026-10-25 03:00")
    assert twice.ends_at - twice.starts_at == 2 * HOUR


# --- Months ---------------------------------------------------------------------------------------


def test_months_without_that_day_begin_on_their_last() -> None:
    monthly = cadence(unit="months", starts_on=date(2026, 1, 31))

    assert begins(monthly, "2026-01-31 09:00", "2026-05-01 00:00") == [
        berlin("2026-01-31 09:00"),
        berlin("2026-02-28 09:00"),
        berlin("2026-03-31 09:00"),  # clamped from the first day, not from February's
        berlin("2026-04-30 09:00"),
    ]


def test_a_leap_year_has_its_29th_of_february() -> None:
    monthly = cadence(unit="months", starts_on=date(2027, 12, 31))

    assert next_handover(monthly, [], berlin("2028-02-10 12:00")) == berlin("2028-02-29 09:00")


def test_several_months_go_over_the_year() -> None:
    quarterly = cadence(every=3, unit="months", starts_on=date(2026, 11, 15))

    assert on_call(quarterly, [], berlin("2027-02-15 08:59")) == ALICE
    assert on_call(quarterly, [], berlin("2027-02-15 09:00")) == BOB


@pytest.mark.parametrize(("day", "hours"), [("2026-03-10", -1), ("2026-10-10", 1)])
def test_a_month_hands_over_at_the_same_wall_clock_time_across_summer_time(
    day: str, hours: int
) -> None:
    monthly = cadence(unit="months", starts_on=date(2026, 1, 1))

    [month] = shifts(monthly, [], berlin(f"{day} 12:00"), berlin(f"{day} 13:00"))

    assert month.ends_at - month.starts_at == timedelta(days=31, hours=hours)


# --- Windows --------------------------------------------------------------------------------------


def test_outside_the_windows_nobody_is_on_call_on_purpose() -> None:
    office = cadence(windows=(OFFICE,))

    found = shifts(office, [], berlin("2026-03-05 12:00"), berlin("2026-03-06 12:00"))

    assert found == [
        Shift(ALICE, berlin("2026-03-05 09:00"), berlin("2026-03-05 17:00"), False),
        Shift(None, berlin("2026-03-05 17:00"), berlin("2026-03-06 09:00"), False, why="outside"),
        Shift(ALICE, berlin("2026-03-06 09:00"), berlin("2026-03-06 17:00"), False),
    ]
    assert not any(shift.is_gap for shift in found)


def test_windows_are_half_open() -> None:
    office = cadence(windows=(OFFICE,))

    assert on_call(office, [], berlin("2026-03-05 08:59")) is None
    assert on_call(office, [], berlin("2026-03-05 09:00")) == ALICE
    assert on_call(office, [], berlin("2026-03-05 16:59")) == ALICE
    assert on_call(office, [], berlin("2026-03-05 17:00")) is None


def test_a_window_may_cross_midnight_and_the_weekend() -> None:
    nights = cadence(windows=(NIGHTS,))

    assert on_call(nights, [], berlin("2026-03-06 23:00")) == ALICE  # Friday
    assert on_call(nights, [], berlin("2026-03-07 05:59")) == ALICE
    assert on_call(nights, [], berlin("2026-03-07 06:00")) is None
    assert on_call(nights, [], berlin("2026-03-07 23:00")) is None
    assert next_handover(nights, [], berlin("2026-03-07 12:00")) == berlin("2026-03-09 22:00")


@pytest.mark.parametrize(
    ("day", "hours"), [("2026-03-06", 8), ("2026-03-28", 7), ("2026-10-24", 9)]
)
def test_a_night_window_is_shorter_in_spring_and_longer_in_autumn(day: str, hours: int) -> None:
    nights = cadence(windows=(Window(frozenset(range(7)), time(22), time(6)),))

    [night] = shifts(nights, [], berlin(f"{day} 23:00"), berlin(f"{day} 23:30"))

    assert night.ends_at - night.starts_at == hours * HOUR


def test_a_window_that_opens_in_the_skipped_hour_opens_right_after_it() -> None:
    early = cadence(windows=(Window(frozenset(range(7)), time(2, 30), time(6)),))

    assert on_call(early, [], berlin("2026-03-29 01:59")) is None
    assert on_call(early, [], berlin("2026-03-29 03:00")) == BOB
    assert on_call(early, [], berlin("2026-03-30 02:29")) is None


def test_a_window_that_closes_in_the_repeated_hour_closes_the_first_time() -> None:
    late = cadence(windows=(Window(frozenset(range(7)), time(0), time(2, 30)),))

    assert on_call(late, [], berlin("2026-10-25 02:29")) is not None
    assert on_call(late, [], berlin("2026-10-25 02:30")) is None
    assert on_call(late, [], berlin("2026-10-25 02:29*")) is None


@pytest.mark.parametrize("seen_from", ["2026-03-23 12:00", "2026-04-04 12:00"])
def test_a_window_swallowed_by_the_skipped_hour_does_not_open_that_day(seen_from: str) -> None:
    short = cadence(windows=(Window(frozenset({6}), time(2), time(3)),))  # Sundays

    [closed] = shifts(short, [], berlin(seen_from), berlin("2026-04-04 13:00"))

    assert closed.user is None
    assert closed.starts_at == berlin("2026-03-22 03:00")
    assert closed.ends_at == berlin("2026-04-05 02:00")


def test_windows_that_the_skipped_hour_brings_together_are_one_that_night() -> None:
    every_day = frozenset(range(7))
    pause = cadence(
        windows=(Window(every_day, time(0), time(2)), Window(every_day, time(3), time(5)))
    )

    [short_night] = shifts(pause, [], berlin("2026-03-29 01:00"), berlin("2026-03-29 04:00"))
    long_night = shifts(pause, [], berlin("2026-10-25 01:00"), berlin("2026-10-25 04:00"))

    assert short_night.ends_at - short_night.starts_at == 4 * HOUR
    assert [one.ends_at - one.starts_at for one in long_night] == [2 * HOUR] * 3


def test_windows_that_leave_no_minute_out_change_nothing() -> None:
    halves = (
        Window(frozenset(range(7)), time(0), time(12)),
        Window(frozenset(range(7)), time(12), time(0)),
    )
    week = (berlin("2026-03-02 09:00"), berlin("2026-03-09 09:00"))

    assert shifts(cadence(windows=halves), [], *week) == shifts(cadence(), [], *week)


def test_a_window_of_equal_times_is_open_for_24_hours() -> None:
    saturdays = cadence(windows=(Window(frozenset({5}), time(9), time(9)),))

    [saturday] = shifts(saturdays, [], berlin("2026-03-07 12:00"), berlin("2026-03-07 13:00"))

    assert saturday.starts_at == berlin("2026-03-07 09:00")
    assert saturday.ends_at == berlin("2026-03-08 09:00")


def test_windows_that_overlap_or_touch_are_one() -> None:
    split = (Window(WORKDAYS, time(9), time(13)), Window(WORKDAYS, time(12), time(17)))
    day = (berlin("2026-03-05 12:00"), berlin("2026-03-05 13:00"))

    assert shifts(cadence(windows=split), [], *day) == shifts(cadence(windows=(OFFICE,)), [], *day)


def test_a_handover_within_an_open_window_splits_it() -> None:
    office = cadence(windows=(OFFICE,), handover_time=time(12))

    found = shifts(office, [], berlin("2026-03-09 10:00"), berlin("2026-03-09 16:00"))

    assert people(found) == [ALICE, BOB]
    assert found[1].starts_at == berlin("2026-03-09 12:00")


def test_a_cover_replaces_for_its_whole_span_also_outside_the_windows() -> None:
    office = cadence(windows=(OFFICE,))
    cover = Cover(CAROL, berlin("2026-03-05 12:00"), berlin("2026-03-05 22:00"))

    found = shifts(office, [cover], berlin("2026-03-05 12:00"), berlin("2026-03-05 22:00"))

    assert on_call(office, [cover], berlin("2026-03-05 20:00")) == CAROL
    assert [(one.user, one.instead_of) for one in found] == [(CAROL, (ALICE,))]
    assert next_handover(office, [cover], berlin("2026-03-05 20:00")) == cover.ends_at


def test_two_rotations_follow_the_sun_without_a_gap_or_an_overlap() -> None:
    berlin_hours = cadence(windows=(Window(frozenset(range(7)), time(6), time(18)),))
    night = Window(frozenset(range(7)), time(18), time(6))
    others = cadence(members=(CAROL,), windows=(night,))

    for hour in range(24 * 40):
        instant = berlin("2026-03-10 00:00") + hour * HOUR
        both = [on_call(berlin_hours, [], instant), on_call(others, [], instant)]
        assert both.count(None) == 1


# --- Beginning and end ----------------------------------------------------------------------------


def test_before_the_first_turn_there_is_a_gap() -> None:
    [before] = shifts(cadence(), [], berlin("2026-02-01 00:00"), berlin("2026-02-02 00:00"))

    assert (before.user, before.why, before.is_gap) == (None, "before", True)


def test_before_the_first_turn_only_the_windows_are_a_gap() -> None:
    office = cadence(windows=(OFFICE,))

    found = shifts(office, [], berlin("2026-02-02 12:00"), berlin("2026-02-02 20:00"))

    assert [shift.why for shift in found] == ["before", "outside"]


def test_a_rotation_without_members_is_a_gap() -> None:
    [empty] = shifts(
        cadence(members=()), [], berlin("2026-03-05 00:00"), berlin("2026-03-06 00:00")
    )

    assert (empty.why, empty.is_gap) == ("empty", True)


def test_from_the_handover_time_of_its_last_day_on_nobody_is_on_call() -> None:
    ending = cadence(ends_on=date(2026, 3, 12))

    assert on_call(ending, [], berlin("2026-03-12 08:59")) == BOB
    assert on_call(ending, [], berlin("2026-03-12 09:00")) is None
    assert next_handover(ending, [], berlin("2026-03-10 12:00")) == berlin("2026-03-12 09:00")
    assert next_handover(ending, [], berlin("2026-03-12 09:00")) is None
    [after] = shifts(ending, [], berlin("2026-04-01 00:00"), berlin("2026-04-02 00:00"))
    assert (after.starts_at, after.why) == (berlin("2026-03-12 09:00"), "after")


@pytest.mark.parametrize(
    ("day", "end"),
    [
        (date(2026, 3, 29), "2026-03-29 03:00"),  # skipped: right after the gap
        (date(2026, 10, 25), "2026-10-25 02:30"),  # repeated: the first time
    ],
)
def test_an_end_is_a_local_time_like_all_others(day: date, end: str) -> None:
    ending = cadence(handover_time=time(2, 30), ends_on=day)

    assert on_call(ending, [], berlin(end) - DAY) is not None
    assert on_call(ending, [], berlin(end) - HOUR / 60) is not None
    assert on_call(ending, [], berlin(end)) is None


def test_a_rotation_that_ends_before_it_begins_never_has_anybody() -> None:
    never = cadence(ends_on=date(2026, 2, 1))

    found = shifts(never, [], berlin("2026-01-20 00:00"), berlin("2026-03-10 00:00"))

    assert [shift.why for shift in found] == ["before", "after"]


# --- Order ----------------------------------------------------------------------------------------


def test_the_first_turn_is_that_of_the_member_at_the_offset() -> None:
    moved = cadence(members=(ALICE, BOB, CAROL), offset=2)

    assert whose_turn(moved, berlin("2026-03-03 12:00")) == CAROL
    assert whose_turn(moved, berlin("2026-03-10 12:00")) == ALICE


def test_whoever_is_kept_is_on_call_until_then_and_the_turn_in_progress_follows() -> None:
    kept = cadence(kept=Kept(CAROL, berlin("2026-03-11 18:00")))

    found = shifts(kept, [], berlin("2026-03-10 12:00"), berlin("2026-03-12 12:00"))

    assert [(one.user, one.starts_at) for one in found] == [
        (CAROL, berlin("2026-03-10 12:00")),
        (BOB, berlin("2026-03-11 18:00")),
    ]
    assert next_handover(kept, [], berlin("2026-03-10 12:00")) == berlin("2026-03-11 18:00")


def test_whoever_is_kept_keeps_to_the_windows() -> None:
    kept = cadence(kept=Kept(CAROL, berlin("2026-03-11 18:00")), windows=(OFFICE,))

    assert on_call(kept, [], berlin("2026-03-10 12:00")) == CAROL
    assert on_call(kept, [], berlin("2026-03-10 20:00")) is None


def test_the_next_turn_begins_even_where_it_is_the_same_persons() -> None:
    alone = cadence(members=(ALICE,))

    assert next_turn_starts(alone, berlin("2026-03-02 09:00")) == berlin("2026-03-09 09:00")
    assert next_turn_starts(alone, berlin("2026-02-01 09:00")) == berlin("2026-03-02 09:00")


# --- Duties ---------------------------------------------------------------------------------------


def duties(turns: Cadence, *covers: Cover, start: str, end: str) -> list[tuple[Any, ...]]:
    found = new_shifts(turns, covers, berlin(start), berlin(end))
    return [(duty.user, duty.starts_at, duty.ends_at) for duty in found]


def test_a_duty_goes_on_over_the_time_outside_the_windows() -> None:
    office = cadence(windows=(OFFICE,))

    assert duties(office, start="2026-03-04 12:00", end="2026-03-10 12:00") == [
        (ALICE, berlin("2026-03-02 09:00"), berlin("2026-03-06 17:00")),
        (BOB, berlin("2026-03-09 09:00"), berlin("2026-03-13 17:00")),
    ]


@pytest.mark.parametrize("monday", ["2026-03-23", "2026-10-19"])
def test_a_duty_is_as_long_as_the_clocks_say_across_summer_time(monday: str) -> None:
    doubled = cadence(members=(ALICE, ALICE, BOB), starts_on=date.fromisoformat(monday))
    start = berlin(f"{monday} 09:00")

    [duty] = new_shifts(doubled, [], start, start + DAY)

    shorter = timedelta(hours=-1 if "03" in monday else 1)
    assert duty.ends_at - duty.starts_at == timedelta(days=14) + shorter


def test_a_cover_between_ends_a_duty_and_a_new_one_begins_after_it() -> None:
    cover = Cover(BOB, berlin("2026-03-04 12:00"), berlin("2026-03-05 12:00"))

    assert duties(cadence(), cover, start="2026-03-03 00:00", end="2026-03-06 00:00") == [
        (ALICE, berlin("2026-03-02 09:00"), cover.starts_at),
        (BOB, cover.starts_at, cover.ends_at),
        (ALICE, cover.ends_at, berlin("2026-03-09 09:00")),
    ]


def test_a_cover_for_oneself_prolongs_a_duty() -> None:
    longer = Cover(ALICE, berlin("2026-03-09 09:00"), berlin("2026-03-10 09:00"))

    [duty, _] = new_shifts(
        cadence(), [longer], berlin("2026-03-05 00:00"), berlin("2026-03-11 00:00")
    )

    assert (duty.user, duty.ends_at, duty.is_cover) == (ALICE, longer.ends_at, False)
    assert duty.instead_of == (BOB,)


def test_somebody_alone_has_one_duty_without_end() -> None:
    alone = cadence(members=(ALICE,), starts_on=date(2006, 3, 6))

    [duty] = new_shifts(alone, [], berlin("2026-03-05 00:00"), berlin("2026-03-06 00:00"))

    assert duty.starts_at == berlin("2006-03-06 09:00")
    assert duty.ends_at > berlin("2027-03-06 00:00")


# --- Neighbours -----------------------------------------------------------------------------------


def test_neighbours_that_say_the_same_are_joined_and_two_covers_are_not() -> None:
    noon = berlin("2026-03-05 12:00")
    edges = [noon + number * HOUR for number in range(5)]

    def piece(place: int, user: int | None, **fields: Any) -> Shift:
        is_cover = "override" in fields
        return Shift(user, edges[place], edges[place + 1], is_cover, **fields)

    turns = join([piece(0, ALICE), piece(1, ALICE), piece(2, BOB)])
    covers = join([piece(0, ALICE, override=7), piece(1, ALICE, override=8)])
    gaps = join([piece(0, None, why="empty"), piece(1, None, why="outside")])

    assert [(one.user, one.ends_at) for one in turns] == [(ALICE, edges[2]), (BOB, edges[3])]
    assert [one.override for one in covers] == [7, 8]
    assert len(gaps) == 2
