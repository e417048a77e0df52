"""The rounds: jobs that nothing but the time calls for, each done by one worker of all.

A job looks at the tables and does what is due by now, so that doing it late or twice harms nobody.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import connection
from django.db.models import Q

from incidents.models import Round

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Job:
    """`do` is called at most once in `every`, whichever worker is first."""

    name: str
    every: timedelta
    do: Callable[[datetime], object]


def make(jobs: tuple[Job, ...], now: datetime) -> list[str]:
    """Do what is due of these jobs; says their names. One that fails keeps no other from it."""
    known = dict(Round.objects.values_list("name", "next_at"))
    done = []
    for job in jobs:
        if _is_due(job, known.get(job.name), now) and _do(job, now):
            done.append(job.name)
    return done


def _is_due(job: Job, next_at: datetime | None, now: datetime) -> bool:
    # Further off than it can be: the clock was set back.
    return next_at is None or next_at <= now or next_at > now + job.every


def _do(job: Job, now: datetime) -> bool:
    try:
        if not _take(job, now):
            return False
        job.do(now)
    except Exception:
        log.exception("round %s failed", job.name)
        if not connection.in_atomic_block:
            connection.close_if_unusable_or_obsolete()
        return False
    return True


def _take(job: Job, now: datetime) -> bool:
    """Whether it is this worker's turn: by one UPDATE that only one of many can win."""
    next_at = now + job.every
    due = Q(next_at__lte=now) | Q(next_at__gt=next_at)
    if Round.objects.filter(due, name=job.name).update(next_at=next_at):
        return True
    return Round.objects.get_or_create(name=job.name, defaults={"next_at": next_at})[1]
