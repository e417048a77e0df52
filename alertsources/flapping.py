"""What opens and closes again and again within minutes is held as one incident.

When its monitor ends an incident for the third time in a quarter of an hour, it stays open, marked
as flapping, and collects what comes; it is resolved when nothing of it has fired for ten minutes.
How often, how close together and how long are settings of the source.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Count
from django.db.models.functions import Coalesce

from alertsources.models import Alert, AlertSource, OpenGroup
from incidents import lifecycle, timeline
from incidents.lifecycle import Actor
from incidents.models import Incident, TimelineEntry
from schedules.transactions import repeat_on_conflict


def _in_words(span: timedelta) -> str:
    minutes = round(span.total_seconds() / 60)
    return f"{minutes} minute{'s' if minutes != 1 else ''}"


def holds(incident: Incident, source: AlertSource, *, now: datetime) -> bool:
    """Whether this incident, whose last alert has just ended, is to stay open; if so it is marked.

    The row is locked. Switched off for a source by 0 times.
    """
    if incident.is_test or not source.flapping_times:
        return False
    groups = OpenGroup.objects.filter(incident=incident)
    known = list(groups.values_list("digest", "flapping_since"))
    is_marked = any(since for _, since in known)
    if not is_marked and not _is_flapping([digest for digest, _ in known], source, now):
        return False
    quiet_for = source.flapping_quiet_for
    groups.update(look_at=now + quiet_for, flapping_since=Coalesce("flapping_since", now))
    if not is_marked:
        text = (
            f"Flapping: it opened and closed {source.flapping_times} times "
            f"within {_in_words(source.flapping_within)}. "
            f"It stays open until it has been quiet for {_in_words(quiet_for)}."
        )
        timeline.write(incident, TimelineEntry.Kind.NOTE, text, at=now, via="monitor")
        incident.save(update_fields=["revision"])
    return True


def _is_flapping(digests: list[str], source: AlertSource, now: datetime) -> bool:
    """Whether one of the groups' alerts ended so often that it began so often of late."""
    past = Alert.objects.filter(
        group_digest__in=digests,
        status=Alert.Status.RESOLVED,
        first_at__gt=now - source.flapping_within,
    )
    counted = past.order_by().values("key").annotate(times=Count("pk"))
    return counted.filter(times__gte=source.flapping_times).exists()


def is_flapping(incident: Incident) -> bool:
    return incident.open_groups.filter(flapping_since__isnull=False).exists()


def settle_due(now: datetime) -> int:
    """Resolve one held incident that has been quiet; says how many were due, at most one."""
    due = OpenGroup.objects.filter(look_at__lte=now).order_by("look_at", "pk")
    first = due.values_list("incident_id").first()
    if first is None:
        return 0

    def attempt() -> None:
        with transaction.atomic():
            incident = Incident.objects.select_for_update(no_key=True).get(pk=first[0])
            groups = OpenGroup.objects.filter(incident=incident, look_at__lte=now)
            group = groups.select_related("source").first()
            if group is None:  # a post or another worker was faster
                return
            groups.update(look_at=None)
            if incident.is_open and not incident.alerts.firing().exists():
                quiet = f"PagerPal: quiet for {_in_words(group.source.flapping_quiet_for)}"
                by = Actor(None, quiet, "monitor")
                lifecycle.resolve_locked(incident, by, by_monitor=True, now=now)

    repeat_on_conflict(attempt)
    return 1
