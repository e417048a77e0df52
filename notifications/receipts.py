"""A provider says "delivered" or "failed" after it took a message: by calling us, or when asked."""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable
from datetime import datetime

from django.conf import settings
from django.db.models import QuerySet

from notifications import awaiting, settling
from notifications.channels.base import Deadline, Report, SendError, reporting
from notifications.kicks import kick
from notifications.models import ContactMethod, Notification, ProviderState
from schedules.turns import turn

log = logging.getLogger(__name__)
State = Notification.State

LOOK = "notifications.tasks.look_for_receipts"
# Of one look; the next one follows at once.
MOST_LOOKED_AT = 30
LONGEST_QUESTION = 3.0  # seconds


def receive(reports: Iterable[Report], providers: Collection[str], *, now: datetime) -> int:
    """Write what these providers say about their messages; says how many have changed.

    In any order, twice, and for messages nobody knows, which all changes nothing. One that cannot
    be written keeps no other from it; then the last error is raised at the end.
    """
    changed = 0
    trouble: Exception | None = None
    for report in reports:
        try:
            changed += _receive(report, providers, now)
        except Exception as error:
            log.exception("what is said of message %s could not be written", report.provider_id)
            trouble = error
    if trouble is not None:
        raise trouble
    return changed


def _receive(report: Report, providers: Collection[str], now: datetime) -> bool:
    if not (report.is_delivered or report.has_failed):
        return False
    taken = Notification.objects.filter(
        provider_id=report.provider_id, provider__in=providers, state=State.SENT
    )
    if not report.provider_id:
        return False
    # Several, if they went out as one message.
    rows = list(taken.select_related("user", "team_channel").order_by("pk"))
    with turn():
        return any([settling.reported(row, report, now=now) for row in rows])


def heard_from(kind: str, number: str, *, now: datetime) -> int:
    """Somebody wrote to us from this number: for a day free words may be sent there."""
    return ContactMethod.objects.filter(channel=kind, address=number).update(heard_at=now)


def ask_soon(now: datetime) -> int:
    """Have a worker look for the receipts that are due; says how many tasks were queued."""
    return kick(LOOK) if _due(now).exists() else 0


def _due(now: datetime) -> QuerySet[Notification]:
    return Notification.objects.filter(state=State.SENT, look_at__lte=now)


def look(now: datetime, *, seconds: float) -> int:
    """Ask the providers about messages without a receipt, for so long at most; says about how many.

    For installations that providers cannot reach, and for receipts that got lost. Where the time
    for a receipt is up, the person's next method is used.
    """
    deadline, dumb, looked = Deadline(seconds), _silent(), 0
    due = _due(now).select_related("user", "team_channel").order_by("look_at", "pk")
    for row in due[:MOST_LOOKED_AT]:
        if deadline.is_over:
            break
        if _take(row, now):
            looked += 1
            try:
                _look(row, now, deadline, dumb)
            except Exception:
                log.exception("looking for the receipt of notification %s failed", row.pk)
    return looked


def _silent() -> set[str]:
    states = ProviderState.objects.filter(probe_at__isnull=False)
    return set(states.values_list("provider", flat=True))


def _take(row: Notification, now: datetime) -> bool:
    """Whether it is for us to look: by one UPDATE that only one of many can win."""
    sent_at = row.settled_at or now
    next_at = awaiting.next_look(row.provider, sent_at, now)
    mine = Notification.objects.filter(pk=row.pk, state=State.SENT, look_at=row.look_at)
    return bool(mine.update(look_at=next_at))


def _look(row: Notification, now: datetime, deadline: Deadline, dumb: set[str]) -> None:
    report = None
    if row.provider not in dumb and settings.NOTIFICATION_SENDING_ENABLED:
        report = _ask(row, deadline, dumb)
    if report and _receive(report, [row.provider], now):
        return
    if row.look_at and awaiting.is_late(row.provider, row.settled_at or now, row.look_at, now):
        members = row.members.filter(state=State.SENT, provider_id=row.provider_id)
        for silent in (row, *members.select_related("user", "team_channel").order_by("pk")):
            with turn():
                settling.no_receipt(silent, now=now)


def _ask(row: Notification, deadline: Deadline, dumb: set[str]) -> Report | None:
    """What the provider knows; one that does not answer is not asked again in this look."""
    channel = reporting(row.provider)
    if channel is None or not row.provider_id:
        return None
    seconds = min(LONGEST_QUESTION, max(0.1, deadline.remaining()))
    try:
        return channel.ask(row.provider_id, Deadline(seconds))
    except SendError as error:
        log.warning("asking %s about notification %s: %s", row.provider, row.pk, error.text)
        dumb.add(row.provider)
        return None
