"""Paging of an incident, begun anew and ended."""

from __future__ import annotations

from datetime import datetime

from incidents import announcements
from incidents.lifecycle.acting import ANSWERED, Actor, Moved, on_locked, standing, write
from incidents.models import Incident, TimelineEntry
from incidents.planner import Phase
from notifications import outbox
from notifications.kicks import SEND_DUE, kick
from notifications.models import Notification

State = Incident.State
Kind = TimelineEntry.Kind
Purpose = Notification.Purpose

RUN_DUE_STEPS = "incidents.tasks.run_due_steps"
# What an acknowledgement makes pointless, and what a resolve or a new episode does.
ENDED_BY_ACKNOWLEDGE = (Purpose.PAGE, Purpose.ASK_OWNER)
ENDED_BY_RESOLVE = (Purpose.PAGE, Purpose.ASK_OWNER, Purpose.GROWTH)


def escalate_now(incident_id: int, by: Actor, *, now: datetime) -> Moved:
    """Call the next step without waiting; an acknowledged incident loses its owner for it.

    Past the last step the next round starts, without its usual pause.
    """

    def act(incident: Incident) -> Moved:
        if not incident.is_open or incident.urgency == Incident.Urgency.NONE:
            return Moved(False, incident, standing(incident, by))
        changed = ["state", "owner", "acknowledged_at", "ask_at", "asked_at", "escalate_at"]
        was_owned = incident.state == State.ACKNOWLEDGED
        if was_owned:
            incident.state, incident.owner, incident.acknowledged_at = State.TRIGGERED, None, None
            incident.ask_at = incident.asked_at = None
            changed += _next_in_new_episode(incident, now=now)
        if incident.next_move in {Phase.AFTER, Phase.ROUND}:
            incident.next_move, incident.round_started_at = Phase.ROUND, None
            changed += ["next_move", "round_started_at"]
        incident.escalate_at = now
        write(incident, Kind.ESCALATED, f"{by.label} asked for the next step now.", by, now)
        incident.save(update_fields=[*changed, "revision"])
        if was_owned:
            announcements.released(incident, f"{by.label} asked for the next step", now=now)
        kick(RUN_DUE_STEPS)
        return Moved(True, incident, "The next step is being called now.")

    return on_locked(incident_id, act)


def release(incident: Incident, *, now: datetime, why: str) -> None:
    """Nobody owns this acknowledged incident any more: page for it anew. The row is locked."""
    incident.state, incident.owner, incident.acknowledged_at = State.TRIGGERED, None, None
    incident.ask_at = incident.asked_at = None
    changed = start_episode(incident, now=now, why=why)
    incident.save(update_fields=[*ANSWERED, "ask_at", "asked_at", *changed])
    announcements.released(incident, why, now=now)


def start_episode(incident: Incident, *, now: datetime, why: str) -> list[str]:
    """Page from the start: cancel what the older episode left, reset the clock, kick the engine.

    Returns the names of the changed fields, for the caller's save.
    """
    outbox.cancel(
        incident.thread, purposes=ENDED_BY_RESOLVE, now=now, reason=f"paging starts anew: {why}"
    )
    incident.episode += 1
    incident.round, incident.round_started_at = 0, None
    incident.next_move, incident.next_step_id, incident.next_position = Phase.STEP, None, 0
    incident.escalate_at = None
    if incident.urgency != Incident.Urgency.NONE:
        incident.escalate_at = now
        kick(RUN_DUE_STEPS)
    return [
        *("episode", "round", "round_started_at", "next_move", "next_step_id", "next_position"),
        *("escalate_at", "revision"),
    ]


def _next_in_new_episode(incident: Incident, *, now: datetime) -> list[str]:
    """A new episode that goes on at the step after the last one called."""
    kept = incident.next_move, incident.next_step_id, incident.next_position
    changed = start_episode(incident, now=now, why="the next step was asked for")
    if kept[0] == Phase.STEP:
        incident.next_move, incident.next_step_id, incident.next_position = kept
    return changed


def end_paging(
    incident: Incident, purposes: tuple[str, ...], reason: str, *, now: datetime
) -> None:
    outbox.cancel(incident.thread, purposes=purposes, now=now, reason=reason)
    if outbox.clear_taken(incident.thread, now=now):
        kick(SEND_DUE)
