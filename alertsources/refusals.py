"""Counts what was refused of a source's messages, so that its page can say why nothing comes."""

from __future__ import annotations

import logging
import threading
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import F, Max, Sum

from alertsources.models import Refusal
from schedules.transactions import repeat_on_conflict

logger = logging.getLogger(__name__)

SHOWN_FOR = timedelta(days=1)
KEEP_FOR = timedelta(days=2)


@dataclass
class _Count:
    """What this process has counted for one source and reason within one hour."""

    hour: datetime
    said: int = 0
    unsaid: int = 0


@dataclass(frozen=True)
class Refused:
    """How many messages were refused of late for one reason."""

    reason: str
    count: int
    last_at: datetime


class Tally:
    """Counts in memory and says the more at once the more there are.

    Up to twenty are exact, more to a tenth, so that a sender that runs wild writes little.
    """

    def __init__(self) -> None:
        self._counts: dict[tuple[int, str], _Count] = {}
        self._lock = threading.Lock()

    def add(self, source_id: int, reason: str, *, now: datetime) -> int:
        """Count one; says how many are to be written now."""
        hour = now.replace(minute=0, second=0, microsecond=0)
        with self._lock:
            count = self._counts.get((source_id, reason))
            if count is None or count.hour != hour:
                count = self._counts[(source_id, reason)] = _Count(hour)
            count.unsaid += 1
            if count.unsaid < count.said // 10:
                return 0
            number, count.unsaid = count.unsaid, 0
            count.said += number
            return number

    def forget(self) -> None:
        with self._lock:
            self._counts.clear()


tally = Tally()


def count(source_id: int, reason: str, *, now: datetime) -> None:
    """Count one refused message. Never raises: the sender is answered all the same."""
    number = tally.add(source_id, reason, now=now)
    if not number:
        return
    try:
        repeat_on_conflict(lambda: _write(source_id, reason, number, now))
    except Exception:
        logger.exception("What source %s was refused could not be counted", source_id)


def lately(source_ids: Iterable[int], *, now: datetime) -> dict[int, list[Refused]]:
    """What was refused within the last day of each source, the most first."""
    rows = Refusal.objects.filter(source__in=list(source_ids), last_at__gt=now - SHOWN_FOR)
    sums = rows.values("source", "reason").annotate(number=Sum("count"), latest=Max("last_at"))
    found: defaultdict[int, list[Refused]] = defaultdict(list)
    for row in sums.order_by("-number", "reason"):
        label = str(Refusal.Reason(row["reason"]).label)
        found[row["source"]].append(Refused(label, row["number"], row["latest"]))
    return found


def _write(source_id: int, reason: str, number: int, now: datetime) -> None:
    hour = now.replace(minute=0, second=0, microsecond=0)
    which = {"source_id": source_id, "reason": reason, "hour": hour}
    with transaction.atomic():
        rows, more = Refusal.objects.filter(**which), F("count") + number
        if not rows.update(count=more, last_at=now):
            Refusal.objects.get_or_create(**which, defaults={"last_at": now})
            rows.update(count=more, last_at=now)
            Refusal.objects.filter(source=source_id, last_at__lt=now - KEEP_FOR).delete()
