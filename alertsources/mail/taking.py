"""From a raw mail and its recipients to what is stored, the same for listener and mailbox."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from alertsources import awaiting, grouping, intake, limits, reading, refusals
from alertsources.cleaning import CleanAlert
from alertsources.intake import Delivery, Taken
from alertsources.mail.addresses import keys_in, masked
from alertsources.mail.message import Mail, take_apart
from alertsources.models import Alert, AlertSource, ReceivedMail, Refusal
from alertsources.senders import Sender, held_before, sender_of

logger = logging.getLogger(__name__)

# As for requests, with room for the pictures that dashboards attach.
LARGEST = 2 * 1024 * 1024
KIND = "email"
CONTENT_TYPE = "message/rfc822"
# How long a mail that comes again is known; no mail server tries for longer.
KNOWN_FOR = timedelta(days=30)


class TooMany(Exception):
    """A source is beyond its limit: the mail has to come again later. One sentence."""


@dataclass(frozen=True)
class Addressee:
    """The source that an address names, and the key in it."""

    sender: Sender
    key: str


def addressees(addresses: Iterable[str], *, now: datetime) -> list[Addressee]:
    """The sources, active or not, whose keys are in these addresses, each once."""
    found: dict[int, Addressee] = {}
    for key in keys_in(addresses):
        if sender := sender_of([key], now=now):
            found.setdefault(sender.source.pk, Addressee(sender, key))
    return list(found.values())


def is_switched_off(one: Addressee, *, now: datetime) -> bool:
    """Whether its source takes nothing; then the mail counts as refused."""
    source = one.sender.source
    if not source.is_active:
        refusals.count(source.pk, Refusal.Reason.OFF, now=now)
    return not source.is_active


def count_unknown(addresses: Iterable[str], *, now: datetime) -> None:
    """Of a mail that no source takes: count it for the source that had its key before."""
    if source_id := held_before(keys_in(addresses)):
        refusals.count(source_id, Refusal.Reason.KEY, now=now)


def take(raw: bytes, to: list[Addressee], *, now: datetime) -> list[Taken]:
    """Store the mail for each of its sources; when this returns, it is committed for all.

    OperationalError, TooMany: it may be stored for some, so it has to come again, which counts
    once.
    """
    raw = masked(raw, [one.key for one in to])
    mail = take_apart(raw)
    return [_take(raw, mail, one.sender, now=now) for one in to]


def _take(raw: bytes, mail: Mail, sender: Sender, *, now: datetime) -> Taken:
    source = sender.source
    if limits.is_over(source, now=now):
        limits.tell(source, sender.policy, now=now)
        text = f"More than {source.limit_per_minute} messages per minute; send this later."
        refusals.count(source.pk, Refusal.Reason.LIMIT, now=now)
        raise TooMany(text)
    read = reading.read(raw, source, kind=KIND, now=now)
    alerts, is_test = awaiting.alerts_of(sender, read, now=now)
    delivery = Delivery(
        source,
        raw,
        [_in_its_thread(alert) for alert in alerts],
        sender.policy,
        CONTENT_TYPE,
        troubles=read.troubles,
        notes=read.remarks,
        mail=_once(mail, source, now),
        is_test=is_test,
    )
    return intake.take(delivery, now=now)


def _in_its_thread(alert: CleanAlert) -> CleanAlert:
    """A recovery whose subject no alert has ends the alert of its thread, if there is just one."""
    if alert.is_firing or not alert.sender_group:
        return alert
    firing = Alert.objects.firing()
    if firing.filter(live_key=alert.live_key).exists():
        return alert
    is_one = firing.filter(sender_group=alert.sender_group).count() == 1
    return replace(alert, closes_group=True) if is_one else alert


def _once(mail: Mail, source: AlertSource, now: datetime) -> ReceivedMail | None:
    """What makes it count once, however it came: the same id, date, sender and subject.

    Scripts may use one id for all their mails, and without a date nothing tells them apart.
    """
    date = mail.get("date")
    if not date:
        return None
    who = mail.message_id or hashlib.sha256(mail.text.encode("utf-8", "replace")).hexdigest()
    digest = grouping.digest(source.pk, "mail", who, date, mail.sender, mail.subject)
    return ReceivedMail(source=source, digest=digest, received_at=now)


def forget(*, now: datetime) -> int:
    """Delete what is known of mails that will not come again."""
    return ReceivedMail.objects.filter(received_at__lt=now - KNOWN_FOR).delete()[0]
