"""The figures of many incidents whose next step is due in the same second."""

from __future__ import annotations

import time
from collections import Counter
from datetime import datetime, timedelta

from pagerpal.bench.site import Figure, percentile, phone, prepare, served

# Time to write them all before the first is due.
AHEAD = timedelta(seconds=6)
PATIENCE = 60.0


def measure(port: int, incidents: int) -> list[Figure]:
    """On the database of the environment, which is fresh; the teams share them evenly."""
    prepare()
    with phone() as (_, address), served(port, NTFY_BASE_URL=address):
        due_at = _write(incidents)
        seconds = _until_all_are_planned(due_at)
        return _figures(due_at, incidents, seconds)


def _write(incidents: int) -> datetime:
    """Incidents that wait for their second step, written while the worker runs; when it is due."""
    from django.utils import timezone

    from incidents.models import EscalationStep, Incident

    now = timezone.now()
    due_at = now + AHEAD
    steps = list(EscalationStep.objects.filter(position=1).select_related("policy"))
    rows = []
    for number in range(incidents):
        step = steps[number % len(steps)]
        rows.append(
            Incident(
                team_id=step.policy.team_id,
                policy=step.policy,
                title=f"Disk full on db-{number}",
                opened_at=now,
                round_started_at=now,
                next_step_id=step.pk,
                next_position=1,
                escalate_at=due_at,
            )
        )
    Incident.objects.bulk_create(rows, batch_size=100)
    return due_at


def _until_all_are_planned(due_at: datetime) -> float:
    """Seconds from when they were due until the last plan was stored; at most a minute."""
    from incidents.models import Incident

    ends = due_at.timestamp() + PATIENCE
    while time.time() < ends:
        waiting = Incident.objects.filter(escalate_at=due_at)
        if time.time() > due_at.timestamp() and not waiting.exists():
            break
        time.sleep(0.1)
    return time.time() - due_at.timestamp()


def _figures(due_at: datetime, incidents: int, seconds: float) -> list[Figure]:
    from django.db import connections

    from incidents.models import Page

    pages = list(Page.objects.values_list("incident", "created_at"))
    connections.close_all()
    begun = [(created - due_at).total_seconds() for _, created in pages]
    times = Counter(incident for incident, _ in pages)
    what = f"of {incidents:,} incidents due in one second"
    return [
        Figure(f"last plan stored, {what}", f"{seconds:.1f} s", "within 10 s"),
        Figure("plans begun after, p50", f"{percentile(begun, 50):.1f} s"),
        Figure("of them planned", f"{len(times):,} of {incidents:,}", "all"),
        Figure("planned early", str(sum(one < 0 for one in begun)), "none"),
        Figure("planned twice", str(sum(count > 1 for count in times.values())), "none"),
    ]
