"""A transaction that the database could not take is tried again, as a whole and not for ever."""

from __future__ import annotations

import pytest
from django.db import IntegrityError, OperationalError, transaction

from schedules.transactions import TRIES, repeat_on_conflict


class Attempt:
    """Fails with `error` so many times, then says how often it was asked."""

    def __init__(self, error: Exception, failures: int) -> None:
        self.error, self.failures, self.asked = error, failures, 0

    def __call__(self) -> int:
        self.asked += 1
        if self.asked <= self.failures:
            raise self.error
        return self.asked


@pytest.mark.django_db(transaction=True)
def test_a_deadlock_is_tried_three_times() -> None:
    assert repeat_on_conflict(Attempt(OperationalError("deadlock detected"), 2)) == 3


@pytest.mark.django_db(transaction=True)
def test_what_conflicts_again_and_again_is_said_in_the_end() -> None:
    attempt = Attempt(OperationalError("database is locked"), 9)

    with pytest.raises(OperationalError, match="locked"):
        repeat_on_conflict(attempt)

    assert attempt.asked == TRIES == 3


@pytest.mark.django_db(transaction=True)
def test_what_would_fail_again_is_not_tried_again() -> None:
    attempt = Attempt(IntegrityError("duplicate key"), 1)

    with pytest.raises(IntegrityError):
        repeat_on_conflict(attempt)

    assert attempt.asked == 1


@pytest.mark.django_db(transaction=True)
def test_within_a_transaction_whoever_began_it_tries_again() -> None:
    attempt = Attempt(OperationalError("deadlock detected"), 1)

    with pytest.raises(OperationalError), transaction.atomic():
        repeat_on_conflict(attempt)

    assert attempt.asked == 1
