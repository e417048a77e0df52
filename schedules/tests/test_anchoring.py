"""Whose turn it is after an edit: the person on call stays, the order goes on after them."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pagerpal.testing import at
from schedules.anchoring import anchored
from schedules.shifts import Cadence, Kept, shifts, whose_turn
from schedules.tests.made_up import World, worlds

BERLIN = ZoneInfo("Europe/Berlin")
ALICE, BOB, CAROL, DAN = 1, 2, 3, 4
EVERYBODY = frozenset({ALICE, BOB, CAROL, DAN, 5})
# Alice has the week from the 2nd, bob from the 9th, carol from the 16th.
OLD = Cadence(1, "weeks", date(2026, 3, 2), time(9), "Europe/Berlin", (ALICE, BOB, CAROL))


def berlin(text: str) -> datetime:
    return at(text, "Europe/Berlin")


BEGAN = berlin("2026-03-02 09:00")
WEDNESDAY = berlin("2026-03-11 12:00")  # bob's


def edit(now: datetime = WEDNESDAY, *, old: Cadence = OLD, **fields: Any) -> Cadence:
    on = fields.pop("on", EVERYBODY)
    successors = fields.pop("successors", None)
    return anchored(old, replace(old, **fields), now, on=on, successors=successors)


def plan(cadence: Cadence, start: datetime, weeks: int = 6) -> list[tuple[int | None, str]]:
    """Who comes on when, in Berlin, without neighbours that are the same person's."""
    found: list[tuple[int | None, str]] = []
    for shift in shifts(cadence, [], start, start + timedelta(weeks=weeks)):
        if not found or found[-1][0] != shift.user:
            moment = max(shift.starts_at, start).astimezone(BERLIN)
            found.append((shift.user, f"{moment:%m-%d %H:%M}"))
    return found


def people(cadence: Cadence, start: datetime = WEDNESDAY, weeks: int = 5) -> list[int | None]:
    return [user for user, _ in plan(cadence, start, weeks)]


def test_an_edit_that_moves_nothing_changes_nothing() -> None:
    moved = replace(OLD, offset=2, kept=Kept(BOB, WEDNESDAY + timedelta(days=1)))

    same = edit(old=moved, ends_on=date(2027, 1, 1))

    assert (same.offset, same.kept) == (moved.offset, moved.kept)


def test_a_new_member_comes_after_those_before_them() -> None:
    assert people(edit(members=(ALICE, BOB, CAROL, DAN))) == [BOB, CAROL, DAN, ALICE, BOB, CAROL]


def test_a_member_put_in_front_does_not_take_the_turn_in_progress() -> None:
    assert people(edit(members=(DAN, ALICE, BOB, CAROL))) == [BOB, CAROL, DAN, ALICE, BOB, CAROL]


def test_somebody_else_who_is_removed_closes_the_order_up() -> None:
    assert people(edit(members=(BOB, CAROL))) == [BOB, CAROL, BOB, CAROL, BOB, CAROL]


def test_whoever_is_removed_leaves_the_turn_to_the_next() -> None:
    assert people(edit(members=(ALICE, CAROL))) == [CAROL, ALICE, CAROL, ALICE, CAROL, ALICE]


def test_the_last_one_who_is_removed_leaves_the_turn_to_the_first() -> None:
    now = berlin("2026-03-18 12:00")

    assert people(edit(now, members=(ALICE, BOB)), now)[:3] == [ALICE, BOB, ALICE]


def test_whoever_is_switched_off_leaves_the_turn_too() -> None:
    off = edit(members=(ALICE, BOB, CAROL, DAN), on=EVERYBODY - {BOB})

    assert whose_turn(off, WEDNESDAY) == CAROL


def test_a_successor_takes_the_turn_and_the_place() -> None:
    handed_on = edit(members=(ALICE, DAN, CAROL), successors={BOB: DAN})

    assert people(handed_on) == [DAN, CAROL, ALICE, DAN, CAROL, ALICE]


def test_an_order_of_other_people_begins_with_its_first() -> None:
    assert people(edit(members=(DAN, 5)))[:2] == [DAN, 5]


