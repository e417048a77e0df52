"""The short way to insert does what the ORM's does."""

from __future__ import annotations

import pytest
from django.db import IntegrityError, transaction

from notifications.models import Notification
from pagerpal.testing import NOON, make_user
from schedules.inserts import insert
from schedules.models import Team, User

pytestmark = pytest.mark.django_db


def notification(user: User, key: str) -> Notification:
    return Notification(
        purpose="page",
        thread="incident:1",
        key=key,
        context={"title": "Ünïcödé 🔥", "number": 1, "next": None},
        user=user,
        channel="ntfy",
        address="topic",
        due_at=NOON,
        created_at=NOON,
    )


def test_rows_come_back_as_they_went_in_each_with_its_own_key() -> None:
    user = make_user()
    rows = [notification(user, f"key-{number}") for number in range(120)]

    insert(*rows)

    for row in rows:
        stored = Notification.objects.get(pk=row.pk)
        assert stored.key == row.key
        assert (stored.context, stored.due_at, stored.user) == (row.context, NOON, user)
    assert not rows[0]._state.adding


def test_a_broken_rule_of_the_database_is_an_integrity_error() -> None:
    Team.objects.create(name="Platform")

    with pytest.raises(IntegrityError), transaction.atomic():
        insert(Team(name="Platform"))


def test_nothing_to_insert_asks_the_database_nothing(django_assert_num_queries) -> None:  # type: ignore[no-untyped-def]
    with django_assert_num_queries(0):
        insert()
