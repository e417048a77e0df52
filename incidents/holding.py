"""Holds what a restored backup says was under way: nobody is woken for what may be long over."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from django.db import transaction
from django.db.models import F

from incidents.models import Incident, TimelineEntry
from notifications.models import Notification

State = Notification.State
Purpose = Notification.Purpose
# These are of an incident, whenever they are due; what else waits for its time still has one.
OF_INCIDENTS = (Purpose.PAGE, Purpose.GROWTH, Purpose.ASK_OWNER, Purpose.UPDATE)
WHY = "held: it waited in a backup that was restored"


@dataclass(frozen=True)
class Held:
    incidents: int
    messages: int


def hold_all(why: str, *, now: datetime) -> Held:
    """Of open incidents nobody is paged until somebody acts or there is news; messages are held.

    A held message goes out if somebody says *Send again*. To be called while nothing runs.
    """
    with transaction.atomic():
        paging = Incident.objects.open().exclude(urgency=Incident.Urgency.NONE)
        pks = list(paging.order_by("pk").values_list("pk", flat=True))
        Incident.objects.filter(pk__in=pks).update(held_at=now, revision=F("revision") + 1)
        kind = TimelineEntry.Kind.NOT_PAGED
        TimelineEntry.objects.bulk_create(
            TimelineEntry(incident_id=pk, kind=kind, text=why, via="restore", at=now) for pk in pks
        )
        return Held(len(pks), _hold_messages(now))


def _hold_messages(now: datetime) -> int:
    waiting = Notification.objects.unfinished()
    ended = waiting.exclude(cancelled_at=None)
    ended.update(state=State.CANCELLED, settled_at=now, lease_until=None)
    stale = waiting.filter(purpose__in=OF_INCIDENTS) | waiting.filter(due_at__lte=now)
    fields = {"settled_at": now, "lease_until": None, "lead": None, "outcome": WHY}
    held = stale.update(state=State.HELD, **fields)
    # Taken by a worker that is no more, yet not due by its time: begun anew.
    waiting.filter(state=State.SENDING).update(state=State.PENDING, lease_until=None)
    return held
