"""Leaving: what is told to the floors above, and when."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Any

import pytest
from django.db import connection

from pagerpal.testing import NOON, at, make_admin, make_rotation, make_team, make_user
from schedules import oncall
from schedules.covering import Refused
from schedules.models import Membership, Override, Rotation, ScheduleChange, User
from schedules.people import leave_team, switch_off, where_scheduled
from schedules.signals import person_left

DAY = timedelta(days=1)


@pytest.fixture
def told() -> Iterator[list[dict[str, Any]]]:
    """What person_left said, and whether a transaction was open when it did."""
    found: list[dict[str, Any]] = []

    def keep(**facts: Any) -> None:
        facts.pop("signal")
        found.append({**facts, "atomic": connection.in_atomic_block})

    person_left.connect(keep)
    yield found
    person_left.disconnect(keep)


@pytest.mark.django_db(transaction=True)
def test_switching_off_tells_the_floors_above_in_its_own_transaction(
    told: list[dict[str, Any]],
) -> None:
    alice, root = make_user("alice"), make_admin()

    changed = switch_off(alice, root, now=NOON)

    assert changed
    assert not User.objects.get(pk=alice.pk).is_active
    assert told == [{"sender": User, "user": alice, "team": None, "now": NOON, "atomic": True}]


@pytest.mark.django_db
def test_switching_off_twice_changes_nothing(told: list[dict[str, Any]]) -> None:
    alice, root = make_user("alice"), make_admin()
    switch_off(alice, root, now=NOON)

    changed = switch_off(User.objects.get(pk=alice.pk), root, now=NOON)

    assert not changed
    assert len(told) == 1


@pytest.mark.django_db(transaction=True)
def test_a_receiver_that_fails_leaves_the_person_switched_on() -> None:
    alice, root = make_user("alice"), make_admin()

    def fail(**_: Any) -> None:
        raise RuntimeError

    person_left.connect(fail)
    try:
        with pytest.raises(RuntimeError):
            switch_off(alice, root, now=NOON)
    finally:
        person_left.disconnect(fail)

    assert User.objects.get(pk=alice.pk).is_active


@pytest.mark.django_db
def test_leaving_a_team_names_the_team(told: list[dict[str, Any]]) -> None:
    alice, root = make_user("alice"), make_admin()
    team = make_team("Platform", alice)

    leave_team(Membership.objects.get(user=alice), root, now=NOON)

    assert not Membership.objects.exists()
    assert [(fact["user"], fact["team"]) for fact in told] == [(alice, team)]


# --- Rotations ------------------------------------------------------------------------------------


@pytest.fixture
def people(db: None) -> list[User]:
    return [make_user(name, ntfy=False) for name in ("alice", "bob", "carol", "dan")]


@pytest.fixture
def rotation(people: list[User]) -> Rotation:
    """The week of 16 November is alice's, that of the 23rd bob's, that of the 30th carol's."""
    alice, bob, carol, _ = people
    return make_rotation(
        make_team("Platform", *people), alice, bob, carol, starts_on=date(2026, 11, 16)
    )


def plan(rotation: Rotation, weeks: int = 4) -> list[User | None]:
    fresh = Rotation.objects.get(pk=rotation.pk)
    found = oncall.plans([fresh], NOON, NOON + weeks * 7 * DAY)[rotation.pk]
    return [shift.person for shift in found]


def test_the_order_closes_up_behind_somebody_who_leaves(
    rotation: Rotation, people: list[User]
) -> None:
    alice, bob, carol, _ = people

    switch_off(carol, make_admin(), now=NOON)

    assert plan(rotation) == [bob, alice, bob, alice, bob]
    assert ScheduleChange.objects.get().text == (
        "primary now goes by the order alice, bob; before: alice, bob, carol."
    )


def test_whoever_leaves_during_their_turn_is_followed_at_once_and_was_on_call(
    rotation: Rotation, people: list[User]
) -> None:
    alice, bob, carol, _ = people

    switch_off(bob, make_admin(), now=NOON)

    fresh = Rotation.objects.get()
    assert oncall.who_is_on_call(fresh, NOON) == carol
    assert oncall.who_is_on_call(fresh, NOON - timedelta(minutes=1)) == bob
    assert plan(rotation)[:3] == [carol, alice, carol]


