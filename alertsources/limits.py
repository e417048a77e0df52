"""How much a source may send in a minute, so that one that runs wild keeps nobody else waiting.

What comes beyond the limit is counted and told to the team once, as an incident of its own. Senders
that come again are asked to (503); from the others the raw message is kept, unread, because nobody
would send it a second time.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F

from alertsources import grouping
from alertsources.cleaning import CleanAlert, one_line
from alertsources.intake import Delivery, Taken, persist, take
from alertsources.judging import LIMIT_KEY
from alertsources.models import AlertSource, ReceivedPayload, SourceMinute
from alertsources.sources.base import FIRING
from incidents.models import EscalationPolicy
from schedules.inserts import insert
from schedules.transactions import repeat_on_conflict

logger = logging.getLogger(__name__)

# The kinds whose senders repeat what was answered 503; see each one's documentation.
COME_AGAIN = frozenset({"alertmanager", "cloudwatch", "checkly", "healthchecks"})
A_MINUTE = timedelta(minutes=1)
KEEP_COUNTS_FOR = timedelta(days=2)


@dataclass
class _Count:
    """What this process has counted for one source in one minute."""

    minute: datetime
    unsaid: int = 0  # not yet added to the row that all processes share
    refused: int = 0  # of these
    total: int = 0  # what the row said last
    is_told: bool = False


class Meter:
    """Counts in memory, and now and then in a row that all processes share.

    So the limit holds for all of them together, but for what each has not said yet: at most a
    tenth of the limit. A source that sends little writes nothing.
    """

    def __init__(self) -> None:
        self._counts: dict[int, _Count] = {}
        self._lock = threading.Lock()

    def is_over(self, source: AlertSource, *, now: datetime) -> bool:
        """Count one message; says whether it is beyond the limit."""
        limit = source.limit_per_minute
        if not limit:
            return False
        minute = now.replace(second=0, microsecond=0)
        with self._lock:
            count = self._counts.get(source.pk)
            if count is None or count.minute != minute:
                count = self._counts[source.pk] = _Count(minute)
            count.unsaid += 1
            over = count.total + count.unsaid > limit
            count.refused += over
            said = self._said(count, limit)
        if said:
            self._share(source, count, *said, limit=limit)
        return over

    def is_first(self, source: AlertSource) -> bool:
        """Whether nobody in this process has told of this minute's excess yet."""
        with self._lock:
            count = self._counts[source.pk]
            is_first, count.is_told = not count.is_told, True
            return is_first

    def _said(self, count: _Count, limit: int) -> tuple[int, int] | None:
        if count.unsaid < max(1, min(100, limit // 10)):
            return None
        said = (count.unsaid, count.refused)
        count.total += count.unsaid
        count.unsaid = count.refused = 0
        return said

    def _share(
        self, source: AlertSource, count: _Count, received: int, refused: int, *, limit: int
    ) -> None:
        try:
            total = repeat_on_conflict(lambda: _add(source, count.minute, received, refused))
        except Exception:  # counting must not cost an alert
            logger.exception("What source %s sends could not be counted", source.pk)
            return
        with self._lock:
            count.total = max(count.total, total)


def _add(source: AlertSource, minute: datetime, received: int, refused: int) -> int:
    with transaction.atomic():
        rows = SourceMinute.objects.filter(source=source, minute=minute)
        more = {"received": F("received") + received, "refused": F("refused") + refused}
        if not rows.update(**more):
            SourceMinute.objects.get_or_create(source=source, minute=minute)
            rows.update(**more)
            old = SourceMinute.objects.filter(source=source, minute__lt=minute - KEEP_COUNTS_FOR)
            old.delete()
        return rows.values_list("received", flat=True)[0]


meter = Meter()


def is_over(source: AlertSource, *, now: datetime) -> bool:
    """Count a message of the source; says whether it is beyond the limit."""
    try:
        return meter.is_over(source, now=now)
    except Exception:
        logger.exception("The limit of source %s is not kept", source.pk)
        return False


def comes_again(kind: str) -> bool:
    return kind in COME_AGAIN


def tell(source: AlertSource, policy: EscalationPolicy | None, *, now: datetime) -> None:
    """Page the team about it, as one incident while it lasts; once a minute it counts up."""
    if not meter.is_first(source):
        return
    limit = source.limit_per_minute
    alert = CleanAlert(
        key=LIMIT_KEY,
        live_key=grouping.digest(source.pk, LIMIT_KEY),
        group=LIMIT_KEY,
        group_digest=grouping.digest(source.pk, source.team_id, LIMIT_KEY),
        sender_group="",
        status=FIRING,
        title=one_line(f"{source.name} sends more than {limit} messages per minute", 200),
        detail=f"Beyond the limit of {limit} per minute its messages open no incidents of their "
        "own. Senders that come again are asked to; from the others the raw message is kept. "
        "The limit is a setting of the source.",
        severity="high",
        started_at=now,
    )
    body = b'{"title": "limit exceeded"}'
    take(Delivery(source, body, [alert], policy, notes=["Written by PagerPal itself."]), now=now)


def keep(source: AlertSource, body: bytes, content_type: str, *, now: datetime) -> Taken:
    """Store the message as it came, unread."""
    limit = source.limit_per_minute
    note = f"Beyond the limit of {limit} messages per minute: kept, not read."

    def attempt() -> None:
        with transaction.atomic(durable=True):
            insert(
                ReceivedPayload(
                    source=source,
                    received_at=now,
                    content_type=one_line(content_type, 100),
                    body=body,
                    result=ReceivedPayload.Result.LIMITED,
                    note=note,
                )
            )

    persist(attempt)
    return Taken(ReceivedPayload.Result.LIMITED, [], note)
