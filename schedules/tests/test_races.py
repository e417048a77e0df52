"""People who change the same rotation at the same moment, in real threads on a real database."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import pairwise
from typing import Any

import pytest
from django.db import connection, transaction

from pagerpal.testing import NOON, make_admin, make_rotation, make_team, make_user
from schedules import editing, oncall
from schedules.covering import Covered, Refused, cover, remove_cover
from schedules.models import (
    Membership,
    Override,
    Rotation,
    RotationMember,
    ScheduleChange,
    ShiftRecord,
    User,
)
from schedules.people import switch_off
from schedules.records import record_past

pytestmark = pytest.mark.django_db(transaction=True)

ROUNDS = 4
DAY = timedelta(days=1)
Act = Callable[[], Any]


@pytest.fixture
def people() -> list[User]:
    return [make_user(name, ntfy=False) for name in ("alice", "bob", "carol", "dan")]


@pytest.fixture
def rotation(people: list[User]) -> Rotation:
    return make_rotation(make_team("Platform", *people), *people[:3])


@pytest.fixture
def together() -> Iterator[Callable[..., list[Any]]]:
    """Runs functions at the same moment, each in a thread with a connection of its own."""
    with ThreadPoolExecutor(4) as pool:

        def run(*functions: Act) -> list[Any]:
            start = threading.Barrier(len(functions))

            def alone(function: Act) -> Any:
                try:
                    start.wait(10)
                    return function()
                finally:
                    connection.close()

            return [future.result() for future in [pool.submit(alone, f) for f in functions]]

        yield run


def covering(rotation: Rotation, user: User, *, at: Any = NOON) -> Callable[[], Covered]:
    return lambda: cover(rotation, user, NOON + DAY, NOON + 2 * DAY, by=user, now=at)


def joining(rotation: Rotation, user: User) -> Act:
    """An edit that puts somebody at the end of the order."""

    def join() -> None:
        with transaction.atomic():
            change = editing.begin(Rotation.objects.get(pk=rotation.pk), now=NOON)
            RotationMember.objects.create(rotation=rotation, user=user, position=9)
            change.finish(by=user, now=NOON)

    return join


def expect_order(rotation: Rotation) -> None:
    """What holds after every race: records without hole or overlap, a line for each revision."""
    fresh = Rotation.objects.get(pk=rotation.pk)
    rows = list(ShiftRecord.objects.filter(rotation=rotation).order_by("starts_at"))
    assert all(one.ends_at == other.starts_at for one, other in pairwise(rows))
    assert rows[-1].ends_at == fresh.recorded_until
    assert len({line.pk for line in ScheduleChange.objects.filter(rotation=rotation)}) >= (
        fresh.revision
    )


def test_two_people_who_cover_the_same_shift_at_once_are_both_stored_and_one_wins(
    rotation: Rotation, people: list[User], together: Any
) -> None:
    _, _, carol, dan = people

    for number in range(ROUNDS):
        later = NOON + timedelta(milliseconds=1)
        done = together(covering(rotation, carol, at=later), covering(rotation, dan))

        stored = list(Override.objects.in_order_of_creation())
        assert len(stored) == 2 * (number + 1)
        assert oncall.who_is_on_call(rotation, NOON + DAY) == stored[-1].user
        [second] = [one for one in done if len(one.overlaps) == 2 * number + 1]
        assert second.override.user == stored[-1].user
        last = ScheduleChange.objects.order_by("pk").last()
        assert last is not None
        assert last.actor == stored[-1].user
        assert Rotation.objects.get().revision == len(stored) == ScheduleChange.objects.count()
        expect_order(rotation)


def test_a_cover_that_two_people_remove_at_once_is_removed_by_one(
    rotation: Rotation, people: list[User], together: Any
) -> None:
    def removing(override: Override, by: User) -> Callable[[], bool]:
        def remove() -> bool:
            try:
                remove_cover(override, by=by, now=NOON)
            except Refused:
                return False
            return True

        return remove

    for _ in range(ROUNDS):
        override = covering(rotation, people[3])().override

        done = together(*(removing(override, user) for user in people[:3]))

        assert sorted(done) == [False, False, True]
    assert ScheduleChange.objects.filter(text__startswith="Removed").count() == ROUNDS
    expect_order(rotation)


def test_a_cover_and_an_edit_at_once_both_hold(
    rotation: Rotation, people: list[User], together: Any
) -> None:
    dan = people[3]
    before = oncall.who_is_on_call(rotation, NOON)

    together(covering(rotation, dan), joining(rotation, dan), covering(rotation, dan))

    assert oncall.who_is_on_call(Rotation.objects.get(), NOON) == before
    assert oncall.who_is_on_call(Rotation.objects.get(), NOON + DAY) == dan
    assert Rotation.objects.get().revision == 3
    expect_order(rotation)


def test_two_edits_at_once_leave_the_person_on_call(
    rotation: Rotation, people: list[User], together: Any
) -> None:
    before = oncall.who_is_on_call(rotation, NOON)

    for number in range(ROUNDS):
        together(*[joining(rotation, people[3])] * 2)

        assert rotation.members.count() == 3 + 2 * (number + 1)
        assert oncall.who_is_on_call(Rotation.objects.get(), NOON) == before
    expect_order(rotation)


def test_a_shift_that_ends_is_recorded_once_by_all_who_look(
    rotation: Rotation, together: Any
) -> None:
    for number in range(ROUNDS):
        now = NOON + number * 7 * DAY

        together(*[lambda now=now: record_past(now=now)] * 3)

        expect_order(rotation)
    # Nobody before the first turn, then alice and bob by turns, three weeks each.
    assert ShiftRecord.objects.count() == 7


def test_whoever_covers_while_they_are_switched_off_leaves_no_cover_behind(
    rotation: Rotation, people: list[User], together: Any
) -> None:
    root = make_admin()

    def covering_if_on(user: User) -> Callable[[], str]:
        def covers() -> str:
            try:
                covered = cover(rotation, user, NOON + DAY, NOON + 2 * DAY, by=people[0], now=NOON)
            except Refused as refused:
                return refused.message
            return str(covered.override.user)

        return covers

    for name in ("eve", "fay", "gil", "hal"):
        user = make_user(name, ntfy=False)
        Membership.objects.create(team=rotation.team, user=user)

        said, _ = together(covering_if_on(user), lambda user=user: switch_off(user, root, now=NOON))

        assert said in (name, f"{name} is switched off.")
        assert not Override.objects.filter(user=user).exists()
