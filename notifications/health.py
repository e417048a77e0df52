"""What is wrong with sending, as far as the rows show it."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.conf import settings
from django.db.models import Count, Min, Q

from notifications.channels.base import missing_for, providers_of, remedy
from notifications.models import TAKEN, ContactMethod, Notification, ProviderState

# What is due and nobody has touched for this long will not go out by itself.
LATE_AFTER = timedelta(minutes=2)
# From how many tries in vain it follows that nothing goes out; how far back they are looked for.
TRIES_THAT_SAY = 3
LATELY, LOOKED_AT = timedelta(hours=1), 50
NOT_TAKEN = (Notification.State.PENDING, Notification.State.FAILED)


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
    if settings.NOTIFICATION_SENDING_ENABLED:
        troubles += _without_provider() or _refused_everywhere(now)
    return troubles


def _count(messages: int) -> str:
    return "1 message" if messages == 1 else f"{messages} messages"


def _without_provider() -> list[str]:
    """Of all the ways to people none is set up, or none answers."""
    used = set(
        ContactMethod.objects.filter(is_on=True, user__is_active=True)
        .order_by()
        .values_list("channel", flat=True)
        .distinct()
    )
    ways = {one.slug for kind in used for one in providers_of(kind)}
    if used and not ways:
        kind = min(used, key=lambda one: len(missing_for(one)))
        return [f"No message can go out: {remedy(missing_for(kind))} for {kind}."]
    silent = ProviderState.objects.filter(probe_at__isnull=False, provider__in=ways)
    if ways and ways == set(silent.values_list("provider", flat=True)):
        return [f"No provider answers: {', '.join(sorted(ways))}."]
    return []


def _refused_everywhere(now: datetime) -> list[str]:
    """What was tried lately, and not one of it was taken: the next page would fare no better.

    A few tries say nothing, nor does one address however often it was tried: it may be wrong. One
    message that is taken ends it, and so does an hour in which nothing was tried.
    """
    columns = "state", "attempts", "created_at", "channel", "address"
    newest = Notification.objects.filter(user__isnull=False).order_by("-pk")
    rows = [
        row
        for row in newest.values(*columns)[:LOOKED_AT]
        if row["attempts"] and row["created_at"] > now - LATELY
    ]
    if any(row["state"] in TAKEN for row in rows):
        return []
    failed = [row for row in rows if row["state"] in NOT_TAKEN]
    addresses = {(row["channel"], row["address"]) for row in failed}
    if len(addresses) < 2 or sum(row["attempts"] for row in failed) < TRIES_THAT_SAY:
        return []
    # Anybody may read this: a provider's words may name addresses.
    tried = _count(len(failed))
    return [f"No provider takes anything: {tried} tried lately, in vain; /settings says why."]
