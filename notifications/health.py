"""What is wrong with sending, as far as the rows show it."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings

from notifications.models import ContactMethod, Notification, ProviderState

# What is due and nobody has touched for this long will not go out by itself.
LATE_AFTER = timedelta(minutes=2)


def health(now: datetime) -> list[str]:
    """Sentences of trouble; empty when a page would go out, or is held by a setting."""
    troubles = []
    late = Notification.objects.due(now - LATE_AFTER)
    if settings.NOTIFICATION_RETRY_WORKER_ENABLED and (oldest := late.order_by("due_at").first()):
        troubles.append(
            f"Nobody sends what is due: {_count(late.count())}, the oldest since "
            f"{oldest.due_at:%Y-%m-%d %H:%M} UTC. Is the worker running?"
        )
    if hanging := Notification.objects.lapsed(now - LATE_AFTER).count():
        troubles.append(f"A worker has died and nobody takes over its work: {_count(hanging)}.")
    if settings.NOTIFICATION_SENDING_ENABLED and (silent := _silent_providers()):
        troubles.append(f"No provider answers: {', '.join(silent)}.")
    return troubles


def _count(messages: int) -> str:
    return "1 message" if messages == 1 else f"{messages} messages"


def _silent_providers() -> list[str]:
    """The providers with an open breaker, if no other one is in use."""
    used = set(
        ContactMethod.objects.filter(is_on=True, user__is_active=True)
        .order_by()
        .values_list("channel", flat=True)
        .distinct()
    )
    silent = set(
        ProviderState.objects.filter(probe_at__isnull=False).values_list("provider", flat=True)
    )
    return sorted(silent & used) if used and used <= silent else []
