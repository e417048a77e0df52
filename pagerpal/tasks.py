"""The rounds of the whole house, on top of those of the floors below; made by `aside`."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from alertsources import tasks as below
from incidents import rounds
from incidents.rounds import Job
from pagerpal import forgetting
from pagerpal.sqlite import index_counts

JOBS = (
    *below.JOBS,
    Job("history", timedelta(minutes=1), forgetting.forget),
    Job("history anew", timedelta(days=1), forgetting.start_anew),
    Job("index counts", timedelta(days=1), index_counts.renew),
)


def look_around() -> None:
    """Do what nothing but the time calls for."""
    rounds.make(JOBS, timezone.now())
