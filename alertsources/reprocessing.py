"""Takes a stored message in once more, as its source reads it now."""

from __future__ import annotations

from datetime import datetime

from alertsources import intake, reading
from alertsources.intake import Delivery, Taken
from alertsources.mail.taking import CONTENT_TYPE, KIND
from alertsources.models import AlertSource, ReceivedPayload
from incidents.models import EscalationPolicy
from schedules.models import User


class NotNow(Exception):
    """The message is not taken in; its text is one sentence that says why."""


def reprocess(payload: ReceivedPayload, by: User, now: datetime) -> Taken:
    """Read the message anew and take it in: it may open, join and resolve incidents, and page.

    The outcome is stored as a message of its own that says whose and which it was. What the sender
    told beside the body is not known any more, and nothing is asked of the sender. Raises NotNow.
    """
    source = payload.source
    if not source.is_active:
        raise NotNow(f"{source.name} is switched off: what it sends is refused.")
    kind = KIND if payload.content_type == CONTENT_TYPE else source.kind
    read = reading.read(bytes(payload.body), source, kind=kind, otherwise="generic", now=now)
    first = f"Message {payload.pk} once more, by {by}."
    delivery = Delivery(
        source,
        bytes(payload.body),
        read.alerts,
        _policy_of(source),
        payload.content_type,
        troubles=read.troubles,
        notes=[first, *read.remarks],
        again=payload,
    )
    return intake.take(delivery, now=now)


def _policy_of(source: AlertSource) -> EscalationPolicy | None:
    return (
        source.policy
        or EscalationPolicy.objects.filter(team=source.team_id, is_default=True).first()
    )
