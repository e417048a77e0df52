"""Who has an incident, and how it ends: acknowledge, resolve, reopen."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from incidents import announcements
from incidents.lifecycle.acting import (
    ALLOWED,
    ANSWERED,
    Actor,
    Moved,
    on_locked,
    standing,
    write,
)
from incidents.lifecycle.paging import (
    ENDED_BY_ACKNOWLEDGE,
    ENDED_BY_RESOLVE,
    end_paging,
    start_episode,
)
from incidents.models import Incident, TimelineEntry
from incidents.signals import incident_moved
from schedules.models import User
from schedules.transactions import repeat_on_conflict

State = Incident.State
Kind = TimelineEntry.Kind


def acknowledge(incident_id: int, by: Actor, *, now: datetime) -> Moved:
    """Take ownership: stop the escalation and tell the timeline who did.

    Says who was first when somebody was; two responders tapping the button together is normal.
    After this commits no page of the incident can be claimed by any worker. Somebody who has been
    switched off since they opened the page or link cannot own it.
    """

    def act(incident: Incident) -> Moved:
        if State.ACKNOWLEDGED not in ALLOWED[incident.state]:
            return Moved(False, incident, standing(incident, by))
        end_paging(incident, ENDED_BY_ACKNOWLEDGE, f"acknowledged by {by.label}", now=now)
        incident.state, incident.owner = State.ACKNOWLEDGED, by.user
        incident.acknowledged_at, incident.escalate_at = now, None
        incident.nobody_reached_at = incident.planning_failed_at = None
        write(incident, Kind.ACKNOWLEDGED, f"Acknowledged by {by.label}.", by, now)
        incident.save(update_fields=[*ANSWERED, "nobody_reached_at", "planning_failed_at"])
        announcements.answered(incident, "acknowledged", by.label, by.user, now=now)
        return Moved(True, incident, f"#{incident.pk} is yours.")

    def attempt() -> Moved:
        with transaction.atomic():
            if by.user is not None and not _is_on(by.user):
                incident = Incident.objects.get(pk=incident_id)
                return Moved(False, incident, "This person is switched off.")
            return on_locked(incident_id, act)

    return repeat_on_conflict(attempt)


def resolve(incident_id: int, by: Actor, *, now: datetime) -> Moved:
    """Close the incident: nothing more is sent about it.

    Alerts that still fire become "answered": their repeats page nobody until they start anew.
    """

    def act(incident: Incident) -> Moved:
        if not incident.is_open:
            return Moved(False, incident, standing(incident, by))
        resolve_locked(incident, by, by_monitor=False, now=now)
        return Moved(True, incident, f"#{incident.pk} is resolved.")

    return on_locked(incident_id, act)


def resolve_locked(incident: Incident, by: Actor, *, by_monitor: bool, now: datetime) -> None:
    """Resolve an open incident whose row the caller has locked, in the caller's transaction."""
    incident_moved.send(
        sender=Incident, incident=incident, move="resolved", by_monitor=by_monitor, now=now
    )
    end_paging(incident, ENDED_BY_RESOLVE, f"resolved by {by.label}", now=now)
    incident.state, incident.resolved_at = State.RESOLVED, now
    incident.escalate_at = incident.ask_at = incident.asked_at = None
    incident.nobody_reached_at = incident.planning_failed_at = None
    write(incident, Kind.RESOLVED, f"Resolved by {by.label}.", by, now)
    incident.save(
        update_fields=[
            *(*ANSWERED, "resolved_at", "ask_at", "asked_at"),
            *("nobody_reached_at", "planning_failed_at"),
        ]
    )
    announcements.answered(incident, "resolved", by.label, by.user, now=now)


def reopen(incident_id: int, by: Actor, *, now: datetime) -> Moved:
    """Bring a resolved incident back and page for it anew.

    Raises Refused, naming the other incident, while a newer one collects the same alerts.
    """

    def act(incident: Incident) -> Moved:
        if incident.is_open:
            return Moved(False, incident, f"#{incident.pk} is open already.")
        incident_moved.send(
            sender=Incident, incident=incident, move="reopened", by_monitor=False, now=now
        )
        incident.state, incident.owner = State.TRIGGERED, None
        incident.acknowledged_at = incident.resolved_at = None
        changed = start_episode(incident, now=now, why="it was reopened")
        write(incident, Kind.REOPENED, f"Reopened by {by.label}.", by, now)
        incident.save(update_fields=[*ANSWERED, "resolved_at", *changed])
        announcements.opened([incident], now=now, event="reopened")
        return Moved(True, incident, f"#{incident.pk} is open again.")

    return on_locked(incident_id, act)


def _is_on(user: User) -> bool:
    """Lock the person, before any incident as switching them off does, and look again."""
    active = User.objects.select_for_update(no_key=True).filter(pk=user.pk, is_active=True)
    return active.values_list("pk").first() is not None
