"""What is wrong with paging, as far as incidents show it."""

from __future__ import annotations

from datetime import datetime

from django.db.models import Q

from incidents.models import Incident, IncidentQuerySet


def health(now: datetime) -> list[str]:
    """Sentences of trouble; empty when all is well. For the verdict of /health."""
    troubles = []
    failed = Incident.objects.open().filter(planning_failed_at__isnull=False)
    if ids := list(failed.values_list("pk", flat=True)[:5]):
        troubles.append(f"Planning failed for {_numbers(ids)}: see the worker's log.")
    if ids := violating():
        troubles.append(f"The escalation clock of {_numbers(ids)} contradicts its state.")
    return troubles


def violating() -> list[int]:
    """The newest incidents that no constraint of the database would have let in; at most 5."""
    # Two queries, as each has an index of its own, which no order must talk SQLite out of.
    found = [rows.values_list("pk", flat=True)[:5] for rows in _violations()]
    return sorted({pk for pks in found for pk in pks}, reverse=True)[:5]


def count_violations() -> int:
    return sum(rows.count() for rows in _violations())


def _violations() -> list[IncidentQuerySet]:
    incidents = Incident.objects.order_by()
    return [incidents.open().filter(_CLOCKLESS), incidents.filter(_TICKING_THOUGH_ANSWERED)]


# What the database's own constraints forbid; a row that does it came in around them.
_CLOCKLESS = Q(state="triggered", escalate_at__isnull=True) & ~Q(urgency="none")
_TICKING_THOUGH_ANSWERED = Q(escalate_at__isnull=False) & ~Q(state="triggered")


def _numbers(ids: list[int]) -> str:
    return ", ".join(f"#{pk}" for pk in ids)
