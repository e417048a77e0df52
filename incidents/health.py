"""What is wrong with paging, as far as incidents show it."""

from __future__ import annotations

from datetime import datetime

from django.db.models import Q

from incidents.models import Incident


def health(now: datetime) -> list[str]:
    """Sentences of trouble; empty when all is well. For the verdict of /health."""
    troubles = []
    failed = Incident.objects.open().filter(planning_failed_at__isnull=False)
    if ids := list(failed.values_list("pk", flat=True)[:5]):
        troubles.append(f"Planning failed for {_numbers(ids)}: see the worker's log.")
    # Two queries, as each has an index of its own, which no order must talk SQLite out of.
    incidents = Incident.objects.order_by()
    clockless = incidents.open().filter(_CLOCKLESS).values_list("pk", flat=True)
    ticking = incidents.filter(_TICKING_THOUGH_ANSWERED).values_list("pk", flat=True)
    if ids := sorted({*clockless[:5], *ticking[:5]}, reverse=True)[:5]:
        troubles.append(f"The escalation clock of {_numbers(ids)} contradicts its state.")
    return troubles


# What the database's own constraints forbid; a row that does it came in around them.
_CLOCKLESS = Q(state="triggered", escalate_at__isnull=True) & ~Q(urgency="none")
_TICKING_THOUGH_ANSWERED = Q(escalate_at__isnull=False) & ~Q(state="triggered")


def _numbers(ids: list[int]) -> str:
    return ", ".join(f"#{pk}" for pk in ids)
