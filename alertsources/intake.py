"""Takes a request in for good: its raw body, its alerts and what follows, in one transaction.

What follows is decided in admission; here is what makes it safe: tried again when another request
was faster, each alert by itself when the whole fails, and in doubt a page.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import partial
from typing import TypeVar

from django.db import IntegrityError, OperationalError, transaction
from django.db.models import F

from alertsources.admission import Admission, Overtaken, admit_new, admit_repeats
from alertsources.cleaning import CleanAlert, one_line
from alertsources.gathering import Gathering
from alertsources.judging import judge
from alertsources.meeting import known, unmet
from alertsources.models import AlertSource, ReceivedMail, ReceivedPayload
from alertsources.reading import unreadable
from incidents.models import EscalationPolicy
from schedules.inserts import insert
from schedules.transactions import repeat_on_conflict

logger = logging.getLogger(__name__)
Result = ReceivedPayload.Result
Fact = TypeVar("Fact")

# Two requests that race for one group collide once; more only under a storm of them.
TRIES = 10


@dataclass(frozen=True)
class Delivery:
    """One request: who sent it, the bytes as they came, and what was read in them."""

    source: AlertSource
    body: bytes
    alerts: list[CleanAlert]
    policy: EscalationPolicy | None = None
    content_type: str = ""
    # What could not be read; the alert that says so is among the alerts.
    troubles: list[str] = field(default_factory=list)
    # What else the sender should know.
    notes: list[str] = field(default_factory=list)
    # Of a mail: the row, written in the same transaction, that makes it count once.
    mail: ReceivedMail | None = None
    # The stored message whose body this is, taken in once more.
    again: ReceivedPayload | None = None
    # Made here, by somebody who tries the source out.
    is_test: bool = False


@dataclass(frozen=True)
class Taken:
    """What became of a request that is stored."""

    result: str
    incidents: list[int]
    note: str


def take(delivery: Delivery, *, now: datetime) -> Taken:
    """Store the request and all that follows from it; when this returns, it is committed.

    A failure nobody thought of costs only the alerts that cause it, and those are paged as
    unreadable. A database that cannot work raises OperationalError: the sender has to come again.
    """
    delivery = replace(delivery, alerts=_judged(delivery, now))
    is_small = len(delivery.alerts) <= MOST_ALERTS and not delivery.mail
    if is_small and (taken := _together.join((delivery, now))):
        return taken
    try:
        return persist(partial(_store, delivery, now=now))
    except OperationalError:
        raise
    except Exception:
        logger.exception("Intake failed for source %s; each alert alone now", delivery.source.pk)
    return _take_one_by_one(delivery, now=now)


def _judged(delivery: Delivery, now: datetime) -> list[CleanAlert]:
    """What silences and rules say, read before the transaction, which should be short."""
    return repeat_on_conflict(lambda: judge(delivery.alerts, delivery.source, now=now))


def _take_together(waiting: Sequence[tuple[Delivery, datetime]]) -> list[Taken | None]:
    """Store those that only bring news, or only repeat, in one transaction; None for the others.

    Whatever goes wrong is left to each request by itself, with all that it takes.
    """
    deliveries = [delivery for delivery, _ in waiting]
    try:
        met = known([alert for delivery in deliveries for alert in delivery.alerts])
        return _store_together(deliveries, met, now=max(now for _, now in waiting))
    except Exception as error:
        logger.info("Not stored together, so each alone: %s", error)
        return [None] * len(waiting)


def _store_together(
    deliveries: list[Delivery], met: dict[str, set[int]], *, now: datetime
) -> list[Taken | None]:
    news = unmet([delivery.alerts for delivery in deliveries], met)
    requests = [(Admission(one.source, one.policy, now=now), one.alerts) for one in deliveries]
    new = [request for request, is_new in zip(requests, news, strict=True) if is_new]
    others = [request for request, is_new in zip(requests, news, strict=True) if not is_new]
    with transaction.atomic(durable=True):
        repeats = iter(admit_repeats(others, met))
        stored = [is_new or next(repeats) for is_new in news]
        admit_new(new, now=now)
        told = [
            _told(one, admission) if is_stored else None
            for one, (admission, _), is_stored in zip(deliveries, requests, stored, strict=True)
        ]
        insert(
            *(
                _payload(one, taken, now)
                for one, taken in zip(deliveries, told, strict=True)
                if taken
            )
        )
    return told


# What a request may bring to be stored with others, and how many requests wait for each other.
MOST_ALERTS, MOST_REQUESTS = 20, 8
_together = Gathering(_take_together, most=MOST_REQUESTS)


def _take_one_by_one(delivery: Delivery, *, now: datetime) -> Taken:
    """Every alert in a transaction of its own; should the sender come again, it only counts."""
    incidents: list[int] = []
    troubles = list(delivery.troubles)
    for alert in delivery.alerts:
        try:
            incidents += persist(partial(_admit_alone, delivery, alert, now=now))
        except OperationalError:
            raise
        except Exception as error:
            logger.exception("An alert of source %s cannot be stored", delivery.source.pk)
            troubles.append(f"it could not be stored ({type(error).__name__}): {alert.title}")
    alerts = []
    if troubles:
        alerts.append(unreadable(delivery.source, delivery.body, why=troubles, now=now))
    rest = replace(delivery, alerts=alerts, troubles=troubles)
    taken = persist(partial(_store, rest, now=now))
    return replace(taken, incidents=sorted({*incidents, *taken.incidents}))


def _admit_alone(delivery: Delivery, alert: CleanAlert, *, now: datetime) -> list[int]:
    with transaction.atomic(durable=True):
        admission = Admission(delivery.source, delivery.policy, now=now)
        admission.run([alert])
    return admission.met


def _store(delivery: Delivery, *, now: datetime) -> Taken:
    with transaction.atomic(durable=True):
        if delivery.mail and _came_before(delivery.mail):
            return Taken(Result.NOTHING, [], "This mail came before: it counts once.")
        admission = Admission(delivery.source, delivery.policy, now=now)
        admission.run(delivery.alerts)
        taken = _told(delivery, admission)
        insert(_payload(delivery, taken, now))
        if delivery.mail:  # should another machine be as fast, one of us is refused and comes again
            insert(delivery.mail)
    return taken


def _came_before(mail: ReceivedMail) -> bool:
    known = ReceivedMail.objects.filter(digest=mail.digest)
    return bool(known.update(repeats=F("repeats") + 1))


def _payload(delivery: Delivery, taken: Taken, now: datetime) -> ReceivedPayload:
    return ReceivedPayload(
        source=delivery.source,
        received_at=now,
        content_type=one_line(delivery.content_type, 100),
        body=delivery.body,
        result=taken.result,
        note=one_line(taken.note, 500),
        incident_id=taken.incidents[0] if taken.incidents else None,
        reprocessed_from=delivery.again,
        is_test=delivery.is_test,
    )


def _told(delivery: Delivery, admission: Admission) -> Taken:
    """What the sender is told, and what is kept beside the raw body."""
    result, done = Result.TAKEN, admission.in_words()
    if delivery.troubles:
        result = Result.UNREADABLE
    elif not done:
        result, done = Result.NOTHING, "Nothing to do: no alert in it is known to fire."
    notes = list(delivery.notes)
    notes += [f"Not understood: {trouble}." for trouble in delivery.troubles[:3]]
    notes += sorted({alert.note for alert in delivery.alerts if alert.note})[:3]
    return Taken(result, admission.met, " ".join([*notes, done]))


def persist(attempt: Callable[[], Fact]) -> Fact:
    """The result of a whole transaction, tried again when another one got in its way."""
    for number in range(1, TRIES + 1):
        try:
            return repeat_on_conflict(attempt)
        except (Overtaken, IntegrityError):
            if number == TRIES:
                raise
            time.sleep(random.uniform(0, 0.01 * number))  # noqa: S311
    raise AssertionError("unreachable")
