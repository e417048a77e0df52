"""The past is kept as it was, without litter, and costs little to keep."""

from __future__ import annotations

from datetime import date, datetime, time, timedelta
from typing import Any

import pytest
from django.db import transaction

from pagerpal.testing import NOON, at, make_rotation, make_team, make_user
from schedules import oncall
from schedules.models import (
    Override,
    Rotation,
    RotationMember,
    RotationWindow,
    ShiftRecord,
    User,
)
from schedules.records import record, record_past

pytestmark = pytest.mark.django_db

DAY, WEEK = timedelta(days=1), timedelta(weeks=1)


@pytest.fixture
def people() -> list[User]:
    return [make_user(name, ntfy=False) for name in ("alice", "bob", "carol")]


@pytest.fixture
def rotation(people: list[User]) -> Rotation:
    """Alice from 2 November, 09:00 UTC, then bob, a week each."""
    return make_rotation(make_team(), *people[:2])


def stored(rotation: Rotation) -> list[tuple[User | None, datetime, datetime]]:
    rows = ShiftRecord.objects.filter(rotation=rotation).select_related("user")
    return [(row.user, row.starts_at, row.ends_at) for row in rows]


def now_recorded(rotation: Rotation, now: datetime) -> None:
    with transaction.atomic():
        record(Rotation.objects.get(pk=rotation.pk), now=now)


def test_the_first_time_the_last_year_is_recorded(rotation: Rotation, people: list[User]) -> None:
    record_past(now=NOON)

    alice, bob, _ = people
    assert stored(rotation)[1:] == [
        (alice, at("2026-11-02 09:00"), at("2026-11-09 09:00")),
        (bob, at("2026-11-09 09:00"), at("2026-11-16 09:00")),
        (alice, at("2026-11-16 09:00"), at("2026-11-23 09:00")),
        (bob, at("2026-11-23 09:00"), NOON),
    ]
    before = ShiftRecord.objects.earliest("starts_at")
    assert (before.user, before.why, before.starts_at) == (None, "before", NOON - 366 * DAY)


def test_a_shift_is_recorded_when_it_has_ended(rotation: Rotation, people: list[User]) -> None:
    record_past(now=NOON)

    record_past(now=at("2026-11-30 08:59"))
    running = stored(rotation)[-1]
    record_past(now=at("2026-11-30 09:00"))

    assert running == (people[1], at("2026-11-23 09:00"), NOON)
    assert stored(rotation)[-1] == (people[1], at("2026-11-23 09:00"), at("2026-11-30 09:00"))
    assert Rotation.objects.get().recorded_until == at("2026-11-30 09:00")


@pytest.mark.parametrize("monday", ["2026-03-30", "2026-10-26"])
def test_a_shift_with_a_clock_change_in_it_is_recorded_to_its_local_end(
    monday: str, people: list[User]
) -> None:
    rotation = make_rotation(
        make_team(), *people[:2], starts_on=date(2026, 1, 5), time_zone="Europe/Berlin"
    )
    end = at(f"{monday} 09:00", "Europe/Berlin")
    now_recorded(rotation, end - 3 * DAY)

    record_past(now=end)

    _, starts_at, ends_at = stored(rotation)[-1]
    hour = timedelta(hours=-1 if "03" in monday[5:7] else 1)
    assert (ends_at, ends_at - starts_at) == (end, WEEK + hour)


def test_all_that_ended_while_nobody_recorded_is_caught_up(rotation: Rotation) -> None:
    record_past(now=NOON)

    record_past(now=NOON + 20 * DAY)

    assert [row[2] for row in stored(rotation)[-2:]] == [
        at("2026-11-30 09:00"),
        at("2026-12-07 09:00"),
    ]


def test_edits_in_a_shift_leave_one_record(rotation: Rotation, people: list[User]) -> None:
    for number in range(5):
        now_recorded(rotation, NOON + number * DAY)
    record_past(now=NOON + WEEK)

    assert [row for row in stored(rotation) if row[1] >= at("2026-11-23 00:00")] == [
        (people[1], at("2026-11-23 09:00"), at("2026-11-30 09:00"))
    ]


