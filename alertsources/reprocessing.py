"""Takes a stored message in once more, as its source reads it now."""

from __future__ import annotations

from datetime import datetime

from alertsources import intake, reading
from alertsources.intake import Delivery, Taken
from alertsources.mail.taking import CONTENT_TYPE, KIND
from alertsources.models import ReceivedPayload
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
    if payload.is_test:
        raise NotNow("This message was a test: send another one from the page of its source.")
    kind = KIND if payload.content_type == CONTENT_TYPE else source.kind
    read = reading.read(bytes(payload.body), source, kind=kind, otherwise="generic", now=now)
    first = f"Message {payload.pk} once more, by {by}."
    delivery = Delivery(
        source,
        bytes(payload.body),
        read.alerts,
        source.policy_in_force(),
        payload.content_type,
        troubles=read.troubles,
        notes=[first, *read.remarks],
        again=payload,
    )
    return intake.take(delivery, now=now)
