"""Plans and duties: people's stretches over any window, past and to come, for many rotations."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from itertools import pairwise
from typing import Any

import pytest
from django.db import transaction

from pagerpal.testing import NOON, at, make_rotation, make_team, make_user
from schedules import oncall
from schedules.models import Override, Rotation, RotationWindow, User
from schedules.records import record, record_past

pytestmark = pytest.mark.django_db

DAY = timedelta(days=1)
Seen = list[tuple[User | None, datetime, datetime]]


@pytest.fixture
def people() -> list[User]:
    return [make_user(name, ntfy=False) for name in ("alice", "bob", "carol")]


@pytest.fixture
def rotation(people: list[User]) -> Rotation:
    """Turns begin on 2, 9, 16 and 23 November: alice, bob, alice, bob."""
    return make_rotation(make_team(), *people[:2])


def cover(rotation: Rotation, user: User | None, start: datetime, end: datetime) -> Override:
    return Override.objects.create(rotation=rotation, user=user, starts_at=start, ends_at=end)


def plan(rotation: Rotation, start: datetime, end: datetime) -> Seen:
    fresh = Rotation.objects.get(pk=rotation.pk)
    found = oncall.plans([fresh], start, end)[rotation.pk]
    return [(shift.person, shift.starts_at, shift.ends_at) for shift in found]


def duties(rotation: Rotation, start: datetime, end: datetime) -> Seen:
    fresh = Rotation.objects.get(pk=rotation.pk)
    found = oncall.duties([fresh], start, end)[rotation.pk]
    return [(duty.person, duty.starts_at, duty.ends_at) for duty in found]


def test_a_plan_names_people_and_whose_turn_a_cover_takes(
    rotation: Rotation, people: list[User]
) -> None:
    alice, bob, carol = people
    override = cover(rotation, carol, NOON + 6 * DAY, NOON + 8 * DAY)

    [first, covered, last] = oncall.plans([rotation], NOON, NOON + 9 * DAY)[rotation.pk]

    assert (first.person, first.is_cover, first.override_id) == (bob, False, None)
    assert (covered.person, covered.is_cover, covered.override_id) == (carol, True, override.pk)
    assert covered.instead_of == (bob, alice)
    assert (last.person, last.starts_at) == (alice, override.ends_at)
    assert last.rotation == rotation


def test_a_person_who_is_switched_off_is_a_gap_and_is_named(
    rotation: Rotation, people: list[User]
) -> None:
    alice, bob, _ = people
    cover(rotation, alice, NOON + DAY, NOON + 2 * DAY)
    User.objects.filter(pk=alice.pk).update(is_active=False)

    found = oncall.plans([rotation], NOON, NOON + 8 * DAY)[rotation.pk]

    assert [shift.person for shift in found] == [bob, None, bob, None]
    assert [shift.why for shift in found] == ["", "off", "", "off"]
    assert [shift.is_gap for shift in found] == [False, True, False, True]
    assert {shift.instead_of for shift in found if shift.is_gap} == {(alice,)}


def test_turns_of_the_same_person_in_a_row_are_one_stretch(people: list[User]) -> None:
    alice, bob, _ = people
    doubled = make_rotation(make_team(), alice, alice, bob)

    assert plan(doubled, NOON, NOON + DAY) == [
        (alice, at("2026-11-23 09:00"), at("2026-11-30 09:00"))
    ]
    assert plan(doubled, NOON, NOON + 8 * DAY) == [
        (alice, at("2026-11-23 09:00"), at("2026-12-07 09:00"))
    ]


def test_two_covers_of_the_same_person_stay_two(rotation: Rotation, people: list[User]) -> None:
    one = cover(rotation, people[2], NOON, NOON + DAY)
    other = cover(rotation, people[2], NOON + DAY, NOON + 2 * DAY)

    found = oncall.plans([rotation], NOON, NOON + 2 * DAY)[rotation.pk]

    assert [shift.override_id for shift in found] == [one.pk, other.pk]


@pytest.mark.parametrize("now", [NOON, at("2026-03-29 00:30"), at("2026-10-25 00:30")])
def test_records_and_what_is_to_come_join_without_a_seam(now: datetime, people: list[User]) -> None:
    zoned = make_rotation(
        make_team(), *people, starts_on=date(2025, 11, 3), time_zone="Europe/Berlin"
    )
    window = (now - 30 * DAY, now + 30 * DAY)
    cover(zoned, people[2], now - 2 * DAY, now + 2 * DAY)
    before = plan(zoned, *window)

    with transaction.atomic():
        record(Rotation.objects.get(pk=zoned.pk), now=now)

    assert plan(zoned, *window) == before
    assert plan(zoned, now, window[1]) == [one for one in before if one[2] > now]
    assert all(one[2] == other[1] for one, other in pairwise(before))


def test_a_window_begins_with_the_whole_shift_even_after_an_edit_in_it(
    rotation: Rotation, people: list[User]
) -> None:
    with transaction.atomic():
        record(rotation, now=NOON)

    assert plan(rotation, NOON + DAY, NOON + 2 * DAY) == [
        (people[1], at("2026-11-23 09:00"), at("2026-11-30 09:00"))
    ]


def test_records_made_since_the_rotation_was_read_are_not_told_twice(
    rotation: Rotation, people: list[User]
) -> None:
    record_past(now=NOON)
    stale = Rotation.objects.get()
    record_past(now=NOON + 14 * DAY)

    found = oncall.plans([stale], NOON - 7 * DAY, NOON + 20 * DAY)[stale.pk]

    assert [shift.person for shift in found] == [people[0], people[1], people[0], people[1]]
    assert all(one.ends_at == other.starts_at for one, other in pairwise(found))


def test_windows_leave_nobody_on_purpose(rotation: Rotation, people: list[User]) -> None:
    RotationWindow.objects.create(rotation=rotation, days="01234", starts=time(9), ends=time(17))

    found = oncall.plans([rotation], NOON, NOON + 5 * DAY)[rotation.pk]

    assert [shift.person for shift in found[:3]] == [people[1], None, people[1]]
    assert {shift.why for shift in found if shift.person is None} == {"outside"}
    assert not any(shift.is_gap for shift in found)


@pytest.mark.parametrize("rotations", [1, 5])
def test_the_number_of_queries_does_not_grow_with_the_rotations(
    rotations: int, people: list[User], django_assert_num_queries: Any
) -> None:
    made = [make_rotation(make_team(f"Team {n}"), *people) for n in range(rotations)]
    cover(made[0], people[2], NOON - DAY, NOON + DAY)
    record_past(now=NOON)
    made = list(Rotation.objects.all())

    with django_assert_num_queries(5):
        oncall.plans(made, NOON - 30 * DAY, NOON + 90 * DAY)
    with django_assert_num_queries(5):
        oncall.duties(made, NOON, NOON + 7 * DAY)


# --- Duties ---------------------------------------------------------------------------------------


def test_a_duty_goes_on_over_an_edit(rotation: Rotation, people: list[User]) -> None:
    with transaction.atomic():
        record(rotation, now=NOON)

    assert duties(rotation, NOON, NOON + DAY) == [
        (people[1], at("2026-11-23 09:00"), at("2026-11-30 09:00"))
    ]


def test_a_duty_is_whole_although_nights_and_weekends_are_off(
    rotation: Rotation, people: list[User]
) -> None:
    RotationWindow.objects.create(rotation=rotation, days="01234", starts=time(9), ends=time(17))
    record_past(now=NOON + DAY)

    assert duties(rotation, NOON + 2 * DAY, NOON + 8 * DAY) == [
        (people[1], at("2026-11-23 09:00"), at("2026-11-27 17:00")),
        (people[0], at("2026-11-30 09:00"), at("2026-12-04 17:00")),
    ]


@pytest.mark.parametrize(("monday", "hours"), [("2027-03-22", -1), ("2027-10-25", 1)])
def test_a_duty_keeps_its_local_times_over_summer_time(
    monday: str, hours: int, people: list[User]
) -> None:
    rotation = make_rotation(make_team(), *people, time_zone="Europe/Berlin")
    start = at(f"{monday} 09:00", "Europe/Berlin")

    [(_, starts_at, ends_at)] = duties(rotation, start, start + DAY)

    assert (starts_at, ends_at - starts_at) == (start, timedelta(days=7, hours=hours))


def test_gaps_are_nobodys_duty(rotation: Rotation, people: list[User]) -> None:
    User.objects.filter(pk=people[0].pk).update(is_active=False)
    cover(rotation, None, NOON + DAY, NOON + 2 * DAY)

    assert duties(rotation, NOON, NOON + 8 * DAY) == [
        (people[1], at("2026-11-23 09:00"), NOON + DAY),
        (people[1], NOON + 2 * DAY, at("2026-11-30 09:00")),
    ]


def test_a_long_duty_ends_where_it_ends(people: list[User]) -> None:
    rotation = make_rotation(make_team(), *people[:2], unit="months", every=6)

    assert duties(rotation, NOON, NOON + DAY) == [
        (people[0], at("2026-11-02 09:00"), at("2027-05-02 09:00"))
    ]
