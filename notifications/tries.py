"""How often a message is tried, with what pauses, and which page is never given up; no writing."""

from __future__ import annotations

import random
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q

from notifications import providers
from notifications.models import FULL_TRIES, TAKEN, UNFINISHED, Notification, Urgency

Purpose = Notification.Purpose

# After the first, second ... failed try.
PAUSES = (5.0, 20.0, 60.0, 180.0)
# Of a page while nothing about its incident has reached anybody: a provider that works again must
# not be found out minutes later.
LAST_HOPE_EVERY = timedelta(seconds=60)
TRY_FOR = timedelta(minutes=10)
# What is said once, and not to wake anybody, is tried with patience for as long as it is true.
PATIENT_PAUSE = timedelta(minutes=15)


def is_exhausted(mine: Notification, next_try_at: datetime) -> bool:
    if mine.void_at is not None:
        return next_try_at >= mine.void_at
    began = mine.first_tried_at or next_try_at
    return mine.attempts >= FULL_TRIES or next_try_at - began >= TRY_FOR


def pause(mine: Notification, retry_after: float | None) -> timedelta:
    """Growing, and not the same for all: a provider that comes back is not stormed."""
    if retry_after is not None:
        return timedelta(seconds=retry_after * random.uniform(1.0, 1.1))  # noqa: S311
    rounds = -(-max(mine.attempts, 1) // len(providers.order(mine.channel)))
    planned = PAUSES[min(rounds, len(PAUSES)) - 1]
    if mine.is_said_once and mine.attempts >= FULL_TRIES:
        planned = PATIENT_PAUSE.total_seconds()
    elif planned > LAST_HOPE_EVERY.total_seconds() and _is_only_hope(mine):
        planned = LAST_HOPE_EVERY.total_seconds()
    return timedelta(seconds=planned * random.uniform(0.8, 1.2))  # noqa: S311


def _is_only_hope(mine: Notification) -> bool:
    if mine.purpose != Purpose.PAGE or mine.context.get("urgency") != Urgency.HIGH:
        return False
    return mine.user_id is not None and not _pages_beside(mine).taken().exists()


def is_last_hope(mine: Notification) -> bool:
    """Whether this is a page of high urgency that no other message of its thread stands in for.

    Of several to the same address one goes on. Once in its last tries, only a page that a
    provider took ends them.
    """
    facts = mine.context
    if mine.purpose != Purpose.PAGE or facts.get("urgency") != Urgency.HIGH or "again_by" in facts:
        return False
    if mine.user_id is None:
        return False  # a room wakes nobody
    instead = Q(state__in=TAKEN)
    if mine.attempts <= FULL_TRIES:
        unfinished = Q(state__in=UNFINISHED)
        instead |= unfinished & Q(attempts__lt=FULL_TRIES)
        instead |= unfinished & Q(channel=mine.channel, address=mine.address)
    return not _pages_beside(mine).filter(instead).exists()


def is_needless(mine: Notification) -> bool:
    """Whether a claimed row was in its last tries and another page has been taken since."""
    return (
        mine.purpose == Purpose.PAGE
        and mine.attempts > FULL_TRIES
        and "again_by" not in mine.context
        and _pages_beside(mine).taken().exists()
    )


def _pages_beside(mine: Notification) -> Any:
    """Those to people: what a room was told has reached nobody."""
    pages = Notification.objects.filter(thread=mine.thread, purpose=Purpose.PAGE)
    return pages.filter(user__isnull=False).exclude(pk=mine.pk)


def goes_on(row: Notification) -> bool:
    """Whether ten minutes of trouble are no reason to give it up: see `is_exhausted`."""
    return row.attempts >= FULL_TRIES or row.is_said_once
