"""A button was pressed whose post waited in a topic of the ntfy server: who, about what."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import IntegrityError, transaction

from notifications import inbound, trials
from notifications.channels.ntfy_answers import Posted, key_of
from notifications.models import Bundle, InboundMessage, Notification
from notifications.replies import ACKNOWLEDGE, Reply
from schedules.transactions import repeat_on_conflict
from schedules.turns import turn

PROVIDER = CHANNEL = "ntfy"
# A message of long ago is not what wakes anybody now.
GOOD_FOR = timedelta(days=2)
TEST_ENDED = "The test has ended: you got it."


def press(posted: Posted, *, now: datetime) -> bool:
    """Acknowledge what the message told of whose button this is; False where nothing is done.

    Each button is good once: whoever reads the topic can post again what they find there.
    """
    key = key_of(posted.text)
    if not key:
        return False
    with turn():
        return repeat_on_conflict(lambda: _press(key, posted, now))


def _press(key: str, posted: Posted, now: datetime) -> bool:
    with transaction.atomic():
        told, threads = _told(key, now)
        row = _stored(key, posted, told, now) if told else None
        if told is None or row is None:
            return False
        if told.thread.startswith(trials.RUN):
            assert told.user is not None  # noqa: S101  see _told
            trials.stop(told.user, now=now)
            text = TEST_ENDED
        else:
            text = inbound.ask(row, Reply(ACKNOWLEDGE), threads, now=now)
        row.outcome = text[:1000]
        if told.contact_method is not None and told.contact_method.is_on:
            inbound.say(row, told.contact_method, text, now=now)
        row.save(update_fields=["outcome", "is_answered"])
    return True


def _told(key: str, now: datetime) -> tuple[Notification | None, list[str]]:
    """The message and what it told of, if it is not too old and its person is still here."""
    # A provider that failed later got it again under another name.
    name = key.partition("/after:")[0]
    young = Notification.objects.filter(due_at__gt=now - GOOD_FOR, user__is_active=True)
    young = young.select_related("user", "contact_method")
    number = name.removeprefix(Bundle.PREFIX)
    if name.startswith(Bundle.PREFIX) and number.isdecimal():
        bundle = Bundle.objects.filter(pk=int(number)).first()
        lead = young.filter(pk=bundle.lead_id).first() if bundle else None
        return lead, bundle.threads if bundle else []
    told = young.filter(key=name).first()
    return told, [told.thread] if told else []


def _stored(key: str, posted: Posted, told: Notification, now: datetime) -> InboundMessage | None:
    """None when this button was pressed before."""
    row = InboundMessage(
        provider=PROVIDER,
        provider_id=key[:200],
        channel=CHANNEL,
        address="",
        user=told.user,
        text=posted.name,
        act=ACKNOWLEDGE,
        said_at=min(now, posted.at),
        received_at=now,
    )
    try:
        with transaction.atomic():
            row.save(force_insert=True)
    except IntegrityError:
        return None
    return row
