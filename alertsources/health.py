"""What must never be true of alerts; looked at because a page could be lost by it."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Exists, OuterRef

from alertsources import looking
from alertsources.mail import liveness
from alertsources.models import Alert
from incidents.models import Incident

# The sweep looks twice a second.
OVERDUE_AFTER = timedelta(minutes=2)


def health(now: datetime) -> list[str]:
    """Sentences of trouble; empty when all is well."""
    return [*_lost(), *_overdue(now), *liveness.troubles(now)]


def _overdue(now: datetime) -> list[str]:
    if not settings.ESCALATION_WORKER_ENABLED:
        return []  # somebody wants them to wait
    if count := looking.count_due(now - OVERDUE_AFTER):
        return [f"Alerts that wait to be judged anew although it is time: {count}."]
    return []


def _lost() -> list[str]:
    # From the alerts on, which are few, and never from all that was ever resolved.
    over = Incident.objects.filter(pk=OuterRef("incident"), state=Incident.State.RESOLVED)
    lost = Alert.objects.firing().filter(Exists(over), answered_at__isnull=True)
    if count := lost.count():
        return [f"Alerts that fire in resolved incidents though nobody answered them: {count}."]
    return []