def test_a_cover_that_an_edit_cuts_stays_one_record(rotation: Rotation, people: list[User]) -> None:
    alice, bob, carol = people
    Override.objects.create(
        rotation=rotation, user=carol, starts_at=NOON + 5 * DAY, ends_at=NOON + 8 * DAY
    )
    now_recorded(rotation, NOON + 6 * DAY)  # in bob's week, before alice's begins

    record_past(now=NOON + 8 * DAY)

    row = ShiftRecord.objects.get(is_cover=True)
    assert (row.user, row.starts_at, row.ends_at) == (carol, NOON + 5 * DAY, NOON + 8 * DAY)
    assert row.instead_of == [bob.pk, alice.pk]


def test_somebody_alone_is_recorded_in_one_row_for_good(people: list[User]) -> None:
    rotation = make_rotation(make_team(), people[0])
    record_past(now=NOON)

    for month in range(1, 14):
        record_past(now=NOON + month * 30 * DAY)

    assert len(stored(rotation)) == 2  # nobody before the first turn, then alice
    known = Rotation.objects.get().recorded_until
    assert known is not None
    assert known >= NOON + 12 * 30 * DAY


def test_windows_are_recorded_with_the_time_outside_them(
    rotation: Rotation, people: list[User]
) -> None:
    RotationWindow.objects.create(rotation=rotation, days="01234", starts=time(9), ends=time(17))
    now_recorded(rotation, at("2026-11-23 09:00"))

    record_past(now=at("2026-11-25 00:00"))

    rows = ShiftRecord.objects.filter(starts_at__gte=at("2026-11-23 09:00"))
    assert [(row.user, row.why) for row in rows] == [
        (people[1], ""),
        (None, "outside"),
        (people[1], ""),
    ]


def test_a_person_who_is_switched_off_is_recorded_as_nobody(
    rotation: Rotation, people: list[User]
) -> None:
    User.objects.filter(pk=people[1].pk).update(is_active=False)

    now_recorded(rotation, NOON)

    last = ShiftRecord.objects.latest("starts_at")
    assert (last.user, last.why, last.instead_of) == (None, "off", [people[1].pk])


def test_a_rotation_that_is_off_is_not_recorded(rotation: Rotation) -> None:
    Rotation.objects.update(is_active=False)

    record_past(now=NOON)

    assert stored(rotation) == []


def test_recording_twice_changes_nothing(rotation: Rotation) -> None:
    now_recorded(rotation, NOON)
    before = stored(rotation)

    now_recorded(rotation, NOON)
    now_recorded(rotation, NOON - DAY)

    assert stored(rotation) == before


@pytest.mark.parametrize("rotations", [1, 6])
def test_when_nothing_has_ended_six_queries_find_out(
    rotations: int, people: list[User], django_assert_num_queries: Any
) -> None:
    for number in range(rotations):
        make_rotation(make_team(f"Team {number}"), *people)
    record_past(now=NOON)

    with django_assert_num_queries(6):
        record_past(now=NOON + DAY)


def test_the_past_is_answered_from_the_records_whatever_the_tables_say_now(
    rotation: Rotation, people: list[User]
) -> None:
    alice, bob, carol = people
    now_recorded(rotation, NOON)
    RotationMember.objects.filter(rotation=rotation).update(user=carol)
    rotation = Rotation.objects.get()

    assert oncall.who_is_on_call(rotation, NOON - DAY) == alice
    assert oncall.who_is_on_call(rotation, at("2026-11-23 08:59")) == alice
    assert oncall.who_is_on_call(rotation, at("2026-11-23 09:00")) == bob
    assert oncall.who_is_on_call(rotation, NOON) == carol
    assert oncall.on_call_ids([rotation.pk], NOON - DAY) == {rotation.pk: alice.pk}
    assert oncall.next_on_call(rotation, NOON - DAY) == (at("2026-11-23 09:00"), bob)
    assert oncall.next_on_call(rotation, at("2026-11-23 09:00")) == (NOON, carol)
    assert [shift.person for shift in oncall.plans([rotation], NOON - 8 * DAY, NOON + DAY)[
        rotation.pk
    ]] == [bob, alice, bob, carol]  # fmt: skip
