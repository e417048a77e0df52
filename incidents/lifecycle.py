"""The life of an incident: which states follow which, and the only code that changes them.

Every act locks the incident row first, so of two people who act together one is first and the
other is told so. Once an act that ends paging has committed, no notification of that incident
can be claimed: the same transaction cancels them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from django.db import transaction

from incidents import announcements, timeline
from incidents.facts import facts_for
from incidents.models import SEVERITY_RANK, EscalationPolicy, Incident, TimelineEntry
from incidents.planner import Phase
from incidents.signals import incident_moved
from notifications import outbox
from notifications.kicks import SEND_DUE, kick
from notifications.models import Notification
from schedules.inserts import insert
from schedules.models import Team, User
from schedules.transactions import repeat_on_conflict

State = Incident.State
Kind = TimelineEntry.Kind
Purpose = Notification.Purpose

RUN_DUE_STEPS = "incidents.tasks.run_due_steps"
# An owner is told of new alerts at most this often, unless the severity rises.
GROWTH_PAUSE = timedelta(minutes=10)

ALLOWED: dict[str, frozenset[str]] = {
    State.TRIGGERED: frozenset({State.ACKNOWLEDGED, State.RESOLVED}),
    State.ACKNOWLEDGED: frozenset({State.TRIGGERED, State.RESOLVED}),
    State.RESOLVED: frozenset({State.TRIGGERED}),
}
# What an acknowledgement makes pointless, and what a resolve or a new episode does.
ENDED_BY_ACKNOWLEDGE = (Purpose.PAGE, Purpose.ASK_OWNER)
ENDED_BY_RESOLVE = (Purpose.PAGE, Purpose.ASK_OWNER, Purpose.GROWTH)


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


@dataclass(frozen=True)
class Opening:
    """What is known of a problem when its incident opens."""

    team: Team
    title: str
    detail: str = ""
    severity: str = "high"
    urgency: str = "high"
    source_label: str = ""
    labels: dict[str, str] = field(default_factory=dict)
    links: list[dict[str, str]] = field(default_factory=list)
    policy: EscalationPolicy | None = None
    is_test: bool = False
    note: str = ""
    # The person who raised it, and what keeps their form from raising it twice.
    by: Actor | None = None
    raised_key: str | None = None


class Refused(Exception):
    """An act that cannot be done now; `other_incident` is the one to look at instead, if any."""

    def __init__(self, message: str, other_incident: Incident | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.other_incident = other_incident


def urgency_of(severity: str) -> str:
    """critical and high wake people, warning waits for them to look, info is only shown."""
    return {"critical": "high", "high": "high", "warning": "low"}.get(severity, "none")


def open_incident(opening: Opening, *, now: datetime) -> Incident:
    """Write a new incident with its clock set to now, and kick the engine.

    Everything commits with the caller's transaction, the kick too: no kick without its incident,
    and an incident whose kick is lost is found by the worker's sweep.
    """
    return open_incidents([opening], now=now)[0]


def open_incidents(openings: Sequence[Opening], *, now: datetime) -> list[Incident]:
    """The same for several at once, in their order, with one statement a table."""
    with transaction.atomic(savepoint=False):
        incidents = [_opened(opening, now) for opening in openings]
        insert(*incidents)
        insert(
            *(
                TimelineEntry(
                    incident=incident,
                    kind=Kind.OPENED,
                    text=_opened_in_words(opening),
                    actor=opening.by.user if opening.by else None,
                    via=opening.by.via if opening.by else "monitor",
                    at=now,
                )
                for incident, opening in zip(incidents, openings, strict=True)
            )
        )
        if paged := sum(incident.escalate_at is not None for incident in incidents):
            kick(RUN_DUE_STEPS, due=paged)
        announcements.opened(incidents, now=now)
    return incidents


def _opened(opening: Opening, now: datetime) -> Incident:
    return Incident(
        team=opening.team,
        title=opening.title,
        detail=opening.detail,
        severity=opening.severity,
        urgency=opening.urgency,
        source_label=opening.source_label,
        labels=opening.labels,
        links=opening.links,
        policy=opening.policy,
        is_test=opening.is_test,
        raised_key=opening.raised_key,
        opened_at=now,
        escalate_at=None if opening.urgency == Incident.Urgency.NONE else now,
        revision=1,
    )


def _opened_in_words(opening: Opening) -> str:
    text = f"Opened by {opening.source_label}." if opening.source_label else "Opened."
    if opening.by:
        text = f"Raised by {opening.by.label}."
    return f"{text} {opening.note}".strip()[: timeline.LONGEST]


def join(
    incident: Incident, *, title: str, severity: str, urgency: str, is_new: bool, now: datetime
) -> None:
    """A new alert, or a higher severity of an old one, joins an open incident.

    The caller has locked the row. A higher severity raises the incident's; a raised urgency on a
    triggered incident starts paging anew; an owner is told once more, at most every 10 minutes
    unless the severity rises. An urgent incident whose owner cannot be told is paged for anew.
    Lower severities change nothing.
    """
    rises = SEVERITY_RANK[severity] < SEVERITY_RANK[incident.severity]
    changed = ["revision"]
    what = "New alert" if is_new else "Severity raised"
    timeline.write(incident, Kind.ALERT, f"{what}: {title} ({severity}).", at=now, via="monitor")
    urgency_rises = rises and _urgency_rank(urgency) < _urgency_rank(incident.urgency)
    if rises:
        incident.severity = severity
        changed.append("severity")
    if urgency_rises:
        incident.urgency = urgency
        changed.append("urgency")
    if incident.state == State.TRIGGERED and urgency_rises:
        changed += _start_episode(incident, now=now, why="its urgency rose")
    tells = incident.state == State.ACKNOWLEDGED and _owner_should_know(incident, rises, now)
    if tells:
        incident.grown_at = now
        changed.append("grown_at")
    incident.save(update_fields=changed)
    if tells:
        _tell_owner(incident, f"{what}: {title}", now=now)


def acknowledge(incident_id: int, by: Actor, *, now: datetime) -> Moved:
    """Take ownership: stop the escalation and tell the timeline who did.

    Says who was first when somebody was; two responders tapping the button together is normal.
    After this commits no page of the incident can be claimed by any worker. Somebody who has been
    switched off since they opened the page or link cannot own it.
    """

    def act(incident: Incident) -> Moved:
        if State.ACKNOWLEDGED not in ALLOWED[incident.state]:
            return Moved(False, incident, _standing(incident, by))
        _end_paging(incident, ENDED_BY_ACKNOWLEDGE, f"acknowledged by {by.label}", now=now)
        incident.state, incident.owner = State.ACKNOWLEDGED, by.user
        incident.acknowledged_at, incident.escalate_at = now, None
        incident.nobody_reached_at = incident.planning_failed_at = None
        _write(incident, Kind.ACKNOWLEDGED, f"Acknowledged by {by.label}.", by, now)
        incident.save(update_fields=[*_ANSWERED, "nobody_reached_at", "planning_failed_at"])
        announcements.answered(incident, "acknowledged", by.label, by.user, now=now)
        return Moved(True, incident, f"#{incident.pk} is yours.")

    def attempt() -> Moved:
        with transaction.atomic():
            if by.user is not None and not _is_on(by.user):
                incident = Incident.objects.get(pk=incident_id)
                return Moved(False, incident, "This person is switched off.")
            return _on_locked(incident_id, act)

    return repeat_on_conflict(attempt)


def resolve(incident_id: int, by: Actor, *, now: datetime) -> Moved:
    """Close the incident: nothing more is sent about it.

    Alerts that still fire become "answered": their repeats page nobody until they start anew.
    """

    def act(incident: Incident) -> Moved:
        if not incident.is_open:
            return Moved(False, incident, _standing(incident, by))
        resolve_locked(incident, by, by_monitor=False, now=now)
        return Moved(True, incident, f"#{incident.pk} is resolved.")

    return _on_locked(incident_id, act)


def resolve_locked(incident: Incident, by: Actor, *, by_monitor: bool, now: datetime) -> None:
    """Resolve an open incident whose row the caller has locked, in the caller's transaction."""
    incident_moved.send(
        sender=Incident, incident=incident, move="resolved", by_monitor=by_monitor, now=now
    )
    _end_paging(incident, ENDED_BY_RESOLVE, f"resolved by {by.label}", now=now)
    incident.state, incident.resolved_at = State.RESOLVED, now
    incident.escalate_at = incident.ask_at = incident.asked_at = None
    incident.nobody_reached_at = incident.planning_failed_at = None
    _write(incident, Kind.RESOLVED, f"Resolved by {by.label}.", by, now)
    incident.save(
        update_fields=[
            *(*_ANSWERED, "resolved_at", "ask_at", "asked_at"),
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
        changed = _start_episode(incident, now=now, why="it was reopened")
        _write(incident, Kind.REOPENED, f"Reopened by {by.label}.", by, now)
        incident.save(update_fields=[*_ANSWERED, "resolved_at", *changed])
        announcements.opened([incident], now=now, event="reopened")
        return Moved(True, incident, f"#{incident.pk} is open again.")

    return _on_locked(incident_id, act)


def escalate_now(incident_id: int, by: Actor, *, now: datetime) -> Moved:
    """Call the next step without waiting; an acknowledged incident loses its owner for it.

    Past the last step the next round starts, without its usual pause.
    """

    def act(incident: Incident) -> Moved:
        if not incident.is_open or incident.urgency == Incident.Urgency.NONE:
            return Moved(False, incident, _standing(incident, by))
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
        _write(incident, Kind.ESCALATED, f"{by.label} asked for the next step now.", by, now)
        incident.save(update_fields=[*changed, "revision"])
        if was_owned:
            announcements.released(incident, f"{by.label} asked for the next step", now=now)
        kick(RUN_DUE_STEPS)
        return Moved(True, incident, "The next step is being called now.")

    return _on_locked(incident_id, act)


def add_note(incident_id: int, by: Actor, text: str, *, now: datetime) -> Moved:
    """Keep a person's words on the timeline, in any state."""

    def act(incident: Incident) -> Moved:
        _write(incident, Kind.NOTE, text, by, now)
        incident.save(update_fields=["revision"])
        return Moved(True, incident, "Note added.")

    return _on_locked(incident_id, act)


def release(incident: Incident, *, now: datetime, why: str) -> None:
    """Nobody owns this acknowledged incident any more: page for it anew. The row is locked."""
    incident.state, incident.owner, incident.acknowledged_at = State.TRIGGERED, None, None
    incident.ask_at = incident.asked_at = None
    changed = _start_episode(incident, now=now, why=why)
    incident.save(update_fields=[*_ANSWERED, "ask_at", "asked_at", *changed])
    announcements.released(incident, why, now=now)


def owner_was_not_told(incident: Incident, why: str, *, now: datetime) -> None:
    """An acknowledged incident grew and its owner does not know: say so; if urgent, page anew.

    The row is locked. Without this nobody at all would hear of the new alert.
    """
    text = f"{incident.owner or 'Its owner'} could not be told of the new alert: {why}."
    timeline.write(incident, Kind.NOT_PAGED, text, at=now, via="engine")
    incident.save(update_fields=["revision"])
    if incident.urgency == Incident.Urgency.HIGH:
        release(incident, now=now, why="its owner could not be told")


_ANSWERED = ["state", "owner", "acknowledged_at", "escalate_at", "revision"]


def _on_locked(incident_id: int, act: Any) -> Moved:
    """Run `act` on the locked row; a deadlock or a busy database repeats the whole of it."""

    def attempt() -> Moved:
        with transaction.atomic():
            # The row alone: what is joined to it is from before the wait for the lock.
            incident = Incident.objects.select_for_update(no_key=True).get(pk=incident_id)
            moved: Moved = act(incident)
            return moved

    return repeat_on_conflict(attempt)


def _is_on(user: User) -> bool:
    """Lock the person, before any incident as switching them off does, and look again."""
    active = User.objects.select_for_update(no_key=True).filter(pk=user.pk, is_active=True)
    return active.values_list("pk").first() is not None


def _start_episode(incident: Incident, *, now: datetime, why: str) -> list[str]:
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
    changed = _start_episode(incident, now=now, why="the next step was asked for")
    if kept[0] == Phase.STEP:
        incident.next_move, incident.next_step_id, incident.next_position = kept
    return changed


def _end_paging(
    incident: Incident, purposes: tuple[str, ...], reason: str, *, now: datetime
) -> None:
    outbox.cancel(incident.thread, purposes=purposes, now=now, reason=reason)
    if outbox.clear_taken(incident.thread, now=now):
        kick(SEND_DUE)


def _owner_should_know(incident: Incident, severity_rises: bool, now: datetime) -> bool:
    if incident.urgency == Incident.Urgency.NONE:
        return False
    return severity_rises or incident.grown_at is None or now - incident.grown_at >= GROWTH_PAUSE


def _tell_owner(incident: Incident, news: str, *, now: datetime) -> None:
    owner = incident.owner
    if owner is None:
        owner_was_not_told(incident, "nobody is named as its owner", now=now)
        return
    written = outbox.page_person(
        owner,
        purpose=Purpose.GROWTH,
        thread=incident.thread,
        ref=f"growth:{incident.pk}/{incident.revision}",
        team_id=incident.team_id,
        urgency=incident.urgency,
        rank=incident.rank,
        context=facts_for(incident, owner) | {"news": news},
        now=now,
    )
    if written.rows:
        kick(SEND_DUE)
    else:
        owner_was_not_told(incident, "no working contact method", now=now)


def _write(incident: Incident, kind: str, text: str, by: Actor, now: datetime) -> None:
    timeline.write(incident, kind, text, at=now, actor=by.user, via=by.via)


def _standing(incident: Incident, by: Actor) -> str:
    """Why an act changed nothing: who was first, in one sentence."""
    if incident.state == State.RESOLVED:
        return f"#{incident.pk} is resolved since {_clock(incident.resolved_at, by)}."
    if incident.state == State.ACKNOWLEDGED:
        who = "You have" if incident.owner == by.user else f"{incident.owner or 'Somebody'} has"
        return f"{who} it since {_clock(incident.acknowledged_at, by)}."
    return f"#{incident.pk} is only shown: nobody is paged for it."


def _clock(moment: datetime | None, by: Actor) -> str:
    if moment is None:
        return "an unknown time"
    zone = by.user.time_zone if by.user else "UTC"
    return moment.astimezone(ZoneInfo(zone)).strftime("%H:%M %Z")


def _urgency_rank(urgency: str) -> int:
    return {"high": 0, "low": 1}.get(urgency, 2)
