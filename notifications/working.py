"""How people's addresses fare: which work, which fail, and who could not be reached at all."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.db.models import Count, F, OuterRef, Q, Subquery
from django.dispatch import receiver

from notifications.channels.base import kind_of, missing_for, remedy
from notifications.models import ContactMethod, Notification
from schedules.signals import people_shown

State = Notification.State

NONE = "has no contact method that is on"
FAILING = "has only contact methods that fail"
# What ends as failed without saying anything about the address.
BLAMELESS = Q(outcome__endswith=" switched off") | Q(outcome__startswith="not needed: ")


@dataclass(frozen=True)
class Standing:
    """One address with what became of the last messages to it."""

    method: ContactMethod
    label: str
    missing: str  # settings without which nothing of its kind goes out
    last_at: datetime | None = None
    last_state: str = ""
    words: str = ""  # the provider's, of the last failure
    failures: int = 0  # in a row, up to now

    @property
    def is_failing(self) -> bool:
        return self.failures > 0

    @property
    def works(self) -> bool:
        """As far as anybody knows: on, set up, and its last message did not fail."""
        return self.method.is_on and not self.missing and not self.is_failing


def standings(methods: Iterable[ContactMethod]) -> list[Standing]:
    """How each of these addresses fares, in their order; in two queries."""
    listed = list(methods)
    taken = _settled(State.SENT, State.DELIVERED)
    failed = _settled(State.FAILED).filter(attempts__gt=0)
    found = ContactMethod.objects.filter(pk__in=[one.pk for one in listed]).annotate(
        taken_pk=Subquery(taken.values("pk")[:1]),
        taken_at=Subquery(taken.values("settled_at")[:1]),
        taken_state=Subquery(taken.values("state")[:1]),
        failed_pk=Subquery(failed.values("pk")[:1]),
        failed_words=Subquery(failed.values("outcome")[:1]),
    )
    columns = "pk", "taken_pk", "taken_at", "taken_state", "failed_pk", "failed_words"
    facts = {row["pk"]: row for row in found.values(*columns)}
    failures = _failures_in_a_row(facts.values())
    return [_standing(one, facts.get(one.pk, {}), failures.get(one.pk, 0)) for one in listed]


def _settled(*states: str) -> Any:
    """The messages that ended so at an address as it is spelt now, the last first."""
    rows = Notification.objects.filter(
        contact_method=OuterRef("pk"), address=OuterRef("address"), state__in=states
    )
    return rows.exclude(BLAMELESS).order_by("-pk")


def _failures_in_a_row(facts: Iterable[dict[str, Any]]) -> dict[int, int]:
    """Since the last message that was taken."""
    which = Q(pk__in=[])
    for row in facts:
        if (row["failed_pk"] or 0) > (row["taken_pk"] or 0):
            which |= Q(contact_method=row["pk"], pk__gt=row["taken_pk"] or 0)
    rows = Notification.objects.filter(
        which, state=State.FAILED, attempts__gt=0, address=F("contact_method__address")
    )
    counted = rows.exclude(BLAMELESS).order_by().values_list("contact_method")
    return dict(counted.annotate(number=Count("pk")))


def _standing(method: ContactMethod, row: dict[str, Any], failures: int) -> Standing:
    kind = kind_of(method.channel)
    return Standing(
        method=method,
        label=kind.label if kind else method.channel,
        missing=missing(method.channel),
        last_at=row.get("taken_at"),
        last_state=row.get("taken_state") or "",
        words=row.get("failed_words") or "" if failures else "",
        failures=failures,
    )


def missing(kind: str) -> str:
    """What is to be set before this kind can be used; in safe mode nothing has to be."""
    known = kind_of(kind)
    if known is None:
        return f"PagerPal has no channel called {kind}"
    if not settings.NOTIFICATION_SENDING_ENABLED:
        return ""
    names = missing_for(kind)
    return f"{known.label} is off here: {remedy(names)}" if names else ""


def without_way(user_ids: Collection[int]) -> dict[int, str]:
    """Those whom nothing would reach now, each with why, to follow their name; in one query.

    For whoever looks, not for the planner: it tries a failing address all the same.
    """
    last = _settled(State.SENT, State.DELIVERED, State.FAILED).values("state")[:1]
    rows = ContactMethod.objects.filter(user__in=user_ids, is_on=True).annotate(
        last_state=Subquery(last)
    )
    reasons: dict[int, str] = {}
    working: set[int] = set()
    for user_id, channel, last_state in rows.values_list("user_id", "channel", "last_state"):
        lacks = missing(channel)
        if not lacks and last_state != State.FAILED:
            working.add(user_id)
        # One that fails was set up once, so it says more than one that never was.
        elif not lacks:
            reasons[user_id] = FAILING
        else:
            reasons.setdefault(user_id, f"cannot be reached: {lacks}")
    return {pk: reasons.get(pk, NONE) for pk in user_ids if pk not in working}


@receiver(people_shown)
def tell(*, user_ids: Collection[int], **_: Any) -> dict[int, str]:
    """For pages of the floor below."""
    return without_way(user_ids)
