"""Paging of an incident, begun anew and ended."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.utils.translation import gettext

from incidents import announcements
from incidents.lifecycle.acting import ANSWERED, Actor, Moved, on_locked, standing, write
from incidents.models import Incident, TimelineEntry
from incidents.planner import Phase
from notifications import outbox
from notifications.kicks import SEND_DUE, kick
from notifications.models import Notification
from schedules.models import User

State = Incident.State
Kind = TimelineEntry.Kind
Purpose = Notification.Purpose

RUN_DUE_STEPS = "incidents.tasks.run_due_steps"
# What an acknowledgement makes pointless, and what a resolve or a new episode does.
ENDED_BY_ACKNOWLEDGE = (Purpose.PAGE, Purpose.ASK_OWNER)
ENDED_BY_RESOLVE = (Purpose.PAGE, Purpose.ASK_OWNER, Purpose.GROWTH)


# What an owner has promised, or was asked; and whether it is held, which any act ends.
PROMISED = ["ask_at", "asked_at", "ask_after", "snoozed_until", "held_at"]
# So long whoever is given an incident has, before its policy is run.
GIVEN_FOR = timedelta(minutes=5)


def escalate_now(incident_id: int, by: Actor, *, now: datetime, had: str | None = None) -> Moved:
    """Call the next step without waiting; an acknowledged incident loses its owner for it.

    Past the last step the next round starts, without its usual pause. `had` is who had it (their
    number or label) when whoever acts looked: nothing is taken from one they do not know of.
    """

    def act(incident: Incident) -> Moved:
        if not incident.is_open or incident.urgency == Incident.Urgency.NONE:
            return Moved(False, incident, standing(incident, by))
        if _was_taken_since(incident, had):
            return Moved(False, incident, standing(incident, by))
        changed = [*ANSWERED, *PROMISED]
        was_owned = incident.state == State.ACKNOWLEDGED
        if was_owned:
            _disown(incident)
            changed += _next_in_new_episode(incident, now=now)
        if incident.next_move in {Phase.AFTER, Phase.ROUND}:
            incident.next_move, incident.round_started_at = Phase.ROUND, None
            changed += ["next_move", "round_started_at"]
        incident.escalate_at, incident.held_at = now, None
        write(incident, Kind.ESCALATED, f"{by.label} asked for the next step now.", by, now)
        incident.save(update_fields=changed)
        if was_owned:
            announcements.released(incident, f"{by.label} asked for the next step", now=now)
        kick(RUN_DUE_STEPS)
        return Moved(True, incident, gettext("The next step is being called now."))

    return on_locked(incident_id, act)


def unacknowledge(incident_id: int, by: Actor, *, now: datetime, had: str | None = None) -> Moved:
    """Give an acknowledged incident back: nobody has it, and it is paged for anew.

    `had` as for `escalate_now`.
    """

    def act(incident: Incident) -> Moved:
        if incident.state != State.ACKNOWLEDGED or _was_taken_since(incident, had):
            return Moved(False, incident, standing(incident, by))
        whose = "it" if incident.holder == by.label else f"it, which {incident.holder} had,"
        write(incident, Kind.RELEASED, f"{by.label} gave {whose} back.", by, now)
        release(incident, now=now, why=f"{by.label} gave it back")
        return Moved(True, incident, f"Nobody has #{incident.pk} now: it is paged for anew.")

    return on_locked(incident_id, act)


def _was_taken_since(incident: Incident, had: str | None) -> bool:
    """Whether somebody else has it than the page showed on which a button was pressed."""
    if had is None or incident.state != State.ACKNOWLEDGED:
        return False
    return had != str(incident.owner_id or incident.owner_label)


def release(incident: Incident, *, now: datetime, why: str) -> None:
    """Nobody owns this acknowledged incident any more: page for it anew. The row is locked."""
    _disown(incident)
    changed = start_episode(incident, now=now, why=why)
    incident.save(update_fields=[*ANSWERED, *PROMISED, *changed])
    announcements.released(incident, why, now=now)


def give(incident: Incident, to: User, by: Actor, *, now: datetime) -> None:
    """Nobody owns this open, locked incident until `to`, whom the caller pages, takes it.

    Its policy is run from its first step if they have not within 5 minutes.
    """
    was_owned = incident.state == State.ACKNOWLEDGED
    _disown(incident)
    changed = start_episode(incident, now=now, why=f"it was given to {to}")
    if incident.escalate_at is not None:
        incident.escalate_at = now + GIVEN_FOR
    write(incident, Kind.REASSIGNED, f"{by.label} gave it to {to}.", by, now)
    incident.save(update_fields=[*ANSWERED, *PROMISED, *changed])
    if was_owned:
        announcements.released(incident, f"{by.label} gave it to {to}", now=now)


def put_off(incident: Incident, first_due: datetime, *, now: datetime) -> None:
    """Let the time of whoever was given it begin when their first message comes."""
    if incident.urgency == Incident.Urgency.LOW and first_due > now:
        incident.escalate_at = first_due + GIVEN_FOR
        incident.save(update_fields=["escalate_at"])


def stop_paging(incident: Incident, *, now: datetime, why: str) -> list[str]:
    """Of an incident that is only shown from now on; returns the names of the changed fields."""
    end_paging(incident, ENDED_BY_RESOLVE, why, now=now)
    incident.escalate_at = None
    forget_promise(incident)
    return ["escalate_at", *PROMISED]


def forget_promise(incident: Incident) -> None:
    incident.ask_at = incident.asked_at = incident.ask_after = incident.snoozed_until = None
    incident.held_at = None


def _disown(incident: Incident) -> None:
    incident.state, incident.owner, incident.acknowledged_at = State.TRIGGERED, None, None
    forget_promise(incident)


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
    incident.escalate_at = incident.held_at = None
    if incident.urgency != Incident.Urgency.NONE:
        incident.escalate_at = now
        kick(RUN_DUE_STEPS)
    return [
        *("episode", "round", "round_started_at", "next_move", "next_step_id", "next_position"),
        *("escalate_at", "held_at", "revision"),
    ]


def _next_in_new_episode(incident: Incident, *, now: datetime) -> list[str]:
    """A new episode that goes on at the step after the last one called."""
    kept = incident.next_move, incident.next_step_id, incident.next_position
    changed = start_episode(incident, now=now, why="the next step was asked for")
    if kept[0] in {Phase.STEP, Phase.HOURS}:
        incident.next_move, incident.next_step_id, incident.next_position = kept
    return changed


def end_paging(
    incident: Incident, purposes: tuple[str, ...], reason: str, *, now: datetime
) -> None:
    outbox.cancel(incident.thread, purposes=purposes, now=now, reason=reason)
    if outbox.clear_taken(incident.thread, now=now):
        kick(SEND_DUE)
