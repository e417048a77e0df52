"""Django-Q2's database broker, made to outlive the hiccups of its database."""

from __future__ import annotations

import logging
import time
from datetime import timedelta
from typing import Any
from uuid import uuid4

from django.db import Error, connections
from django.utils import timezone
from django_q.brokers.orm import ORM
from django_q.conf import Conf
from django_q.models import OrmQ
from django_q.signing import BadSignature, SignedPackage

from pagerpal import pulse
from schedules.inserts import insert

log = logging.getLogger(__name__)

# Between tries to delete a row whose task is done: 7 s in all.
PAUSES = (0.1, 0.3, 0.6, 1.0, 2.0, 3.0)

BEAT = "pagerpal.freshness.beat"

# Written out, as they are asked 20 times a second by processes that do nothing else: the ORM would
# touch, and so copy, 7 MB of the memory that all processes share.
TABLE = OrmQ._meta.db_table
WAITING = f"SELECT id, payload FROM {TABLE} WHERE key = %s AND lock < %s LIMIT %s"  # noqa: S608
CLAIM = f"UPDATE {TABLE} SET lock = %s WHERE id = %s AND lock < %s"  # noqa: S608
DELETE = f"DELETE FROM {TABLE} WHERE id = %s"  # noqa: S608


class SturdyORM(ORM):  # type: ignore[misc]
    """Claims as its parent does; a database error costs half a second, not ten and a process."""

    _next_beat = 0.0

    @staticmethod
    def get_connection(list_key: str | None = None) -> Any:
        # The parent asks the database before each statement whether it is still there, 20 times
        # a second. We find out by the error and connect again.
        return OrmQ.objects.using(Conf.ORM)

    def dequeue(self) -> list[tuple[int | None, str]]:
        """What the pusher puts into the pool: a beat when it is time, else what it claimed."""
        if time.monotonic() >= self._next_beat:
            # Not through the database: another node would take it, and a healthy one be killed.
            self._next_beat = time.monotonic() + pulse.BEAT_EVERY
            return [(None, beat())]
        try:
            return [row for row in self._claimed() if self._is_readable(*row)]
        except Error as error:
            log.warning("cannot read the queue, trying again: %s", error)
            connections[Conf.ORM].close()
            time.sleep(0.5)
            return []

    def _claimed(self) -> list[tuple[int, str]]:
        """Rows that nobody else has taken, ours until the retry; rests where there are none."""
        connection = connections[Conf.ORM]
        now = timezone.now()
        moments = now, now + timedelta(seconds=Conf.RETRY)
        before, until = map(connection.ops.adapt_datetimefield_value, moments)
        with connection.cursor() as cursor:
            cursor.execute(WAITING, [self.list_key, before, Conf.BULK])
            rows = cursor.fetchall()
            if not rows:
                time.sleep(Conf.POLL)
            claimed = []
            for pk, payload in rows:
                cursor.execute(CLAIM, [until, pk, before])
                if cursor.rowcount:  # else another node was faster
                    claimed.append((pk, payload))
        return claimed

    def enqueue(self, task: str) -> int:
        row = OrmQ(key=self.list_key or Conf.CLUSTER_NAME, payload=task, lock=timezone.now())
        insert(row)
        return int(row.pk)

    def delete(self, task_id: int) -> None:
        with connections[Conf.ORM].cursor() as cursor:
            cursor.execute(DELETE, [task_id])

    def acknowledge(self, task_id: int) -> None:
        """Delete the row of a finished task.

        Gives up after some seconds: the row is then run again, which does nothing, because a
        kick names nothing. Raising would kill the monitor and lose the results it holds.
        """
        for pause in PAUSES:
            try:
                self.delete(task_id)
            except Error as error:
                log.warning("cannot delete queue row %s, trying again: %s", task_id, error)
                connections[Conf.ORM].close()
                time.sleep(pause)
            else:
                return
        log.error("queue row %s was left behind; it will be run once more", task_id)

    def set_stat(self, key: str, value: str, timeout: int) -> bool:
        """A sign of life of the sentinel, which calls this in each round; nobody reads the rest."""
        pulse.touch(pulse.GUARDED)
        return True

    def _is_readable(self, pk: int, payload: str) -> bool:
        """Whether the pusher can unpack it; what it cannot would kill it, again and again."""
        try:
            SignedPackage.loads(payload)
        except BadSignature:
            return True  # the pusher says so and deletes it
        except Exception:
            log.exception("queue row %s cannot be read and was deleted", pk)
            self.delete(pk)
            return False
        return True


def beat() -> str:
    """A signed task that is not saved and does next to nothing; that it starts is the point."""
    return SignedPackage.dumps(  # type: ignore[no-any-return]
        {
            "id": uuid4().hex,
            "name": "beat",
            "func": BEAT,
            "args": (),
            "kwargs": {},
            "started": timezone.now(),
        }
    )
