"""What must never be true of alerts; looked at because a page could be lost by it."""

from __future__ import annotations

from datetime import datetime

from alertsources.mail import liveness
from alertsources.models import Alert
from incidents.models import Incident


def health(now: datetime) -> list[str]:
    """Sentences of trouble; empty when all is well."""
    return [*_lost(), *liveness.troubles(now)]


def _lost() -> list[str]:
    lost = Alert.objects.firing().filter(
        incident__state=Incident.State.RESOLVED, answered_at__isnull=True
    )
    if count := lost.count():
        return [f"Alerts that fire in resolved incidents though nobody answered them: {count}."]
    return []
