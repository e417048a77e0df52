"""Sends a message of an incident once more, because somebody who may answer it asks."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from incidents import timeline
from incidents.lifecycle import Actor, Moved
from incidents.models import Incident, TimelineEntry
from notifications import outbox
from notifications.channels.base import kind_of
from notifications.models import TAKEN, Notification
from schedules.models import User
from schedules.transactions import repeat_on_conflict

Purpose = Notification.Purpose
ENDED = frozenset({*TAKEN, Notification.State.FAILED})


def offered(incident: Incident, message: Notification) -> bool:
    """Whether saying it again makes sense: it went out, failed or was held, and still holds."""
    if message.state not in ENDED or "clears" in message.context:
        return False
    return _still_holds(incident, message)


def _still_holds(incident: Incident, message: Notification) -> bool:
    """Nobody is paged for what somebody has; a room or a program keeps the history of all."""
    if message.purpose == Purpose.PAGE:
        return incident.state == Incident.State.TRIGGERED
    return incident.is_open or message.team_channel_id is not None


def send_again(incident_id: int, message_id: int, by: User, *, now: datetime) -> Moved:
    """Write the same message to the same address, due now; the timeline says who asked."""

    def attempt() -> Moved:
        with transaction.atomic():
            incident = Incident.objects.select_for_update(no_key=True).get(pk=incident_id)
            messages = Notification.objects.select_related("user", "team_channel__team")
            message = messages.filter(pk=message_id, thread=incident.thread).first()
            if message is None or not offered(incident, message):
                return Moved(False, incident, "That message cannot be sent again now.")
            outbox.send_again(message, by, now=now)
            kind = kind_of(message.channel)
            what = f"{kind.label if kind else message.channel} to {message.recipient}"
            _note(incident, f"{by} has {what} sent again.", by, now)
            return Moved(True, incident, f"{what} is being sent again.")

    return repeat_on_conflict(attempt)


def _note(incident: Incident, text: str, by: User, now: datetime) -> None:
    actor = Actor.person(by, "page")
    kind = TimelineEntry.Kind.DELIVERY
    timeline.write(incident, kind, text, at=now, actor=actor.user, via=actor.via)
    incident.save(update_fields=["revision"])
