"""Who has an incident, and how it ends: acknowledge, resolve, reopen."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from django.db import transaction
from django.utils.translation import gettext

from incidents import announcements
from incidents.lifecycle.acting import (
    ALLOWED,
    ANSWERED,
    Actor,
    Moved,
    Refused,
    are_on,
    day_and_clock,
    on_locked,
    standing,
    write,
)
from incidents.lifecycle.noting import A_MOMENT, keep_note
from incidents.lifecycle.paging import (
    ENDED_BY_ACKNOWLEDGE,
    ENDED_BY_RESOLVE,
    PROMISED,
    end_paging,
    forget_promise,
    start_episode,
)
from incidents.lifecycle.promising import Promise, keep
from incidents.lifecycle.promising import until as promise_until
from incidents.models import ASKED, Incident, TimelineEntry
from incidents.signals import incident_moved
from notifications import outbox
from notifications.models import Notification
from schedules.models import User
from schedules.transactions import repeat_on_conflict

State = Incident.State
Kind = TimelineEntry.Kind


def acknowledge(
    incident_id: int, by: Actor, *, now: datetime, promise: Promise | None = None
) -> Moved:
    """Take ownership: stop the escalation and tell the timeline who did.

    Says who was first when somebody was; two responders tapping the button together is normal.
    After this commits no page of the incident can be claimed by any worker. Somebody who has been
    switched off since they opened the page or link cannot own it.

    An owner who does it again renews it: the question whether it is still theirs is answered and
    comes again, counted from now. Somebody who was called to an incident of somebody else says
    that they come. `promise` is when the owner wants to be asked.
    """

    def act(incident: Incident) -> Moved:
        if incident.state == State.ACKNOWLEDGED and by.user is not None:
            if incident.owner_id == by.user.pk:
                return _renew(incident, by, promise, now)
            if moved := _come(incident, by, by.user, now):
                return moved
        if State.ACKNOWLEDGED not in ALLOWED[incident.state]:
            return Moved(False, incident, standing(incident, by))
        _take(incident, by, promise, now)
        return Moved(True, incident, yours(incident) + asks_at(incident, by, now))

    return _on_behalf(incident_id, by, act)


def take_over(incident_id: int, by: Actor, *, now: datetime) -> Moved:
    """Become the owner, whoever was that."""

    def act(incident: Incident) -> Moved:
        if not incident.is_open or incident.owner == by.user:
            return Moved(False, incident, standing(incident, by))
        if incident.state == State.TRIGGERED:
            _take(incident, by, None, now)
            return Moved(True, incident, yours(incident))
        before = incident.holder
        # What the owner before was to be told or asked is no news for them any more.
        _end_questions(incident, f"{by.label} has it", now)
        incident.ask_after = None
        _own(incident, by, None, now)
        write(incident, Kind.REASSIGNED, f"{by.label} took it over from {before}.", by, now)
        incident.save(update_fields=_OWNED)
        announcements.answered(incident, "acknowledged", by.label, by.user, now=now)
        return Moved(True, incident, f"#{incident.pk} is yours; {before} had it.")

    return _on_behalf(incident_id, by, act)


def _on_behalf(incident_id: int, by: Actor, act: Callable[[Incident], Moved]) -> Moved:
    """Do what makes this person an owner, if they are still on."""

    def attempt() -> Moved:
        with transaction.atomic():
            if by.user is not None and not are_on([by.user]):
                incident = Incident.objects.get(pk=incident_id)
                return Moved(False, incident, "This person is switched off.")
            return on_locked(incident_id, act)

    return repeat_on_conflict(attempt)


_OWNED = [*ANSWERED, *PROMISED, "grown_at", "nobody_reached_at", "planning_failed_at"]


def _take(incident: Incident, by: Actor, promise: Promise | None, now: datetime) -> None:
    end_paging(incident, ENDED_BY_ACKNOWLEDGE, f"acknowledged by {by.label}", now=now)
    _own(incident, by, promise, now)
    kind, text = Kind.ACKNOWLEDGED, f"Acknowledged by {by.label}."
    if incident.is_snoozed:
        kind, text = Kind.SNOOZED, f"Acknowledged and snoozed by {by.label}."
    write(incident, kind, f"{text}{asks_at(incident, by, now)}", by, now)
    incident.save(update_fields=_OWNED)
    announcements.answered(incident, "acknowledged", by.label, by.user, now=now)


def _own(incident: Incident, by: Actor, promise: Promise | None, now: datetime) -> None:
    incident.state, incident.owner = State.ACKNOWLEDGED, by.user
    incident.owner_label = "" if by.user else by.label[:120]
    incident.acknowledged_at, incident.escalate_at = now, None
    incident.nobody_reached_at = incident.planning_failed_at = None
    incident.held_at = None
    # Whoever has it now has been told of nothing yet.
    incident.grown_at = None
    keep(incident, promise, now)


def _renew(incident: Incident, by: Actor, promise: Promise | None, now: datetime) -> Moved:
    """The owner says that it is still theirs; a second tap a moment later says nothing new."""
    before, was_asked = incident.ask_at, incident.asked_at is not None
    was_snoozed = incident.is_snoozed
    keep(incident, promise, now)
    same = before == incident.ask_at or (
        before and incident.ask_at and abs(incident.ask_at - before) < A_MOMENT
    )
    if same and not was_asked and was_snoozed == incident.is_snoozed:
        incident.refresh_from_db()
        return Moved(False, incident, standing(incident, by))
    _end_questions(incident, f"{by.label} still has it", now)
    kind = Kind.SNOOZED if incident.is_snoozed else Kind.ACKNOWLEDGED
    text = f"{by.label} {'snoozed it' if incident.is_snoozed else 'still has it'}."
    write(incident, kind, f"{text}{asks_at(incident, by, now)}", by, now)
    incident.save(update_fields=[*PROMISED, "revision"])
    text = gettext("#%(number)s is still yours.") % {"number": incident.pk}
    return Moved(True, incident, text + asks_at(incident, by, now))


def _end_questions(incident: Incident, why: str, now: datetime) -> None:
    end_paging(incident, (Notification.Purpose.ASK_OWNER,), why, now=now)


def _come(incident: Incident, by: Actor, user: User, now: datetime) -> Moved | None:
    """Somebody who was called to it by hand, since its owner took it, answers that call."""
    called = incident.pages.filter(
        user=user, step=ASKED, answered_at=None, created_at__gte=incident.acknowledged_at
    )
    if not called.update(answered_at=now):
        return None
    outbox.cancel_person(incident.thread, user, now=now, reason=f"{user} comes")
    write(incident, Kind.ACKNOWLEDGED, f"{user} comes to help.", by, now)
    incident.save(update_fields=["revision"])
    text = gettext("They know that you come.")
    return Moved(True, incident, f"{text} {standing(incident, by)}")


def snooze(incident_id: int, by: Actor, until: datetime, *, now: datetime) -> Moved:
    """Acknowledge it until then: the owner is asked at the end, and paging starts anew if silent.

    Only its owner can snooze what somebody has. Raises Refused for a time that is no end.
    """
    return acknowledge(incident_id, by, now=now, promise=promise_until(until, now, is_snooze=True))


def resolve(incident_id: int, by: Actor, *, now: datetime, note: str = "") -> Moved:
    """Close the incident: nothing more is sent about it.

    Alerts that still fire become "answered": their repeats page nobody until they start anew.
    A note is kept even if somebody else was first.
    """

    def act(incident: Incident) -> Moved:
        is_noted = bool(note) and keep_note(incident, by, note, now)
        if not incident.is_open:
            if is_noted:
                incident.save(update_fields=["revision"])
            kept = " Your note was added." if is_noted else ""
            return Moved(False, incident, standing(incident, by) + kept)
        resolve_locked(incident, by, by_monitor=False, now=now)
        return Moved(True, incident, gettext("#%(number)s is resolved.") % {"number": incident.pk})

    return on_locked(incident_id, act)


def resolve_locked(incident: Incident, by: Actor, *, by_monitor: bool, now: datetime) -> None:
    """Resolve an open incident whose row the caller has locked, in the caller's transaction."""
    incident_moved.send(
        sender=Incident, incident=incident, move="resolved", by_monitor=by_monitor, now=now
    )
    end_paging(incident, ENDED_BY_RESOLVE, f"resolved by {by.label}", now=now)
    incident.state, incident.resolved_at = State.RESOLVED, now
    incident.escalate_at = None
    forget_promise(incident)
    incident.nobody_reached_at = incident.planning_failed_at = None
    write(incident, Kind.RESOLVED, f"Resolved by {by.label}.", by, now)
    incident.save(
        update_fields=[
            *(*ANSWERED, *PROMISED, "resolved_at"),
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
        if (other := incident.merged_into) is not None:
            raise Refused(f"#{incident.pk} is part of #{other.pk}: look there.", other)
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

    return on_locked(incident_id, act, itself=True)


def asks_at(incident: Incident, by: Actor, now: datetime) -> str:
    """A sentence about when its owner is asked, with a blank before it; empty if never."""
    if incident.ask_at is None:
        return ""
    at = day_and_clock(incident.ask_at, by, now)
    return f" {gettext('PagerPal asks again at %(at)s.') % {'at': at}}"


def yours(incident: Incident) -> str:
    return gettext("#%(number)s is yours.") % {"number": incident.pk}
