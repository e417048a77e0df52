"""Wakes a worker: a queued task that says "look for due work" and names none."""

from __future__ import annotations

from django.conf import settings
from django.db import connection
from django.utils import timezone
from django_q.models import OrmQ
from django_q.tasks import async_task

# Asked by every alert, so it is written out: the ORM takes ten times as long to build it.
WAITING = f"SELECT count(*) FROM {OrmQ._meta.db_table} WHERE lock <= %s"  # noqa: S608
SEND_DUE = "notifications.tasks.send_due"


def kick(task_path: str, *, due: int = 1) -> int:
    """Queue up to `due` tasks, in the caller's transaction; says how many.

    Never lets more than twice as many wait as there are workers, so that one team's storm buries
    nobody else's page in the queue. A kick too few costs nothing: rows keep their due time, and
    the sweep looks at them twice a second.
    """
    # Rows that a worker has taken have their lock in the future.
    number = max(0, min(due, 2 * settings.WORKERS - _waiting()))
    for _ in range(number):
        async_task(task_path)
    return number


def _waiting() -> int:
    with connection.cursor() as cursor:
        cursor.execute(WAITING, [connection.ops.adapt_datetimefield_value(timezone.now())])
        (number,) = cursor.fetchone()
    return int(number)
