"""Whose turn it is: cadences, covers and summer time."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Any

import pytest

from pagerpal.testing import at
from schedules.shifts import (
    Cadence,
    Cover,
    Shift,
    Window,
    next_handover,
    on_call,
    opening,
    resolve_local,
    shifts,
)

BERLIN = "Europe/Berlin"
ALICE, BOB, CAROL, DAN = 1, 2, 3, 4


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


# --- Turns ----------------------------------------------------------------------------------------


def test_nobody_is_on_call_before_the_first_turn() -> None:
    assert on_call(cadence(), [], berlin("2026-03-02 08:59")) is None


def test_nobody_is_on_call_without_members() -> None:
    empty = cadence(members=())

    assert on_call(empty, [], berlin("2026-03-10 12:00")) is None
    assert next_handover(empty, [], berlin("2026-03-10 12:00")) is None


def test_at_the_handover_instant_the_next_person_is_on_call() -> None:
    assert on_call(cadence(), [], berlin("2026-03-02 09:00")) == ALICE
    assert on_call(cadence(), [], berlin("2026-03-09 08:59")) == ALICE
    assert on_call(cadence(), [], berlin("2026-03-09 09:00")) == BOB
    assert on_call(cadence(), [], berlin("2026-03-16 09:00")) == ALICE


def test_two_weeks_are_counted_from_the_first_day() -> None:
    biweekly = cadence(every=2)

    assert on_call(biweekly, [], berlin("2026-03-16 08:59")) == ALICE
    assert on_call(biweekly, [], berlin("2026-03-16 09:00")) == BOB
    assert next_handover(biweekly, [], berlin("2026-03-16 09:00")) == berlin("2026-03-30 09:00")


def test_three_days_are_counted_from_the_first_day() -> None:
    every_three = cadence(every=3, unit="days", members=(ALICE, BOB, CAROL))

    people = [on_call(every_three, [], berlin(f"2026-03-{day:02} 10:00")) for day in range(2, 12)]

    assert people == [ALICE] * 3 + [BOB] * 3 + [CAROL] * 3 + [ALICE]


def test_a_moment_decades_away_is_answered_without_walking_there() -> None:
    daily = cadence(every=1, unit="days", starts_on=date(1990, 1, 1))

    for _ in range(1000):
        on_call(daily, [], berlin("2090-06-01 12:00"))

    assert on_call(daily, [], berlin("2090-06-01 12:00")) in {ALICE, BOB}


# --- Summer time ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("day", "instant"),
    [
        ("2026-03-23", "2026-03-23 08:00"),  # winter: UTC+1
        ("2026-03-30", "2026-03-30 07:00"),  # the day after clocks went forward
        ("2026-10-19", "2026-10-19 07:00"),
        ("2026-10-26", "2026-10-26 08:00"),  # the day after they went back
    ],
)
def test_handover_stays_at_the_same_wall_clock_time_across_summer_time(
    day: str, instant: str
) -> None:
    edge = at(instant)

    before = on_call(cadence(), [], edge - timedelta(seconds=1))
    after = on_call(cadence(), [], edge)

    assert resolve_local(date.fromisoformat(day), time(9), BERLIN) == edge
    assert {before, after} == {ALICE, BOB}


def test_a_week_with_summer_time_in_it_is_an_hour_shorter_and_its_autumn_twin_longer() -> None:
    [spring] = shifts(cadence(), [], berlin("2026-03-25 12:00"), berlin("2026-03-25 13:00"))
    [autumn] = shifts(cadence(), [], berlin("2026-10-21 12:00"), berlin("2026-10-21 13:00"))

    assert spring.ends_at - spring.starts_at == timedelta(days=7, hours=-1)
    assert autumn.ends_at - autumn.starts_at == timedelta(days=7, hours=1)


def test_a_handover_in_the_skipped_hour_happens_right_after_it() -> None:
    nightly = cadence(every=1, unit="days", handover_time=time(2, 30))

    assert resolve_local(date(2026, 3, 29), time(2, 30), BERLIN) == at("2026-03-29 01:00")
    assert on_call(nightly, [], at("2026-03-29 00:59")) != on_call(
        nightly, [], at("2026-03-29 01:00")
    )
    assert resolve_local(date(2026, 3, 30), time(2, 30), BERLIN) == at("2026-03-30 00:30")


def test_a_handover_in_the_repeated_hour_happens_the_first_time() -> None:
    nightly = cadence(every=1, unit="days", handover_time=time(2, 30))
    first, second = berlin("2026-10-25 02:30"), berlin("2026-10-25 02:30*")

    assert second - first == timedelta(hours=1)
    assert resolve_local(date(2026, 10, 25), time(2, 30), BERLIN) == first
    assert on_call(nightly, [], first - timedelta(seconds=1)) != on_call(nightly, [], first)
    assert on_call(nightly, [], second - timedelta(seconds=1)) == on_call(nightly, [], second)


@pytest.mark.parametrize(
    ("zone", "local", "instant"),
    [
        # South of the equator: forward in October, back in April, Lord Howe by half an hour.
        ("Australia/Sydney", "2026-10-04 02:30", "2026-10-03 16:00"),
        ("Australia/Sydney", "2026-04-05 02:30", "2026-04-04 15:30"),
        ("Australia/Lord_Howe", "2026-10-04 02:15", "2026-10-03 15:30"),
        ("Australia/Lord_Howe", "2026-04-05 01:45", "2026-04-04 14:45"),
        # Midnight itself is skipped; a whole day is skipped.
        ("America/Santiago", "2026-09-06 00:00", "2026-09-06 04:00"),
        ("Pacific/Apia", "2011-12-30 09:00", "2011-12-30 10:00"),
        ("Asia/Kathmandu", "2026-03-29 02:30", "2026-03-28 20:45"),
    ],
)
def test_local_times_of_other_zones_are_resolved(zone: str, local: str, instant: str) -> None:
    wall = datetime.fromisoformat(local)

    assert resolve_local(wall.date(), wall.time(), zone) == at(instant)


def test_a_turn_on_a_day_that_never_was_is_nobodys() -> None:
    midnight = cadence(
        every=1,
        unit="days",
        starts_on=date(2011, 12, 29),
        handover_time=time(0),
        zone="Pacific/Apia",
        members=(ALICE, BOB, CAROL),
    )
    start, end = at("2011-12-29 12:00"), at("2011-12-31 00:00")

    assert [shift.user for shift in shifts(midnight, [], start, end)] == [ALICE, CAROL]
    assert next_handover(midnight, [], start) == at("2011-12-30 10:00")


# --- Covers ---------------------------------------------------------------------------------------


def test_a_cover_replaces_whoever_is_on_call_for_its_whole_span() -> None:
    cover = Cover(CAROL, berlin("2026-03-08 12:00"), berlin("2026-03-10 12:00"))

    found = shifts(cadence(), [cover], berlin("2026-03-02 09:00"), berlin("2026-03-16 09:00"))

    assert found == [
        Shift(ALICE, berlin("2026-03-02 09:00"), cover.starts_at, False),
        Shift(CAROL, cover.starts_at, cover.ends_at, True, instead_of=(ALICE, BOB)),
        Shift(BOB, cover.ends_at, berlin("2026-03-16 09:00"), False),
    ]


def test_a_cover_names_everybody_whose_turn_it_takes_from_wherever_it_is_seen() -> None:
    cover = Cover(BOB, berlin("2026-03-14 12:00"), berlin("2026-03-17 12:00"))
    trio = cadence(members=(ALICE, BOB, CAROL, DAN))

    [early] = shifts(trio, [cover], berlin("2026-03-14 13:00"), berlin("2026-03-14 14:00"))
    [late] = shifts(trio, [cover], berlin("2026-03-17 10:00"), berlin("2026-03-17 11:00"))

    assert early == late
    assert early.instead_of == (CAROL,)  # bob's own turn is not taken from anybody


def test_the_rotation_goes_on_as_planned_at_the_minute_a_cover_ends() -> None:
    cover = Cover(CAROL, berlin("2026-03-04 12:00"), berlin("2026-03-05 12:00"))

    assert on_call(cadence(), [cover], cover.starts_at) == CAROL
    assert on_call(cadence(), [cover], cover.ends_at - timedelta(seconds=1)) == CAROL
    assert on_call(cadence(), [cover], cover.ends_at) == ALICE


def test_where_covers_overlap_the_one_created_last_wins() -> None:
    wide = Cover(CAROL, berlin("2026-03-04 00:00"), berlin("2026-03-08 00:00"))
    narrow = Cover(DAN, berlin("2026-03-05 00:00"), berlin("2026-03-06 00:00"))
    noon = berlin("2026-03-05 12:00")

    assert on_call(cadence(), [wide, narrow], noon) == DAN
    assert on_call(cadence(), [narrow, wide], noon) == CAROL
    assert [
        shift.user for shift in shifts(cadence(), [wide, narrow], wide.starts_at, wide.ends_at)
    ] == [CAROL, DAN, CAROL]


def test_a_cover_of_no_length_does_nothing() -> None:
    noon = berlin("2026-03-05 12:00")
    week = (berlin("2026-03-02 09:00"), berlin("2026-03-09 09:00"))

    assert on_call(cadence(), [Cover(CAROL, noon, noon)], noon) == ALICE
    assert shifts(cadence(), [Cover(CAROL, noon, noon)], *week) == [Shift(ALICE, *week, False)]


def test_a_cover_by_nobody_is_a_gap_on_purpose() -> None:
    cover = Cover(None, berlin("2026-03-05 00:00"), berlin("2026-03-06 00:00"))

    assert on_call(cadence(), [cover], berlin("2026-03-05 12:00")) is None
    assert shifts(cadence(), [cover], berlin("2026-03-05 12:00"), berlin("2026-03-05 13:00")) == [
        Shift(None, cover.starts_at, cover.ends_at, True, instead_of=(ALICE,), why="cover")
    ]


def test_a_cover_works_before_the_first_turn_and_without_members() -> None:
    cover = Cover(CAROL, berlin("2026-02-01 00:00"), berlin("2026-02-02 00:00"))

    assert on_call(cadence(), [cover], berlin("2026-02-01 12:00")) == CAROL
    assert on_call(cadence(members=()), [cover], berlin("2026-02-01 12:00")) == CAROL


def test_a_shift_is_whole_even_where_a_cover_outside_the_window_ends_it() -> None:
    cover = Cover(CAROL, berlin("2026-03-07 00:00"), berlin("2026-03-08 00:00"))

    found = shifts(cadence(), [cover], berlin("2026-03-04 12:00"), berlin("2026-03-04 13:00"))

    assert found == [Shift(ALICE, berlin("2026-03-02 09:00"), cover.starts_at, False)]


# --- The next hand-over ---------------------------------------------------------------------------


def test_the_next_handover_is_when_another_person_comes_on() -> None:
    assert next_handover(cadence(), [], berlin("2026-03-02 09:00")) == berlin("2026-03-09 09:00")
    assert next_handover(cadence(), [], berlin("2026-02-01 09:00")) == berlin("2026-03-02 09:00")


def test_somebody_alone_never_hands_over() -> None:
    assert next_handover(cadence(members=(ALICE,)), [], berlin("2026-03-02 09:00")) is None


def test_a_person_listed_twice_in_a_row_does_not_hand_over_to_themselves() -> None:
    doubled = cadence(members=(ALICE, ALICE, BOB))

    assert next_handover(doubled, [], berlin("2026-03-03 00:00")) == berlin("2026-03-16 09:00")


def test_a_cover_by_the_person_who_is_on_call_changes_no_handover() -> None:
    own = Cover(ALICE, berlin("2026-03-05 00:00"), berlin("2026-03-06 00:00"))

    assert next_handover(cadence(), [own], berlin("2026-03-04 00:00")) == berlin("2026-03-09 09:00")


def test_a_cover_across_the_handover_moves_it() -> None:
    late = Cover(ALICE, berlin("2026-03-09 00:00"), berlin("2026-03-09 18:00"))

    assert next_handover(cadence(), [late], berlin("2026-03-04 00:00")) == late.ends_at


def test_a_cover_makes_somebody_alone_hand_over_and_take_back() -> None:
    cover = Cover(BOB, berlin("2027-03-05 00:00"), berlin("2027-03-06 00:00"))
    alone = cadence(members=(ALICE,))

    assert next_handover(alone, [cover], berlin("2026-03-04 00:00")) == cover.starts_at
    assert next_handover(alone, [cover], cover.starts_at) == cover.ends_at


# --- Team hours -----------------------------------------------------------------------------------


WORKDAYS = Window(frozenset(range(5)), time(9), time(18))


def next_open(moment: str, *windows: Window) -> datetime | None:
    """The moment itself where a window is open."""
    found = opening(windows, BERLIN, berlin(moment))
    return max(found[0], berlin(moment)) if found else None


@pytest.mark.parametrize(
    ("moment", "answer"),
    [
        ("2026-11-23 12:00", "2026-11-23 12:00"),  # Monday noon: now
        ("2026-11-23 08:59", "2026-11-23 09:00"),
        ("2026-11-23 09:00", "2026-11-23 09:00"),
        ("2026-11-23 18:00", "2026-11-24 09:00"),  # closed at the closing minute
        ("2026-11-27 18:30", "2026-11-30 09:00"),  # Friday evening
        ("2026-11-28 12:00", "2026-11-30 09:00"),
        ("2026-03-27 19:00", "2026-03-30 09:00"),  # over the weekend of summer time
        ("2026-10-23 19:00", "2026-10-26 09:00"),
    ],
)
def test_windows_that_are_shut_open_next_time(moment: str, answer: str) -> None:
    assert next_open(moment, WORKDAYS) == berlin(answer)


def test_windows_on_every_day_are_open_on_saturday() -> None:
    every_day = Window(frozenset(range(7)), time(9), time(18))

    assert next_open("2026-11-28 12:00", every_day) == berlin("2026-11-28 12:00")


def test_a_window_that_a_skipped_hour_swallows_opens_the_next_day() -> None:
    night = Window(frozenset(range(7)), time(2, 10), time(2, 50))

    assert next_open("2026-03-28 23:00", night) == berlin("2026-03-30 02:10")


def test_windows_that_are_never_shut_have_no_next_time() -> None:
    assert next_open("2026-11-28 12:00") is None
    assert next_open("2026-11-28 12:00", Window(frozenset(range(7)), time(9), time(9))) is None
