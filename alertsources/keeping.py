"""Deletes raw messages that are older than their source keeps them.

Pages go before: it is done in batches so small that a writer who waits for one hardly notices,
and not at all while anything is due. What is left is deleted by the next round.
"""

from __future__ import annotations

import time
from datetime import datetime, timedelta
from functools import partial

from django.db import connection, transaction
from django.db.models import Exists, OuterRef, Q
from django.db.models.functions import Length

from alertsources import looking
from alertsources.models import AlertSource, ReceivedPayload
from incidents import engine
from incidents.models import Incident
from notifications import outbox
from schedules.transactions import repeat_on_conflict
from schedules.turns import turn

# In one transaction: measured below 15 ms on both databases, whatever the sizes of the bodies.
MOST_ROWS, MOST_BYTES = 100, 2 * 1024 * 1024
# No new batch is begun later than this after the first (seconds).
TAKE_FOR = 1.0

DELETE = "DELETE FROM alertsources_receivedpayload WHERE id IN ({})"


def forget(now: datetime) -> int:
    """Delete what is too old, as long as nothing is due; says how many rows."""
    begun, deleted = time.monotonic(), 0
    for source in AlertSource.objects.only("pk", "keep_days").order_by("pk"):
        before = now - timedelta(days=source.keep_days)
        while pks := _too_old(source, before):
            if is_anything_due(now) or time.monotonic() - begun > TAKE_FOR:
                return deleted
            with turn():
                repeat_on_conflict(partial(_delete, pks))
            deleted += len(pks)
    return deleted


def is_anything_due(now: datetime) -> bool:
    """Whether somebody may be waiting for a page: then nothing is tidied up."""
    return bool(
        engine.count_due(now, most=1)
        or outbox.has_due(now, most=1)
        or looking.count_due(now, most=1)
    )


def _too_old(source: AlertSource, before: datetime) -> list[int]:
    """The oldest, up to a batch.

    The newest message about an open incident stays, as that incident shows it; so does the newest
    of the source, which tells since when nothing has come, and what was taken in once more, which
    tells that its copies did not come from outside.
    """
    old = source.payloads.filter(received_at__lt=before)
    heard = source.payloads.filter(is_test=False, reprocessed_from=None)
    by_time = heard.order_by("-received_at")
    newest = list(by_time.values_list("pk", flat=True)[:1])
    newer = ReceivedPayload.objects.filter(incident=OuterRef("incident"), pk__gt=OuterRef("pk"))
    is_over = Q(incident__isnull=True) | Q(incident__state=Incident.State.RESOLVED)
    copies = ReceivedPayload.objects.filter(reprocessed_from=OuterRef("pk"))
    unneeded = old.filter(is_over | Exists(newer), ~Exists(copies)).exclude(pk__in=newest)
    rows = unneeded.order_by("received_at").values_list("pk", Length("body"))
    return _within(list(rows[:MOST_ROWS]))


def _delete(pks: list[int]) -> None:
    """Not by the ORM, which would read the bodies first."""
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(DELETE.format(", ".join(["%s"] * len(pks))), pks)


def _within(rows: list[tuple[int, int]]) -> list[int]:
    """As many of them as their bytes allow, one at least."""
    found: list[int] = []
    size = 0
    for pk, length in rows:
        size += length
        if found and size > MOST_BYTES:
            break
        found.append(pk)
    return found
