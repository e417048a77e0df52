"""What the worker calls for alert sources. A task names no alert: it takes what is due."""

from __future__ import annotations

import time
from datetime import timedelta

from django.utils import timezone

from alertsources import keeping, looking, silent
from alertsources.silences import LOOK_AGAIN
from incidents import rounds
from incidents import tasks as incident_tasks
from incidents.rounds import Job
from notifications.kicks import kick

JOBS = (
    *incident_tasks.JOBS,
    Job("payloads", timedelta(minutes=1), keeping.forget),
    Job("silent", timedelta(minutes=1), silent.tell_leads),
)

# No new batch is begun later than this after the task's start (seconds).
TAKE_FOR = 2.0


def look_again() -> None:
    """Judge alerts whose time has come; what they open pages by its own kicks."""
    started = time.monotonic()
    while time.monotonic() - started < TAKE_FOR:
        if not looking.look_again(timezone.now()):
            return
    if looking.count_due(timezone.now(), most=1):
        kick(LOOK_AGAIN)


def look_around() -> None:
    """Do what nothing but the time calls for, on this floor and below; asked by older workers."""
    rounds.make(JOBS, timezone.now())
