"""Who is on call, asked of the tables."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from pagerpal.testing import NOON, at, make_rotation, make_team, make_user, minutes
from schedules import oncall
from schedules.models import Override, Rotation, User

pytestmark = pytest.mark.django_db

# Turns begin on 2, 9, 16 and 23 November: alice, bob, alice, bob.
DAY = timedelta(days=1)


def people(*names: str) -> list[User]:
    return [make_user(name, ntfy=False) for name in names]


def cover(
    rotation: Rotation, user: User | None, starts_at: datetime, ends_at: datetime
) -> Override:
    return Override.objects.create(
        rotation=rotation, user=user, starts_at=starts_at, ends_at=ends_at
    )


def test_the_person_whose_turn_it_is_is_on_call() -> None:
    alice, bob = people("alice", "bob")
    rotation = make_rotation(make_team(), alice, bob)

    assert oncall.who_is_on_call(rotation, at("2026-11-23 08:59")) == alice
    assert oncall.who_is_on_call(rotation, at("2026-11-23 09:00")) == bob


def test_members_take_turns_in_the_order_of_their_positions() -> None:
    alice, bob = people("alice", "bob")
    rotation = make_rotation(make_team(), alice, bob)

    rotation.members.filter(user=alice).update(position=5)

    assert oncall.who_is_on_call(rotation, at("2026-11-02 09:00")) == bob


def test_the_override_created_last_wins() -> None:
    alice, bob, carol = people("alice", "bob", "carol")
    rotation = make_rotation(make_team(), alice)
    cover(rotation, bob, NOON - DAY, NOON + DAY)
    cover(rotation, carol, NOON - 2 * DAY, NOON + minutes(1))

    assert oncall.who_is_on_call(rotation, NOON) == carol
    assert oncall.who_is_on_call(rotation, NOON + minutes(1)) == bob
    assert oncall.on_call_ids([rotation.pk], NOON) == {rotation.pk: carol.pk}


def test_an_override_by_nobody_leaves_nobody_on_call() -> None:
    [alice] = people("alice")
    rotation = make_rotation(make_team(), alice)
    cover(rotation, None, NOON, NOON + DAY)

    assert oncall.who_is_on_call(rotation, NOON) is None
    assert oncall.on_call_ids([rotation.pk], NOON) == {rotation.pk: None}


def test_a_person_who_is_switched_off_is_not_on_call() -> None:
    alice, bob = people("alice", "bob")
    rotation, covered = make_rotation(make_team("A"), alice), make_rotation(make_team("B"), bob)
    cover(covered, alice, NOON, NOON + DAY)

    User.objects.filter(pk=alice.pk).update(is_active=False)

    assert oncall.who_is_on_call(rotation, NOON) is None
    assert oncall.who_is_on_call(covered, NOON) is None
    assert oncall.on_call_ids([rotation.pk, covered.pk], NOON) == {
        rotation.pk: None,
        covered.pk: None,
    }


def test_a_rotation_that_is_switched_off_has_nobody_on_call() -> None:
    rotation = make_rotation(make_team(), *people("alice", "bob"), is_active=False)

    assert oncall.who_is_on_call(rotation, NOON) is None
    assert oncall.on_call_ids([rotation.pk], NOON) == {rotation.pk: None}
    assert oncall.next_handover(rotation, NOON) is None
    assert oncall.next_on_call(rotation, NOON) is None
    assert oncall.plans([rotation], NOON, NOON + DAY) == {rotation.pk: []}


def test_the_next_handover_knows_overrides_to_come() -> None:
    alice, bob, carol = people("alice", "bob", "carol")
    rotation = make_rotation(make_team(), alice, bob)
    cover(rotation, carol, NOON + DAY, NOON + 2 * DAY)

    assert oncall.next_handover(rotation, NOON) == NOON + DAY
    assert oncall.next_on_call(rotation, NOON) == (NOON + DAY, carol)
    assert oncall.next_on_call(rotation, NOON + DAY) == (NOON + 2 * DAY, bob)
    assert oncall.next_on_call(rotation, NOON + 2 * DAY) == (at("2026-11-30 09:00"), alice)


def test_a_handover_to_nobody_says_so() -> None:
    [alice] = people("alice")
    rotation = make_rotation(make_team(), alice)
    cover(rotation, None, NOON + DAY, NOON + 2 * DAY)

    assert oncall.next_on_call(rotation, NOON) == (NOON + DAY, None)


def test_somebody_alone_has_no_next_handover() -> None:
    rotation = make_rotation(make_team(), *people("alice"))

    assert oncall.next_on_call(rotation, NOON) is None


@pytest.mark.parametrize("rotations", [1, 6])
def test_many_rotations_are_answered_in_three_queries(
    rotations: int, django_assert_num_queries: Any
) -> None:
    alice, bob = people("alice", "bob")
    made = [make_rotation(make_team(f"Team {n}"), alice, bob) for n in range(rotations)]
    cover(made[0], alice, NOON - DAY, NOON + DAY)

    with django_assert_num_queries(3):
        ids = oncall.on_call_ids([rotation.pk for rotation in made], NOON)
    with django_assert_num_queries(4):
        found = oncall.people_on_call([rotation.pk for rotation in made], NOON)

    assert ids == {rotation.pk: (alice if rotation == made[0] else bob).pk for rotation in made}
    assert found[made[0].pk] == alice


def test_one_rotation_is_answered_in_four_queries(django_assert_num_queries: Any) -> None:
    rotation = make_rotation(make_team(), *people("alice", "bob"))

    with django_assert_num_queries(4):
        oncall.who_is_on_call(rotation, NOON)
    with django_assert_num_queries(4):
        oncall.next_handover(rotation, NOON)
    with django_assert_num_queries(4):
        oncall.next_on_call(rotation, NOON)


def test_a_rotation_nobody_knows_has_nobody_on_call() -> None:
    assert oncall.on_call_ids([987654], NOON) == {987654: None}
    assert oncall.on_call_ids([], NOON) == {}
