"""How many messages one address gets: more would be noise, and no provider takes them for long."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, connections
from django.db.models import Count

from notifications.models import DeliveryEvent, Notification
from schedules.models import User

MINUTE = timedelta(minutes=1)
HOUR = timedelta(hours=1)
# An address that had its fill within an hour gets one more so often, which says all that waits.
THEN_EVERY = timedelta(minutes=2)
A_CALL = timedelta(seconds=10)
WORDS = "this address had {number} messages within {span}: it waits, with whatever else comes"

# What was taken for an address lately; several that went out as one count once.
LATELY = """
    SELECT id, settled_at FROM notifications_notification
    WHERE address = %s AND channel = %s AND settled_at > %s AND lead_id IS NULL
        AND state IN ('sent', 'delivered', 'held') AND key NOT LIKE 'clear:%%'
    ORDER BY settled_at DESC LIMIT %s
"""
UNDER_WAY = """
    SELECT count(*) FROM notifications_notification
    WHERE address = %s AND channel = %s AND settled_at IS NULL AND lead_id IS NULL
        AND state = 'sending' AND lease_until >= %s
"""


@dataclass(frozen=True)
class Limit:
    """The most for one address of a kind."""

    a_minute: int
    an_hour: int

    def __str__(self) -> str:
        return f"{self.a_minute} a minute, {self.an_hour} an hour"


# What is not listed is a program, which is never kept waiting.
DEFAULTS = {
    "ntfy": Limit(10, 60),
    "email": Limit(5, 60),
    "sms": Limit(3, 20),
    "whatsapp": Limit(3, 20),
    "apprise": Limit(5, 60),
    "slack": Limit(20, 300),
    "mattermost": Limit(20, 300),
    "discord": Limit(20, 300),
}


@dataclass(frozen=True)
class Wait:
    """Until when an address gets nothing more, and why."""

    until: datetime
    why: str


def limit_of(kind: str) -> Limit | None:
    """The limit in force for addresses of this kind, if it has one."""
    own = settings.ADDRESS_LIMITS.get(kind)
    return Limit(*own) if own else DEFAULTS.get(kind)


def wait_for(kind: str, address: str, now: datetime) -> Wait | None:
    """How long this address has to wait for its next message; None when it need not.

    Past its hour's limit it is not cut off: it gets one each two minutes.
    """
    limit = limit_of(kind)
    if limit is None:
        return None
    under_way = _under_way(kind, address, now)
    times = _lately(kind, address, now, max(limit.a_minute, limit.an_hour))
    wait = _wait(limit, times, under_way, now)
    # Whether what is under way will count is known soon.
    return replace(wait, until=min(wait.until, now + A_CALL)) if wait and under_way else wait


def _wait(limit: Limit, times: list[datetime], under_way: int, now: datetime) -> Wait | None:
    hour, minute = limit.an_hour - under_way, limit.a_minute - under_way
    if len(times) >= hour and (last := times[0] if times else now) + THEN_EVERY > now:
        return Wait(last + THEN_EVERY, WORDS.format(number=limit.an_hour, span="an hour"))
    if minute <= 0 or (len(times) >= minute and times[minute - 1] + MINUTE > now):
        since = times[minute - 1] if minute > 0 else now
        return Wait(since + MINUTE, WORDS.format(number=limit.a_minute, span="a minute"))
    return None


def _lately(kind: str, address: str, now: datetime, most: int) -> list[datetime]:
    """When messages were taken within the last hour, the last first."""
    since = connections[DEFAULT_DB_ALIAS].ops.adapt_datetimefield_value(now - HOUR)
    found = Notification.objects.raw(LATELY, [address, kind, since, most])
    return [row.settled_at for row in found if row.settled_at]


def _under_way(kind: str, address: str, now: datetime) -> int:
    database = connections[DEFAULT_DB_ALIAS]
    with database.cursor() as cursor:
        at = database.ops.adapt_datetimefield_value(now)
        cursor.execute(UNDER_WAY, [address, kind, at])
        (number,) = cursor.fetchone()
    return int(number)


def waiting(user: User, now: datetime) -> dict[int | None, int]:
    """How many messages wait for each of this person's addresses because of its limit."""
    held = Notification.objects.filter(
        user=user,
        state=Notification.State.PENDING,
        due_at__gt=now,
        first_tried_at=None,
        events__kind=DeliveryEvent.Kind.WAITS,
    )
    counted = held.order_by().values_list("contact_method").annotate(Count("pk", distinct=True))
    return dict(counted)
