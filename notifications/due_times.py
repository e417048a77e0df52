"""When the messages of a person's rule are due: from the moment of the page, past quiet hours."""

from __future__ import annotations

from datetime import datetime, timedelta

from schedules import quiet
from schedules.models import User


def of_rule(
    user: User, delay: timedelta, every: timedelta, number: int, *, now: datetime, is_urgent: bool
) -> list[datetime]:
    """So many times, the first `delay` after now and the rest `every` so much later.

    What is not urgent waits for the end of the person's quiet hours; those that would fall into
    them keep their distance after them. Raises OverflowError where the calendar ends.
    """

    def wait(at: datetime) -> datetime:
        return at if is_urgent else quiet.put_off(user, at)

    times = [wait(wait(now) + delay)]
    while len(times) < number:
        times.append(wait(times[-1] + every))
    return times
