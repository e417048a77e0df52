"""Which provider of a kind carries a message next."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime

from django.db.models import Q

from notifications.channels.base import Channel, providers_of, registry
from notifications.models import DeliveryEvent, Notification, ProviderState


def order(kind: str) -> list[str]:
    """The names of the providers of this kind, in the order of attempts.

    That of the kind itself where none is set up, so that the attempt can say what is missing.
    """
    return [one.slug for one in providers_of(kind)] or [kind]


def channel_of(provider: str) -> Channel:
    """The code that calls it; the same for `webhook@a.example` and `webhook@b.example`."""
    return registry[provider.partition("@")[0]]


def kind_carried_by(provider: str) -> str:
    channel = registry.get(provider.partition("@")[0])
    return channel.kind if channel else provider


def _the_one(candidate: str, wanted: str) -> str:
    """Of a kind with one provider: that, or the host of it that is wanted."""
    return wanted if wanted.partition("@")[0] == candidate else candidate


def choose(kind: str, wanted: str, now: datetime) -> str:
    """The provider to try: `wanted`, or the first after it that is known to answer.

    When all are silent, the one whose probe comes first.
    """
    candidates = order(kind)
    if len(candidates) == 1:
        return _the_one(candidates[0], wanted)
    start = candidates.index(wanted) if wanted in candidates else 0
    candidates = candidates[start:] + candidates[:start]
    probes = _probes(candidates)
    answering = [one for one in candidates if one not in probes or probes[one] <= now]
    return answering[0] if answering else min(candidates, key=lambda one: probes[one])


def _probes(candidates: Iterable[str]) -> dict[str, datetime]:
    """When the next probe of those may go that do not answer."""
    silent = ProviderState.objects.filter(provider__in=candidates, probe_at__isnull=False)
    return {one.provider: one.probe_at for one in silent if one.probe_at}


def at_once_after(row: Notification) -> str:
    """Another provider to try now that this one has failed; empty when there is none.

    Those before it in the order have had their turn, and one that is silent would only take time.
    """
    candidates = order(row.channel)
    if row.provider not in candidates or row.provider == candidates[-1]:
        return ""
    left = candidates[candidates.index(row.provider) + 1 :]
    useless = _probes(left).keys() | _refused(row)
    return next((one for one in left if one not in useless), "")


def in_a_while_after(row: Notification, *, refused: bool) -> str:
    """The provider for the next try after a pause; empty when all have refused for good."""
    candidates = order(row.channel)
    if len(candidates) == 1:
        return "" if refused else _the_one(candidates[0], row.provider)
    useless = _refused(row) | ({row.provider} if refused else set())
    return next((one for one in candidates if one not in useless), "")


def in_turn(row: Notification) -> str:
    """The provider after this one, the first again after the last."""
    candidates = order(row.channel)
    if row.provider not in candidates:
        return _the_one(candidates[0], row.provider)
    return candidates[(candidates.index(row.provider) + 1) % len(candidates)]


def _refused(row: Notification) -> set[str]:
    """Providers that will never take this message."""
    events = DeliveryEvent.objects.filter(notification=row, kind=DeliveryEvent.Kind.REFUSED)
    return set(events.values_list("provider", flat=True))


def waiting_for(providers: set[str], now: datetime) -> Q:
    """Messages that would go to one of these."""
    kinds = {kind_carried_by(one) for one in providers}
    first = [kind for kind in kinds if choose(kind, "", now) in providers]
    return Q(provider__in=providers) | Q(provider="", channel__in=first)
