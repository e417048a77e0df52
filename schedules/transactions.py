"""Runs a transaction again when the database could not take it this time."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from typing import TypeVar

from django.db import OperationalError, connection

Result = TypeVar("Result")
TRIES = 3


def repeat_on_conflict(attempt: Callable[[], Result]) -> Result:
    """The result of `attempt`, a whole transaction, tried up to 3 times.

    Deadlock, serialisation failure, lock timeout and "database is locked" all come as
    OperationalError and leave nothing behind. Inside somebody else's transaction there is no
    second try: the database has given all of it up, so the error goes to whoever began it.
    """
    if connection.in_atomic_block:
        return attempt()
    for number in range(1, TRIES + 1):
        try:
            return attempt()
        except OperationalError:
            if number == TRIES:
                raise
            connection.close_if_unusable_or_obsolete()  # a restarted server: connect anew
            time.sleep(random.uniform(0.01, 0.05) * number)  # noqa: S311
    raise AssertionError("unreachable")