@pytest.mark.parametrize("now", ["2027-03-26 12:00", "2027-10-29 12:00"])
def test_nobody_elses_turn_jumps_over_summer_time(now: str, people: list[User]) -> None:
    alice, bob, carol, dan = people
    rotation = make_rotation(
        make_team("Platform", *people), alice, bob, carol, dan, time_zone="Europe/Berlin"
    )
    moment = at(now)
    [holder, following, *_] = oncall.plans([rotation], moment, moment + 14 * DAY)[rotation.pk]
    leaving = next(user for user in people if user not in (holder.person, following.person))

    switch_off(leaving, make_admin(), now=moment)

    fresh = Rotation.objects.get(pk=rotation.pk)
    found = oncall.plans([fresh], moment, moment + 14 * DAY)[rotation.pk]
    assert [(one.person, one.starts_at) for one in found[:2]] == [
        (holder.person, holder.starts_at),
        (following.person, following.starts_at),
    ]


def test_a_successor_takes_places_and_covers(rotation: Rotation, people: list[User]) -> None:
    alice, bob, carol, dan = people
    coming = Override.objects.create(
        rotation=rotation, user=bob, starts_at=NOON + 8 * DAY, ends_at=NOON + 9 * DAY
    )
    over = Override.objects.create(
        rotation=rotation, user=bob, starts_at=NOON - 8 * DAY, ends_at=NOON - 7 * DAY
    )

    switch_off(bob, make_admin(), now=NOON, successor=dan)

    assert plan(rotation, 3) == [dan, carol, dan, carol, alice, dan]
    assert [one.user for one in Override.objects.order_by("pk")] == [dan, bob]
    assert {coming.pk, over.pk} == set(Override.objects.values_list("pk", flat=True))
    assert [line.text for line in ScheduleChange.objects.order_by("pk")] == [
        "primary now goes by the order alice, dan, carol; before: alice, bob, carol.",
        "dan takes over: bob covers primary from Tue 01 Dec 2026 12:00 to Wed 02 Dec 2026 12:00 "
        "(UTC).",
    ]


def test_without_a_successor_coming_covers_fall_away(
    rotation: Rotation, people: list[User]
) -> None:
    dan = people[3]
    Override.objects.create(rotation=rotation, user=dan, starts_at=NOON - DAY, ends_at=NOON + DAY)

    switch_off(dan, make_admin(), now=NOON)

    fresh = Rotation.objects.get()
    assert not Override.objects.exists()
    assert oncall.who_is_on_call(fresh, NOON) == people[1]
    assert oncall.who_is_on_call(fresh, NOON - timedelta(hours=1)) == dan


def test_a_successor_who_cannot_be_is_refused_and_nothing_happens(
    rotation: Rotation, people: list[User], told: list[dict[str, Any]]
) -> None:
    bob, stranger = people[1], make_user("stan", ntfy=False)

    with pytest.raises(Refused, match="stan is not in team Platform"):
        switch_off(bob, make_admin(), now=NOON, successor=stranger)
    with pytest.raises(Refused, match="cannot take over from themselves"):
        switch_off(bob, make_admin("root2"), now=NOON, successor=bob)

    assert User.objects.get(pk=bob.pk).is_active
    assert told == []
    assert plan(rotation, 1)[0] == bob


def test_leaving_a_team_leaves_the_rotations_of_others_alone(
    rotation: Rotation, people: list[User]
) -> None:
    _, bob, _, dan = people
    other = make_rotation(make_team("Web", *people), bob, name="web")

    leave_team(
        Membership.objects.get(team=rotation.team, user=bob),
        make_admin(),
        now=NOON,
        successor=dan,
    )

    assert plan(rotation, 1)[0] == dan
    assert plan(other, 1)[0] == bob


def test_where_somebody_is_scheduled(rotation: Rotation, people: list[User]) -> None:
    alice, bob, _, dan = people
    other = make_rotation(make_team("Web", *people), dan, name="web")
    coming = Override.objects.create(
        rotation=other, user=bob, starts_at=NOON + DAY, ends_at=NOON + 2 * DAY
    )
    make_rotation(make_team("Third", *people), alice)

    first, second = where_scheduled(bob, now=NOON)

    assert (first.rotation, first.overrides) == (rotation, [])
    assert first.next_shift is not None
    assert first.next_shift.starts_at == at("2026-11-23 09:00")
    assert (second.rotation, second.overrides) == (other, [coming])
    assert second.next_shift is not None
    assert second.next_shift.override_id == coming.pk
    assert [one.rotation for one in where_scheduled(bob, now=NOON, team=other.team)] == [other]
    assert where_scheduled(make_user("stan", ntfy=False), now=NOON) == []


def test_a_turn_that_is_far_off_is_found(people: list[User]) -> None:
    alice, bob, *_ = people
    rotation = make_rotation(make_team("Far"), alice, bob, unit="months", every=6)

    [scheduled] = where_scheduled(bob, now=NOON)

    assert scheduled.rotation == rotation
    assert scheduled.next_shift is not None
    assert scheduled.next_shift.starts_at == at("2027-05-02 09:00")
