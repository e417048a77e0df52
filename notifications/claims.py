"""Takes messages for one worker: written-out statements of which only one of many can win."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, connections

from notifications.models import Bundle, DeliveryEvent, Notification
from schedules.inserts import insert

Purpose = Notification.Purpose

# Longer than any call can take: a row whose lease has ended was left by a dead process.
LEASE = timedelta(seconds=30)
# What comes in storms, and may be one message. Programs read one thing at a time.
TOGETHER = (Purpose.PAGE, Purpose.GROWTH, Purpose.ASK_OWNER)
NEVER_TOGETHER = frozenset({"webhook"})
# Each gets the result, which must be written before the lease ends.
MOST_TOGETHER = 50

# Written out: every message takes this step, and building it costs the ORM ten times its run.
CLAIM = """
    UPDATE notifications_notification
    SET state = 'sending', provider = %s, attempts = attempts + 1, lease_until = %s,
        first_tried_at = COALESCE(first_tried_at, %s), lead_id = NULL
    WHERE id = %s AND state = 'pending' AND due_at <= %s AND cancelled_at IS NULL AND (
        SELECT count(*) FROM notifications_notification under_way
        WHERE COALESCE(NULLIF(under_way.provider, ''), under_way.channel) = %s
            AND under_way.state = 'sending'
            AND under_way.lease_until >= %s
            AND under_way.lead_id IS NULL
    ) < %s
    RETURNING attempts
"""
# Of each thread the newest; the others of it are dropped when that is taken. A row that somebody
# else holds at this moment, perhaps to end it, is left alone: nothing here waits for a lock.
CLAIM_MEMBERS = """
    WITH waiting AS (
        SELECT id, thread, rank FROM notifications_notification
        WHERE address = %s AND channel = %s AND settled_at IS NULL
            AND COALESCE(user_id, 0) = %s AND COALESCE(team_channel_id, 0) = %s
            AND purpose = %s AND thread <> %s AND void_at IS NULL AND NOT goes_alone
            AND key NOT LIKE '%%/again:%%'
            AND state = 'pending' AND due_at <= %s AND cancelled_at IS NULL
        ORDER BY id DESC LIMIT 1000 {lock}
    )
    UPDATE notifications_notification
    SET state = 'sending', provider = %s, attempts = attempts + 1, lease_until = %s,
        first_tried_at = COALESCE(first_tried_at, %s), lead_id = %s
    WHERE id IN (
        SELECT max(id) FROM waiting GROUP BY thread ORDER BY min(rank), max(id) DESC LIMIT %s
    ) AND state = 'pending' AND due_at <= %s AND cancelled_at IS NULL
    RETURNING id, thread, attempts
"""
# The first page of a new critical incident is never held back.
IS_FIRST = """
    purpose = 'page' AND rank = 0 AND NOT EXISTS (
        SELECT 1 FROM notifications_notification reached
        WHERE reached.thread = notifications_notification.thread AND reached.purpose = 'page'
            AND COALESCE(reached.user_id, 0) = COALESCE(notifications_notification.user_id, 0)
            AND reached.state IN ('sent', 'delivered', 'held')
    )
"""
HOLD_BACK = f"""
    WITH waiting AS (
        SELECT id FROM notifications_notification
        WHERE address = %s AND channel = %s AND settled_at IS NULL
            AND purpose IN ('page', 'growth', 'ask_owner') AND key NOT LIKE '%%/again:%%'
            AND state = 'pending' AND due_at <= %s AND cancelled_at IS NULL AND NOT ({IS_FIRST})
        ORDER BY id {{lock}}
    )
    UPDATE notifications_notification SET due_at = %s, outcome = %s
    WHERE id IN (SELECT id FROM waiting)
        AND state = 'pending' AND due_at <= %s AND cancelled_at IS NULL
    RETURNING id, attempts