def test_of_several_places_the_same_one_has_the_turn() -> None:
    often = replace(OLD, members=(BOB, ALICE, BOB, CAROL))
    now = berlin("2026-03-18 12:00")  # bob's second

    edited = edit(now, old=often, members=(BOB, ALICE, BOB, DAN))

    assert people(edited, now) == [BOB, DAN, BOB, ALICE, BOB, DAN]


def test_an_order_emptied_and_filled_again_begins_at_the_start() -> None:
    empty = edit(members=())

    filled = edit(old=empty, members=(CAROL, DAN))

    assert (empty.offset, empty.kept) == (0, None)
    assert people(filled, BEGAN, 3) == [CAROL, DAN, CAROL]


def test_another_cadence_keeps_the_person_until_its_next_handover() -> None:
    daily = edit(unit="days")

    assert plan(daily, WEDNESDAY, 1)[:4] == [
        (BOB, "03-11 12:00"),
        (CAROL, "03-12 09:00"),
        (ALICE, "03-13 09:00"),
        (BOB, "03-14 09:00"),
    ]


@pytest.mark.parametrize("year_day", ["2026-03-25", "2026-10-21"])
def test_another_cadence_keeps_the_person_over_summer_time(year_day: str) -> None:
    now = berlin(f"{year_day} 12:00")
    holder = whose_turn(OLD, now)

    longer = edit(now, every=2)

    [first, second, *_] = plan(longer, now)
    assert first[0] == holder
    assert second[1].endswith("09:00")


def test_a_later_handover_leaves_every_week_whose_it_was() -> None:
    later = edit(handover_time=time(15))

    assert plan(later, WEDNESDAY, 2) == [
        (BOB, "03-11 12:00"),
        (CAROL, "03-16 15:00"),
        (ALICE, "03-23 15:00"),
    ]


def test_a_handover_moved_past_this_moment_leaves_the_week_to_who_has_it() -> None:
    noon = berlin("2026-03-16 12:00")  # carol came on at nine

    later = edit(noon, handover_time=time(15))

    assert plan(later, noon, 2)[:2] == [(CAROL, "03-16 12:00"), (ALICE, "03-23 15:00")]


def test_a_handover_moved_before_this_moment_comes_when_it_would_have() -> None:
    early = berlin("2026-03-16 08:30")  # bob, until nine

    earlier = edit(early, handover_time=time(8))

    assert plan(earlier, early, 2)[:3] == [
        (BOB, "03-16 08:30"),
        (CAROL, "03-16 09:00"),
        (ALICE, "03-23 08:00"),
    ]


def test_another_zone_leaves_every_week_whose_it_was() -> None:
    moved = edit(zone="America/New_York")

    assert people(moved) == people(OLD)
    assert plan(moved, WEDNESDAY, 1)[1] == (CAROL, "03-16 14:00")  # 9:00 there, already summer


def test_on_the_first_day_a_later_handover_keeps_who_has_begun() -> None:
    first = berlin("2026-03-02 12:00")

    later = edit(first, handover_time=time(15))

    assert plan(later, first, 2)[:2] == [(ALICE, "03-02 12:00"), (BOB, "03-09 15:00")]


def test_on_the_first_day_a_later_handover_and_another_order_keep_who_has_begun() -> None:
    first = berlin("2026-03-02 12:00")

    later = edit(first, handover_time=time(15), members=(CAROL, ALICE, BOB))

    assert plan(later, first, 3)[:3] == [
        (ALICE, "03-02 12:00"),
        (BOB, "03-09 15:00"),
        (CAROL, "03-16 15:00"),
    ]


def test_a_first_day_in_the_future_keeps_the_person_until_then() -> None:
    moved = edit(starts_on=date(2026, 3, 20))

    assert plan(moved, WEDNESDAY, 3)[:3] == [
        (BOB, "03-11 12:00"),
        (ALICE, "03-20 09:00"),
        (BOB, "03-27 09:00"),
    ]


