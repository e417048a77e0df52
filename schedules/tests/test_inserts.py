"""The short way to insert does what the ORM's does."""

from __future__ import annotations

import pytest
from django.db import IntegrityError, transaction

from pagerpal.testing import NOON, make_rotation, make_team, make_user, minutes
from schedules.inserts import insert
from schedules.models import Membership, Override, Team

pytestmark = pytest.mark.django_db


def test_rows_come_back_as_they_went_in_each_with_its_own_key() -> None:
    rotation = make_rotation(make_team("Ünïcödé 🔥"))
    people = [make_user(), None]
    rows = [
        Override(
            rotation=rotation,
            user=people[number % 2],
            starts_at=NOON + minutes(number),
            ends_at=NOON + minutes(number + 1),
            created_at=NOON,
        )
        for number in range(300)
    ]

    insert(*rows)

    stored = Override.objects.in_bulk([row.pk for row in rows])
    assert len(stored) == 300
    for row in rows:
        assert not row._state.adding
        assert stored[row.pk].starts_at == row.starts_at
        assert stored[row.pk].user_id == row.user_id


def test_a_broken_rule_of_the_database_is_an_integrity_error() -> None:
    Team.objects.create(name="Platform")

    with pytest.raises(IntegrityError), transaction.atomic():
        insert(Team(name="Platform"))


def test_nothing_to_insert_asks_the_database_nothing(django_assert_num_queries) -> None:  # type: ignore[no-untyped-def]
    with django_assert_num_queries(0):
        insert()


def test_choices_are_stored_as_their_texts() -> None:
    membership = Membership(team=make_team(), user=make_user("alice"), role=Membership.Role.LEAD)

    insert(membership)

    assert Membership.objects.get(pk=membership.pk, role="lead").role == "lead"
