"""Leaving: what is told to the floors above, and when."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.db import connection

from pagerpal.testing import NOON, make_admin, make_team, make_user
from schedules.models import Membership, User
from schedules.people import leave_team, switch_off
from schedules.signals import person_left


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