@pytest.mark.parametrize(
    ("now", "starts_on", "first"),
    [
        ("2026-03-25 12:00", date(2026, 3, 29), "03-29 03:00"),
        ("2026-10-21 12:00", date(2026, 10, 25), "10-25 02:30"),
    ],
)
def test_a_first_day_on_which_clocks_change_keeps_the_person_until_then(
    now: str, starts_on: date, first: str
) -> None:
    nightly = replace(OLD, handover_time=time(2, 30), members=(BOB, ALICE))
    holder = whose_turn(nightly, berlin(now))

    moved = edit(berlin(now), old=nightly, starts_on=starts_on, members=(CAROL, ALICE, BOB))

    assert plan(moved, berlin(now), 1)[:2] == [(holder, f"{now[5:]}"), (CAROL, first)]


def test_a_first_day_in_the_past_keeps_the_person_until_the_next_handover() -> None:
    moved = edit(starts_on=date(2026, 3, 3))  # Tuesdays; bob's week by the new order as well

    assert plan(moved, WEDNESDAY, 2)[:2] == [(BOB, "03-11 12:00"), (CAROL, "03-17 09:00")]


def test_a_second_edit_while_somebody_is_kept_leaves_both_as_they_were() -> None:
    kept = edit(starts_on=date(2026, 3, 20))

    again = edit(berlin("2026-03-12 12:00"), old=kept, members=(ALICE, BOB, CAROL, DAN))

    assert again.kept == kept.kept
    assert plan(again, WEDNESDAY, 3)[1] == (ALICE, "03-20 09:00")


def test_whoever_is_kept_and_removed_leaves_no_gap() -> None:
    now = berlin("2026-03-12 12:00")
    kept = edit(starts_on=date(2026, 3, 20), members=(CAROL, BOB, ALICE))

    gone = edit(now, old=kept, members=(CAROL, ALICE))

    assert plan(gone, now, 3)[:2] == [(CAROL, "03-12 12:00"), (ALICE, "03-27 09:00")]


def test_a_first_day_in_the_future_leaves_no_gap_where_the_person_is_removed() -> None:
    gone = edit(starts_on=date(2026, 3, 20), members=(ALICE, CAROL))

    assert plan(gone, WEDNESDAY, 3)[:3] == [
        (CAROL, "03-11 12:00"),  # who comes after bob
        (ALICE, "03-20 09:00"),
        (CAROL, "03-27 09:00"),
    ]


def test_a_successor_is_kept_in_their_place() -> None:
    kept = edit(starts_on=date(2026, 3, 20))

    handed_on = edit(
        berlin("2026-03-12 12:00"),
        old=kept,
        members=(ALICE, DAN, CAROL),
        successors={BOB: DAN},
    )

    assert plan(handed_on, berlin("2026-03-12 12:00"), 2)[:2] == [
        (DAN, "03-12 12:00"),
        (ALICE, "03-20 09:00"),
    ]


def test_before_the_first_turn_an_edit_only_changes_what_comes() -> None:
    now = berlin("2026-02-20 12:00")

    assert people(edit(now, members=(DAN, ALICE)), now, 4) == [None, DAN, ALICE, DAN]


@given(worlds, worlds, st.booleans(), st.booleans())
@settings(max_examples=80)
def test_whoever_has_the_turn_and_stays_in_the_order_keeps_it(
    world: World, other: World, same_day: bool, same_cadence: bool
) -> None:
    """Whatever is edited together: two made-up rotations stand for before and after."""
    old = replace(world.cadence, ends_on=None)
    new = replace(other.cadence, ends_on=None)
    if same_day:
        new = replace(new, starts_on=old.starts_on)
    if same_cadence:
        new = replace(new, every=old.every, unit=old.unit, starts_on=old.starts_on)
    holder = whose_turn(old, world.moment)

    found = anchored(old, new, world.moment, on=EVERYBODY)

    assert replace(found, offset=new.offset, kept=new.kept) == new
    if holder in new.members:
        assert whose_turn(found, world.moment) == holder
    elif holder is not None and new.members and old.starts_on == new.starts_on and not old.kept:
        assert whose_turn(found, world.moment) in {None, *new.members}