"""  # noqa: S608  nothing of it comes from outside


@dataclass(frozen=True)
class Head:
    """A due row as much as its claim needs to know of it."""

    pk: int
    team_id: int | None
    rank: int
    channel: str
    provider: str
    address: str
    purpose: str
    thread: str
    key: str
    user_id: int | None
    team_channel_id: int | None
    goes_alone: bool
    void_at: datetime | None

    @property
    def is_one_of_many(self) -> bool:
        """Whether it may wait for its address, and go out with others; nobody asked for it."""
        return self.purpose in TOGETHER and self.void_at is None and "/again:" not in self.key


COLUMNS = (
    *("pk", "team_id", "rank", "channel", "provider", "address", "purpose", "thread", "key"),
    *("user_id", "team_channel_id", "goes_alone", "void_at"),
)


def heads(rows: Any) -> list[Head]:
    """Of a queryset of notifications."""
    return [Head(*row) for row in rows.values_list(*COLUMNS)]


def _alone() -> int:
    return 1


# How many workers share the work; what runs them knows better (see pagerpal/fellows.py).
count_workers: Callable[[], int] = _alone


def most_in_flight() -> int:
    """To one provider: of each worker one process is always free for the others."""
    return max(1, settings.WORKERS - 1) * count_workers()


def take(pk: int, carrier: str, now: datetime) -> int:
    """Run the claiming UPDATE: the number of this attempt, or 0 when it was not won."""
    at, until = _adapted(now), _adapted(now + LEASE)
    values = [carrier, until, at, pk, at, carrier, at, most_in_flight()]
    won = _run(CLAIM, values)
    return int(won[0][0]) if won else 0


def take_along(head: Head, carrier: str, now: datetime) -> None:
    """Claim with a row that was just claimed what else is due for its address, as one message.

    These members are what it will say, whatever becomes due until it goes out.
    """
    if not head.is_one_of_many or head.goes_alone or head.channel in NEVER_TOGETHER:
        return
    at, until = _adapted(now), _adapted(now + LEASE)
    whom = [head.address, head.channel, head.user_id or 0, head.team_channel_id or 0]
    which = [*whom, head.purpose, head.thread, at]
    taken = _run(
        CLAIM_MEMBERS, [*which, carrier, until, at, head.pk, MOST_TOGETHER - 1, at], locks=True
    )
    if not taken:
        return
    threads = [head.thread, *(thread for _, thread, _ in sorted(taken, reverse=True))]
    if any(attempts > 1 for _, _, attempts in taken):
        said = Bundle.objects.filter(
            lead__in=[head.pk, *(pk for pk, _, _ in taken)], lead__provider_id=""
        ).last()
        if said and set(said.threads) == set(threads):
            # By the name that its provider may know already, it replaces what may have arrived.
            Bundle.objects.filter(pk=said.pk).update(lead=head.pk)
            return
    insert(Bundle(lead_id=head.pk, threads=threads, created_at=now))


def shorten_leases(now: datetime) -> int:
    """End those in time that no lease can be as long as; says how many.

    Whoever claimed had a clock that was ahead. Alive, it has all the time for its call; dead, its
    row would wait until that far time, and nobody would miss it.
    """
    claimed = Notification.objects.filter(state=Notification.State.SENDING)
    return claimed.filter(lease_until__gt=now + 2 * LEASE).update(lease_until=now + LEASE)


def is_first(head: Head) -> bool:
    """Whether it is the first page of a critical incident, of which nothing has reached them."""
    sql = f"SELECT id FROM notifications_notification WHERE id = %s AND {IS_FIRST}"  # noqa: S608
    return bool(_run(sql, [head.pk]))


def hold_back(head: Head, until: datetime, why: str, now: datetime) -> None:
    """Put off what is due for this address, but for first pages; the history says why, once."""
    at, then = _adapted(now), _adapted(until)
    held = _run(HOLD_BACK, [head.address, head.channel, at, then, why, at], locks=True)
    waits = DeliveryEvent.Kind.WAITS
    known = DeliveryEvent.objects.filter(notification__in=[pk for pk, _ in held], kind=waits)
    told = set(known.values_list("notification_id", flat=True)) if held else set()
    insert(
        *(
            DeliveryEvent(notification_id=pk, kind=waits, attempt=attempts, text=why, at=now)
            for pk, attempts in held
            if pk not in told
        )
    )


def _run(sql: str, values: Sequence[Any], *, locks: bool = False) -> list[Any]:
    database = connections[DEFAULT_DB_ALIAS]
    if locks:
        can_skip = database.features.has_select_for_update_skip_locked
        sql = sql.format(lock="FOR NO KEY UPDATE SKIP LOCKED" if can_skip else "")
    with database.cursor() as cursor:
        cursor.execute(sql, values)
        return list(cursor.fetchall())


def _adapted(moment: datetime) -> Any:
    return connections[DEFAULT_DB_ALIAS].ops.adapt_datetimefield_value(moment)
