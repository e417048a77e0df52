"""What is wrong with sending, as far as the rows show it."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Count, Min, Q

from notifications import providers
from notifications.models import ContactMethod, Notification, ProviderState

# What is due and nobody has touched for this long will not go out by itself.
LATE_AFTER = timedelta(minutes=2)


def health(now: datetime) -> list[str]:
    """Sentences of trouble; empty when a page would go out, or is held by a setting."""
    troubles = []
    limit = now - LATE_AFTER
    late = Q(state=Notification.State.PENDING, due_at__lte=limit)
    lapsed = Q(state=Notification.State.SENDING, lease_until__lt=limit)
    found = Notification.objects.filter(late | lapsed).aggregate(
        late=Count("pk", filter=late),
        oldest=Min("due_at", filter=late),
        lapsed=Count("pk", filter=lapsed),
    )
    if settings.NOTIFICATION_RETRY_WORKER_ENABLED and found["late"]:
        troubles.append(
            f"Nobody sends what is due: {_count(found['late'])}, the oldest since "
            f"{found['oldest']:%Y-%m-%d %H:%M} UTC. Is the worker running?"
        )
    if found["lapsed"]:
        troubles.append(
            f"A worker has died and nobody takes over its work: {_count(found['lapsed'])}."
        )
    if settings.NOTIFICATION_SENDING_ENABLED and (silent := _silent_providers()):
        troubles.append(f"No provider answers: {', '.join(silent)}.")
    return troubles


def _count(messages: int) -> str:
    return "1 message" if messages == 1 else f"{messages} messages"


def _silent_providers() -> list[str]:
    """The providers with an open breaker, if there is no other way to anybody."""
    used = set(
        ContactMethod.objects.filter(is_on=True, user__is_active=True)
        .order_by()
        .values_list("channel", flat=True)
        .distinct()
    )
    silent = set(
        ProviderState.objects.filter(probe_at__isnull=False).values_list("provider", flat=True)
    )
    ways = {provider for kind in used for provider in providers.order(kind)}
    return sorted(ways) if ways and ways <= silent else []
