"""Two incidents that are one problem, and one that turns out to be two."""

from __future__ import annotations

from datetime import datetime

from django.db import transaction

from incidents import announcements
from incidents.lifecycle.acting import ANSWERED, Actor, Moved, Refused, standing, write
from incidents.lifecycle.growing import gather
from incidents.lifecycle.paging import (
    ENDED_BY_RESOLVE,
    PROMISED,
    end_paging,
    forget_promise,
    start_episode,
)
from incidents.models import Incident, TimelineEntry
from incidents.signals import incident_moved
from schedules.transactions import repeat_on_conflict

State = Incident.State
Kind = TimelineEntry.Kind


def merge(incident_id: int, into_id: int, by: Actor, *, now: datetime) -> Moved:
    """Make an open incident part of another open one, which collects its alerts from now on.

    The other keeps its state. It takes over a higher severity, and is paged for anew if that
    raises its urgency; if somebody has it and nobody had the merged one, they are told. The
    merged one is resolved; answers to it act on the other. Raises Refused, saying why.
    """

    def attempt() -> Moved:
        with transaction.atomic():
            locked = _lock(incident_id, into_id)
            incident, into = locked.get(incident_id), locked.get(into_id)
            if incident is None or into is None:
                raise Refused(f"There is no incident #{into_id if incident else incident_id}.")
            if incident.merged_into_id == into.pk:
                return Moved(False, incident, f"#{incident.pk} is part of #{into.pk} already.")
            _refuse_merge(incident, into)
            return _merge(incident, into, by, now)

    return repeat_on_conflict(attempt)


def _lock(*ids: int) -> dict[int, Incident]:
    rows = Incident.objects.select_for_update(no_key=True).filter(pk__in=ids).order_by("pk")
    return {row.pk: row for row in rows}


def _refuse_merge(incident: Incident, into: Incident) -> None:
    if incident.pk == into.pk:
        raise Refused("An incident cannot be merged into itself.")
    for one in (incident, into):
        if not one.is_open:
            raise Refused(f"#{one.pk} is resolved: only open incidents can be merged.", one)
    if incident.is_test != into.is_test:
        raise Refused("A test and a real incident cannot be merged.")


def _merge(incident: Incident, into: Incident, by: Actor, now: datetime) -> Moved:
    was_triggered = incident.state == State.TRIGGERED
    incident_moved.send(
        sender=Incident, incident=incident, other=into, move="merged", by_monitor=False, now=now
    )
    end_paging(incident, ENDED_BY_RESOLVE, f"merged into #{into.pk}", now=now)
    incident.state, incident.resolved_at, incident.escalate_at = State.RESOLVED, now, None
    incident.merged_into = into
    forget_promise(incident)
    incident.nobody_reached_at = incident.planning_failed_at = None
    write(incident, Kind.MERGED, f"{by.label} merged it into #{into.pk}.", by, now)
    incident.save(
        update_fields=[
            *(*ANSWERED, *PROMISED, "resolved_at", "merged_into"),
            *("nobody_reached_at", "planning_failed_at"),
        ]
    )
    who = f"{by.label}, who merged it into #{into.pk}"
    announcements.answered(incident, "resolved", who, by.user, now=now)
    write(into, Kind.MERGED, f"{by.label} merged #{incident.pk} into it: {incident.title}", by, now)
    gather(
        into,
        severity=incident.severity,
        urgency=incident.urgency,
        news=f"#{incident.pk} was merged into it: {incident.title}" if was_triggered else "",
        by=by,
        now=now,
    )
    return Moved(True, into, f"#{incident.pk} is part of #{into.pk} now.")


def split(incident_id: int, by: Actor, *, now: datetime) -> Moved:
    """Take a merged incident out of the other again, with the alerts that came with it.

    It goes on as the other stands: whoever has that has both; if nobody does, both are paged for.
    Raises Refused once the other is resolved.
    """

    def attempt() -> Moved:
        into_id = Incident.objects.values_list("merged_into", flat=True).get(pk=incident_id)
        with transaction.atomic():
            locked = _lock(incident_id, *([into_id] if into_id else []))
            incident = locked[incident_id]
            if into_id is None or incident.merged_into_id != into_id:
                return Moved(False, incident, standing(incident, by))
            return _split(incident, locked[into_id], by, now)

    return repeat_on_conflict(attempt)


def _split(incident: Incident, other: Incident, by: Actor, now: datetime) -> Moved:
    if not other.is_open:
        raise Refused(f"#{other.pk} is resolved: its parts stay with it.", other)
    incident_moved.send(
        sender=Incident, incident=incident, other=other, move="split", by_monitor=False, now=now
    )
    incident.merged_into = incident.resolved_at = None
    incident.state, incident.owner = other.state, other.owner
    incident.acknowledged_at, incident.owner_label = other.acknowledged_at, other.owner_label
    for name in PROMISED:
        setattr(incident, name, getattr(other, name))
    # The question about the other is no question about this one.
    incident.asked_at = None
    changed = ["revision"]
    if incident.state == State.TRIGGERED:
        changed = start_episode(incident, now=now, why="it was split off")
    write(incident, Kind.SPLIT, f"{by.label} split it off from #{other.pk}.", by, now)
    incident.save(update_fields=[*ANSWERED, *PROMISED, "resolved_at", "merged_into", *changed])
    write(other, Kind.SPLIT, f"{by.label} split off #{incident.pk}: {incident.title}", by, now)
    other.save(update_fields=["revision"])
    if incident.state == State.TRIGGERED:
        announcements.opened([incident], now=now, event="reopened")
    return Moved(True, incident, f"#{incident.pk} is an incident of its own again.")
