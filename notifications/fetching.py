"""Fetches answers from where they wait, for installations that nobody outside can reach.

Only while somebody may answer: a provider that has carried nothing for a day is not asked.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import Q

from notifications import inbound, pressed
from notifications.channels import infobip, ntfy_answers, twilio
from notifications.channels.base import Deadline, SendError
from notifications.channels.inbound import can_be_answered, listed_by_twilio, of_infobip
from notifications.channels.sms_twilio import SERVICE
from notifications.kicks import kick
from notifications.models import Inbox, ProviderState

log = logging.getLogger(__name__)

TASK = "notifications.tasks.fetch_answers"
LONGEST_QUESTION = 3.0  # seconds
# How often there is a look at whether to ask; the least time from one question to the next.
LOOK_EVERY = timedelta(seconds=10)
# After a message went out, somebody may answer at any moment; later it is ever less likely.
AT_ONCE, LATER = timedelta(minutes=15), timedelta(days=1)
# Whom nobody asks twice as often for each failure in a row.
LONGEST_PAUSE = timedelta(minutes=5)
# What came before the first question is old.
FIRST_LOOK_BACK = timedelta(minutes=15)
# Of Twilio's list, again: one message may be listed later than a younger one.
OVERLAP = timedelta(minutes=10)
# One answer of a provider is read up to 64 kB.
MOST_OF_TWILIO, MOST_OF_INFOBIP = 40, 20


@dataclass(frozen=True)
class Source:
    """Where answers wait to messages that these providers carried.

    `fetch` takes in what is new after the cursor, and returns the next one. It is asked each
    `soon` just after a message went out, and each `seldom` for the rest of a day.
    """

    name: str
    providers: tuple[str, ...]
    fetch: Callable[[str, Deadline, datetime], str]
    soon: timedelta
    seldom: timedelta


def sources() -> list[Source]:
    """Those that are set up."""
    if not settings.NOTIFICATION_SENDING_ENABLED:
        return []
    found = []
    if settings.NTFY_ACK_TOPIC:
        found.append(Source("ntfy", ("ntfy",), _from_ntfy, LOOK_EVERY, timedelta(minutes=1)))
    by_twilio = tuple(one for one in ("sms_twilio", "whatsapp_twilio") if can_be_answered(one))
    if not twilio.needs() and _senders():
        found.append(_source("twilio", by_twilio, _from_twilio, told=bool(twilio.status_url())))
    if not infobip.needs() and can_be_answered("sms_infobip"):
        told = bool(settings.INFOBIP_RECEIPT_TOKEN)
        found.append(_source("infobip", ("sms_infobip",), _from_infobip, told=told))
    return found


def _source(
    name: str,
    providers: tuple[str, ...],
    fetch: Callable[[str, Deadline, datetime], str],
    *,
    told: bool,
) -> Source:
    """One that can tell us is asked too, but seldom: nobody knows whether it was set up to."""
    soon, seldom = (60, 300) if told else (20, 120)
    return Source(name, providers, fetch, timedelta(seconds=soon), timedelta(seconds=seldom))


def ask_soon(now: datetime) -> int:
    """Have a worker look where it is time to; says how many tasks were queued."""
    if not is_due(now):
        return 0
    with transaction.atomic():
        return kick(TASK)


def is_due(now: datetime) -> bool:
    """Whether it is time to look anywhere; two short questions to the database at most."""
    wanted = [source for source, _ in _answerable(now)]
    if not wanted:
        return False
    known = dict(Inbox.objects.values_list("name", "next_at"))
    times = [known.get(source.name) for source in wanted]
    return any(at is None or at <= now or at > now + LOOK_EVERY for at in times)


def _answerable(now: datetime) -> list[tuple[Source, datetime]]:
    """The sources whose providers carried a message within a day, and when the last one went."""
    found = sources()
    names = {provider for source in found for provider in source.providers}
    if not names:
        return []
    states = ProviderState.objects.filter(provider__in=names, last_taken_at__gt=now - LATER)
    taken = dict(states.values_list("provider", "last_taken_at"))
    lasts = [(one, [at for name in one.providers if (at := taken.get(name))]) for one in found]
    return [(source, max(times)) for source, times in lasts if times]


def fetch(now: datetime, *, seconds: float) -> list[str]:
    """Ask whoever is to be asked now, for so long at most; says whom."""
    deadline, asked = Deadline(seconds), []
    for source, taken_at in _answerable(now):
        if deadline.is_over:
            break
        inbox = _taken(source, taken_at, now)
        if inbox is not None:
            asked.append(source.name)
            _fetch(source, inbox, deadline, now)
    return asked


def _taken(source: Source, taken_at: datetime, now: datetime) -> Inbox | None:
    """The inbox, if it is for us to ask now: by one UPDATE that only one of many can win."""
    defaults = {"next_at": now}
    inbox, _ = Inbox.objects.get_or_create(name=source.name, defaults=defaults)
    due = Q(next_at__lte=now) | Q(next_at__gt=now + LOOK_EVERY)
    mine = Inbox.objects.filter(due, pk=inbox.pk)
    if not mine.update(next_at=now + LOOK_EVERY):
        return None
    pause = source.soon if taken_at > now - AT_ONCE else source.seldom
    if inbox.failures:
        pause = min(pause * 2 ** min(inbox.failures, 8), max(pause, LONGEST_PAUSE))
    if inbox.asked_at is not None and timedelta(0) <= now - inbox.asked_at < pause:
        return None
    Inbox.objects.filter(pk=inbox.pk).update(asked_at=now)
    return inbox


def _fetch(source: Source, inbox: Inbox, deadline: Deadline, now: datetime) -> None:
    """Nothing is forgotten that could not be stored: the cursor stays where it was."""
    mine = Inbox.objects.filter(pk=inbox.pk)
    question = Deadline(min(LONGEST_QUESTION, max(0.1, deadline.remaining())))
    try:
        cursor = source.fetch(inbox.cursor, question, now)
    except SendError as error:
        if not inbox.failures:
            log.warning("answers cannot be fetched from %s: %s", source.name, error.text)
        failures = min(inbox.failures + 1, 1000)
        mine.update(failures=failures, last_error=error.text[:500])
    except Exception:
        log.exception("answers from %s could not be taken in", source.name)
    else:
        mine.update(cursor=cursor, failures=0, last_error="")


def _from_ntfy(cursor: str, deadline: Deadline, now: datetime) -> str:
    since = cursor or str(int((now - FIRST_LOOK_BACK).timestamp()))
    for posted in ntfy_answers.fetch(since, deadline):
        pressed.press(posted, now=now)
        cursor = posted.name
    return cursor


def _senders() -> list[str]:
    """Where people write to at Twilio; empty text: to any number of a service."""
    sms, whatsapp = settings.TWILIO_SMS_FROM, settings.TWILIO_WHATSAPP_FROM.rpartition(":")[2]
    found = [("" if SERVICE.fullmatch(sms) else sms)] if can_be_answered("sms_twilio") else []
    return [*found, f"whatsapp:{whatsapp}"] if whatsapp else found


def _from_twilio(cursor: str, deadline: Deadline, now: datetime) -> str:
    newest = datetime.fromisoformat(cursor) if cursor else now - FIRST_LOOK_BACK
    since = newest - OVERLAP
    found = [
        one
        for sender in _senders()
        for one in listed_by_twilio(
            twilio.listed(sender, since.astimezone(UTC).date(), MOST_OF_TWILIO, deadline)
        )
        if one.said_at is not None and one.said_at >= since
    ]
    inbound.receive(found, now=now)
    return max([newest, *(one.said_at for one in found if one.said_at)]).isoformat()


def _from_infobip(cursor: str, deadline: Deadline, now: datetime) -> str:
    """It gives each message out once, so none can be asked for again."""
    path = f"/sms/1/inbox/reports?limit={MOST_OF_INFOBIP}"
    answer = infobip.call("GET", path, deadline)
    if not answer.is_taken or "results" not in answer.json:
        raise infobip.refusal(answer)
    inbound.receive(of_infobip(answer.json), now=now)
    return cursor
