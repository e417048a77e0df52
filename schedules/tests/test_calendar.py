"""Shifts as pages lay them out, from plain values: no database."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest

from pagerpal.testing import at
from schedules import calendar
from schedules.calendar import Pen, Span, span_from
from schedules.models import Rotation, Team, User
from schedules.oncall import PlannedShift
from schedules.shifts import Why

PLATFORM = Team(pk=1, name="Platform")
PRIMARY = Rotation(pk=1, team=PLATFORM, name="primary", position=0)
SECOND = Rotation(pk=2, team=PLATFORM, name="second", position=1)
ALICE = User(pk=1, name="alice", time_zone="Europe/Berlin")
BOB = User(pk=2, name="bob", time_zone="UTC")
CAROL = User(pk=3, name="carol", time_zone="Asia/Kolkata")
# 13 weeks from Monday 23 November 2026.
SPAN = span_from(date(2026, 11, 23), "UTC")
PEN = Pen("UTC", {1: 1, 2: 2, 3: 3}, lambda shift: "/somewhere")


def shift(
    person: User | None,
    start: str,
    end: str,
    *,
    why: Why = "",
    rotation: Rotation = PRIMARY,
    instead_of: tuple[User, ...] = (),
) -> PlannedShift:
    is_cover = bool(instead_of) or why == "cover"
    return PlannedShift(rotation, person, at(start), at(end), is_cover, instead_of, why)


def bars(*shifts: PlannedShift, span: Span = SPAN) -> list[list[tuple[str, int, int, str]]]:
    """Per week: name, column, width, and when it begins if that is said."""
    weeks = calendar.weeks([PRIMARY], {1: shifts}, span, PEN)
    return [
        [(bar.drawn.name, bar.column, bar.width, bar.begins) for bar in week.lines[0].bars]
        for week in weeks
    ]


@pytest.mark.parametrize(
    ("day", "first", "weeks"),
    [
        (date(2026, 11, 23), date(2026, 11, 23), 13),  # a Monday
        (date(2026, 11, 25), date(2026, 11, 23), 14),
        (date(2026, 11, 29), date(2026, 11, 23), 14),
    ],
)
def test_a_page_shows_whole_weeks_and_at_least_90_days_ahead(
    day: date, first: date, weeks: int
) -> None:
    span = span_from(day, "Europe/Berlin")

    assert (span.first, span.weeks) == (first, weeks)
    assert span.next - day >= timedelta(days=90)
    assert span.later == span_from(span.next, "UTC").first
    assert span.earlier is not None
    assert span_from(span.earlier, "UTC").next == span.first


def test_the_first_and_the_last_page_lead_no_further() -> None:
    first, last = span_from(date.min, "UTC"), span_from(date.max, "UTC")

    assert (first.first, first.earlier) == (date(1999, 12, 27), None)
    assert (last.first, last.later) == (date(2099, 12, 28), None)


def test_a_page_begins_at_midnight_of_its_zone() -> None:
    span = span_from(date(2027, 3, 1), "America/New_York")

    assert span.starts_at == at("2027-03-01 05:00")
    assert span.ends_at == at("2027-05-31 04:00")


def test_a_shift_is_one_bar_in_each_week_it_touches_and_names_its_start_once() -> None:
    drawn = bars(shift(ALICE, "2026-11-27 00:00", "2026-12-08 12:00"))

    assert drawn[:4] == [
        [("alice", 25, 18, "from 00:00")],
        [("alice", 1, 42, "")],
        [("alice", 1, 9, "")],
        [],
    ]


def test_a_shift_from_before_the_page_begins_at_its_edge_without_a_time() -> None:
    drawn = bars(shift(ALICE, "2026-11-16 09:00", "2026-11-24 00:00"))

    assert drawn[0] == [("alice", 1, 6, "")]


def test_bars_that_meet_do_so_without_hole_or_overlap() -> None:
    drawn = bars(
        shift(ALICE, "2026-11-23 00:00", "2026-11-24 09:00"),
        shift(BOB, "2026-11-24 09:00", "2026-11-26 17:30"),
        shift(ALICE, "2026-11-26 17:30", "2026-11-30 00:00"),
    )[0]

    ends = [column + width for _, column, width, _ in drawn]
    assert [column for _, column, _, _ in drawn] == [1, *ends[:-1]]
    assert ends[-1] == 43


@pytest.mark.parametrize(
    ("start", "end", "place"),
    [
        ("2026-11-24 09:00", "2026-11-24 10:00", (9, 2, "09:00")),
        ("2026-11-29 23:00", "2026-11-29 23:30", (41, 2, "23:00")),
    ],
)
def test_a_short_shift_is_drawn_wide_enough_for_its_name_and_on_its_day(
    start: str, end: str, place: tuple[int, int, str]
) -> None:
    drawn = bars(shift(ALICE, start, end))

    assert drawn[0] == [("alice", *place)]
    assert drawn[1:] == [[]] * 12


def test_no_bar_leaves_its_week() -> None:
    start = at("2026-11-20 00:00")
    hourly = [
        PlannedShift(PRIMARY, ALICE, start + n * step, start + (n + 1) * step, False)
        for step in (timedelta(hours=5),)
        for n in range(500)
    ]

    for week in bars(*hourly):
        for _, column, width, _ in week:
            assert column >= 1
            assert column + width <= 43
            assert width >= 1


def test_minutes_at_the_edges_of_the_page_are_a_sliver_or_nothing() -> None:
    early = bars(shift(ALICE, "2026-11-20 23:50", "2026-11-23 00:10"))
    late = bars(shift(ALICE, "2027-02-21 23:50", "2027-02-22 09:00"))

    assert early == [[]] * 13
    assert late == [[]] * 12 + [[("alice", 42, 1, "")]]


def test_time_outside_the_hours_is_left_blank_and_said_of_the_line() -> None:
    weeks = calendar.weeks(
        [PRIMARY, SECOND],
        {
            1: [shift(None, "2026-11-23 00:00", "2026-11-23 09:00", why="outside")],
            2: [shift(None, "2026-11-23 00:00", "2026-11-25 00:00", why="empty")],
        },
        SPAN,
        PEN,
    )

    first, second = weeks[0].lines
    assert (first.bars, first.has_hours) == ([], True)
    assert [bar.drawn.look for bar in second.bars] == ["gap"]
    assert second.has_hours is False


def test_a_start_that_has_no_room_at_a_weeks_end_is_named_in_the_next_week() -> None:
    drawn = bars(shift(ALICE, "2026-11-29 22:00", "2026-12-02 09:00"))

    assert drawn[:2] == [[("alice", 42, 1, "")], [("alice", 1, 14, "since Sun 22:00")]]


def test_a_gap_without_a_beginning_names_no_time() -> None:
    gap = shift(None, "2026-11-23 00:00", "2026-12-23 09:00", why="before")

    assert bars(gap)[0] == [("NOBODY", 1, 42, "")]


@pytest.mark.parametrize(
    ("one", "name", "note", "look"),
    [
        (shift(ALICE, "2026-11-23 09:00", "2026-11-24 09:00"), "alice", "", "p1"),
        (
            shift(BOB, "2026-11-23 09:00", "2026-11-24 09:00", instead_of=(ALICE, CAROL)),
            "bob",
            "for alice, carol",
            "p2 cover",
        ),
        (
            shift(None, "2026-11-23 09:00", "2026-11-24 09:00", why="cover"),
            "nobody",
            "on purpose",
            "quiet cover",
        ),
        (
            shift(None, "2026-11-23 09:00", "2026-11-24 09:00", why="off", instead_of=(BOB,)),
            "NOBODY",
            "switched off",
            "gap",
        ),
        (
            shift(None, "2026-11-23 09:00", "2026-11-24 09:00", why="empty"),
            "NOBODY",
            "no members",
            "gap",
        ),
    ],
)
def test_a_shift_says_who_for_whom_and_why_nobody(
    one: PlannedShift, name: str, note: str, look: str
) -> None:
    drawn = PEN.draw(one)

    assert (drawn.name, drawn.note, drawn.look) == (name, note, look)


def test_another_hour_at_the_persons_place_is_said() -> None:
    here = PEN.draw(shift(BOB, "2026-11-23 09:00", "2026-11-24 09:00"))
    there = PEN.draw(shift(CAROL, "2026-11-23 09:00", "2026-11-24 09:00"))

    assert (here.theirs, there.theirs) == ("", "14:30")


def test_months_are_named_where_they_begin() -> None:
    weeks = calendar.weeks([PRIMARY], {}, SPAN, PEN)

    named = [(week.number, week.month) for week in weeks if week.month]
    assert named == [
        (48, date(2026, 11, 1)),
        (49, date(2026, 12, 1)),
        (53, date(2027, 1, 1)),
        (5, date(2027, 2, 1)),
    ]


def test_people_keep_their_colours_and_share_none_while_there_are_enough() -> None:
    def of(*keys: int) -> dict[int, int]:
        return calendar.colours(User(pk=key) for key in keys)

    assert of(3, 7) == {3: 3, 7: 7}
    assert of(3, 7, 14) == {3: 3, 7: 7, 14: 4}
    assert sorted(of(*range(1, 21, 2)).values()) == list(range(10))
    assert len(of(*range(1, 40))) == 39


def test_the_agenda_has_what_is_over_then_months_but_not_whoever_is_on_now() -> None:
    plans = {
        1: [
            shift(ALICE, "2026-11-16 09:00", "2026-11-23 09:00"),
            shift(BOB, "2026-11-23 09:00", "2026-11-30 09:00"),
            shift(CAROL, "2026-11-30 09:00", "2026-12-07 09:00"),
            shift(ALICE, "2026-12-07 09:00", "2026-12-14 09:00"),
        ],
        2: [
            shift(BOB, "2026-11-25 17:00", "2026-12-07 09:00", why="outside", rotation=SECOND),
            shift(BOB, "2026-12-07 09:00", "2026-12-07 17:00", rotation=SECOND),
        ],
    }

    parts = calendar.agenda(plans, SPAN, at("2026-11-25 12:00"), PEN)

    said = [
        (part.month, part.is_over, [(i.drawn.name, i.drawn.day, i.length) for i in part.items])
        for part in parts
    ]
    assert said == [
        (date(2026, 11, 23), True, [("alice", "Mon 16", "7 d")]),
        (date(2026, 11, 1), False, [("carol", "Mon 30", "7 d")]),
        (date(2026, 12, 1), False, [("alice", "Mon 7", "7 d"), ("bob", "Mon 7", "8 h")]),
    ]


def test_the_agenda_of_another_page_begins_with_whoever_was_on_before_it() -> None:
    parts = calendar.agenda(
        {1: [shift(ALICE, "2026-10-30 09:00", "2026-11-24 09:00")]},
        SPAN,
        at("2027-06-01 12:00"),
        PEN,
    )

    assert [(part.month, len(part.items)) for part in parts] == [(date(2026, 11, 1), 1)]


def test_a_persons_nights_and_weekends_are_counted_by_their_own_clock() -> None:
    # 18:00 to 22:00 UTC is 23:30 to 03:30 in Kolkata: one night there, none in London.
    evening = ("2026-11-27 18:00", "2026-11-27 22:00")

    [carol] = calendar.loads({1: [shift(CAROL, *evening)]}, SPAN, PEN)
    [bob] = calendar.loads({1: [shift(BOB, *evening)]}, SPAN, PEN)

    assert (carol.days, carol.nights, carol.weekends) == ("0.2", 1, 1)
    assert (bob.days, bob.nights, bob.weekends) == ("0.2", 0, 0)


def test_a_week_is_seven_nights_and_one_weekend_until_monday_morning_two() -> None:
    weekly = shift(BOB, "2026-11-23 00:00", "2026-11-30 00:00")
    from_saturday = shift(BOB, "2026-11-28 09:00", "2026-12-05 09:00")

    [first] = calendar.loads({1: [weekly]}, SPAN, PEN)
    [second] = calendar.loads({1: [from_saturday]}, SPAN, PEN)

    assert (first.days, first.nights, first.weekends) == ("7", 7, 1)
    assert (second.days, second.nights, second.weekends) == ("7", 7, 2)


def test_time_in_two_rotations_at_once_counts_once() -> None:
    plans = {
        1: [shift(BOB, "2026-11-23 00:00", "2026-11-25 00:00")],
        2: [shift(BOB, "2026-11-24 00:00", "2026-11-26 00:00", rotation=SECOND)],
    }

    [load] = calendar.loads(plans, SPAN, PEN)

    assert (load.days, load.nights) == ("3", 3)


def test_only_what_the_page_shows_is_counted_and_whoever_has_most_comes_first() -> None:
    plans = {
        1: [
            shift(ALICE, "2026-11-02 00:00", "2026-11-24 00:00"),
            shift(BOB, "2026-11-24 00:00", "2026-11-26 00:00"),
        ]
    }

    found = calendar.loads(plans, SPAN, PEN)

    assert [(load.person, load.days) for load in found] == [(BOB, "2"), (ALICE, "1")]


def test_gaps_that_are_over_or_on_purpose_are_not_counted() -> None:
    plans = {
        1: [
            shift(None, "2026-11-23 00:00", "2026-11-24 00:00", why="before"),
            shift(None, "2026-11-24 00:00", "2026-11-25 00:00", why="outside"),
            shift(None, "2026-11-25 00:00", "2026-11-26 00:00", why="cover"),
            shift(None, "2026-11-26 00:00", "2026-11-28 06:00", why="empty"),
        ]
    }

    found = calendar.gaps(plans, SPAN, at("2026-11-26 12:00"))

    assert (found.count, found.length) == (1, "1 d 18 h")
    assert found.first == plans[1][3]


@pytest.mark.parametrize(
    ("start", "end", "zone", "said"),
    [
        ("2026-11-23 09:00", "2026-11-30 09:00", "UTC", "7 d"),
        ("2026-11-23 09:00", "2026-11-25 14:00", "UTC", "2 d 5 h"),
        ("2026-11-23 09:00", "2026-11-23 17:30", "UTC", "8 h 30 min"),
        ("2026-11-23 09:00", "2026-11-23 09:20", "UTC", "20 min"),
        # The clocks go forward and back in between: by the wall it is a week.
        ("2026-03-23 08:00", "2026-03-30 07:00", "Europe/Berlin", "7 d"),
        ("2026-10-19 07:00", "2026-10-26 08:00", "Europe/Berlin", "7 d"),
    ],
)
def test_lengths_are_told_by_the_clock_on_the_wall(
    start: str, end: str, zone: str, said: str
) -> None:
    assert calendar.length(at(start), at(end), zone) == said


def test_a_moment_names_the_year_where_it_is_another() -> None:
    now = at("2026-11-23 12:00")

    assert calendar.moment(at("2026-11-30 08:00"), "Europe/Berlin", now) == "Mon 30 Nov 09:00"
    assert calendar.moment(at("2027-01-04 08:00"), "UTC", now) == "Mon 4 Jan 2027 08:00"


def test_days_of_23_and_25_hours_keep_their_six_slots() -> None:
    for monday in (date(2026, 3, 23), date(2026, 10, 19)):
        span = span_from(monday, "Europe/Berlin")
        sunday = datetime.combine(monday + timedelta(days=6), datetime.min.time())

        noon = at(f"{sunday:%Y-%m-%d} 12:00", "Europe/Berlin")
        midnight = at(f"{sunday + timedelta(days=1):%Y-%m-%d} 00:00", "Europe/Berlin")

        assert (span.slot(noon), span.slot(midnight)) == (39, 42)
