"""What is wrong with people who are or will be on call, as the floors above know it."""

from __future__ import annotations

import logging
from collections.abc import Iterable

from schedules.models import User
from schedules.signals import people_shown

log = logging.getLogger(__name__)


def of_people(people: Iterable[User | None]) -> dict[int, str]:
    """By id, a few words to follow the name: `has no contact method that is on`.

    Never raises, so that it takes no page along. The number of queries does not grow with them.
    """
    ids = {person.pk for person in people if person is not None}
    found: dict[int, str] = {}
    if not ids:
        return found
    for _, answer in people_shown.send_robust(sender=User, user_ids=ids):
        if isinstance(answer, Exception):
            log.error("what is wrong with people on call cannot be told", exc_info=answer)
        else:
            found |= answer
    return found
