"""Who acts, what came of it, and the lock under which every act is done."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from django.db import transaction
from django.utils.translation import gettext

from incidents import timeline
from incidents.models import Incident
from schedules.about import about
from schedules.models import User
from schedules.transactions import repeat_on_conflict

State = Incident.State

ALLOWED: dict[str, frozenset[str]] = {
    State.TRIGGERED: frozenset({State.ACKNOWLEDGED, State.RESOLVED}),
    State.ACKNOWLEDGED: frozenset({State.TRIGGERED, State.RESOLVED}),
    State.RESOLVED: frozenset({State.TRIGGERED}),
}

ANSWERED = ["state", "owner", "owner_label", "acknowledged_at", "escalate_at", "revision"]


@dataclass(frozen=True)
class Actor:
    """Who or what acts: a person, or a monitor by its label; `via` is the way they came."""

    user: User | None
    label: str
    via: str

    @classmethod
    def person(cls, user: User, via: str) -> Actor:
        return cls(user, str(user), via)


@dataclass(frozen=True)
class Moved:
    """What came of an act: whether it changed anything, and one sentence for whoever acted."""

    changed: bool
    incident: Incident
    text: str


class Refused(Exception):
    """An act that cannot be done now; `other_incident` is the one to look at instead, if any."""

    def __init__(self, message: str, other_incident: Incident | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.other_incident = other_incident


def on_locked(incident_id: int, act: Callable[[Incident], Moved], *, itself: bool = False) -> Moved:
    """Run `act` on the locked row; a deadlock or a busy database repeats the whole of it.

    What is done to a merged incident is done to the one that it was merged into, unless `itself`
    is meant.
    """

    def attempt() -> Moved:
        pk = incident_id
        while True:
            with transaction.atomic():
                # The row alone: what is joined to it is from before the wait for the lock.
                incident = Incident.objects.select_for_update(no_key=True).get(pk=pk)
                if itself or incident.merged_into_id is None:
                    return act(incident)
                # Not while this one is locked: locks are taken in ascending order.
                pk = incident.merged_into_id

    with about(f"incident:{incident_id}"):
        return repeat_on_conflict(attempt)


def are_on(users: Iterable[User]) -> set[int]:
    """Lock these people, before any incident as switching them off does, and look again."""
    asked = {user.pk for user in users}
    locked = User.objects.select_for_update(no_key=True).filter(pk__in=asked, is_active=True)
    return set(locked.order_by("pk").values_list("pk", flat=True))


def write(incident: Incident, kind: str, text: str, by: Actor, now: datetime) -> None:
    timeline.write(incident, kind, text, at=now, actor=by.user, via=by.via)


def standing(incident: Incident, by: Actor) -> str:
    """Why an act changed nothing: who was first, in one sentence."""
    if incident.merged_into_id is not None:
        text = gettext("#%(number)s is part of #%(other)s.")
        return text % {"number": incident.pk, "other": incident.merged_into_id}
    if incident.state == State.RESOLVED:
        parts = {"number": incident.pk, "at": clock(incident.resolved_at, by)}
        return gettext("#%(number)s is resolved since %(at)s.") % parts
    if incident.state == State.ACKNOWLEDGED:
        return _owned(incident, by)
    if incident.urgency != Incident.Urgency.NONE:
        return gettext("Nobody has #%(number)s now.") % {"number": incident.pk}
    text = gettext("#%(number)s is only shown: nobody is paged for it.")
    return text % {"number": incident.pk}


def _owned(incident: Incident, by: Actor) -> str:
    at = clock(incident.acknowledged_at, by)
    if by.user is not None and incident.owner == by.user:
        return gettext("You have it since %(at)s.") % {"at": at}
    who = incident.owner or incident.owner_label or gettext("Somebody")
    return gettext("%(who)s has it since %(at)s.") % {"who": who, "at": at}


def clock(moment: datetime | None, by: Actor) -> str:
    if moment is None:
        return gettext("an unknown time")
    return in_zone(moment, by).strftime("%H:%M %Z")


def day_and_clock(moment: datetime, by: Actor, now: datetime) -> str:
    """`13:30 CET`, with the date when it is not today, by the clock of whoever acts."""
    local = in_zone(moment, by)
    day = "" if local.date() == in_zone(now, by).date() else f"{local:%a} {local.day} {local:%b} "
    return f"{day}{local:%H:%M %Z}"


def in_zone(moment: datetime, by: Actor) -> datetime:
    return moment.astimezone(ZoneInfo(by.user.time_zone if by.user else "UTC"))
