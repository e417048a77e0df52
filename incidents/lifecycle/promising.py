"""When owners are asked whether an incident is still theirs, and what their silence means."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction

from incidents import timeline
from incidents.facts import facts_for
from incidents.lifecycle.acting import Refused
from incidents.lifecycle.paging import release
from incidents.models import Incident, TimelineEntry
from notifications import outbox
from notifications.kicks import SEND_DUE, kick
from notifications.models import Notification
from schedules.counting import Due
from schedules.transactions import repeat_on_conflict

Kind = TimelineEntry.Kind
NOTHING = outbox.Written(0, None, None)
TO_ASK = Due(Incident, "ask_at", "state = 'acknowledged' AND held_at IS NULL")

# Silent for this long after the question, an owner has lost the incident.
ANSWER_WITHIN = timedelta(minutes=5)
# A promise that nobody remembers is none.
LONGEST = timedelta(days=30)


@dataclass(frozen=True)
class Promise:
    """When to ask; `after`: counted anew from each acknowledgement; a snooze says its end."""

    at: datetime
    after: timedelta | None = None
    is_snooze: bool = False


@dataclass(frozen=True)
class Asked:
    """One incident whose owner was asked, or has lost it, and what was written to be sent."""

    incident_id: int
    written: outbox.Written = NOTHING


def look_again(after: timedelta, now: datetime) -> Promise:
    return Promise(now + after, after)


def until(moment: datetime, now: datetime, *, is_snooze: bool) -> Promise:
    """Raises Refused for an end that has passed, or is further off than anybody looks."""
    if moment <= now:
        raise Refused("That time has passed: choose one that is still to come.")
    if moment > now + LONGEST:
        raise Refused(f"That is too far off: {LONGEST.days} days are the most.")
    return Promise(moment, is_snooze=is_snooze)


def keep(incident: Incident, promise: Promise | None, now: datetime) -> None:
    """Set when the owner is asked next: as they chose, now or before; else as their team does."""
    chosen = promise or _as_usual(incident, now)
    incident.asked_at = None
    incident.ask_at = chosen.at if chosen else None
    incident.ask_after = chosen.after if chosen else None
    incident.snoozed_until = chosen.at if chosen and chosen.is_snooze else None


def _as_usual(incident: Incident, now: datetime) -> Promise | None:
    if incident.urgency == Incident.Urgency.NONE:
        return None
    if incident.ask_after:
        return look_again(incident.ask_after, now)
    timeout = incident.team.acknowledge_timeout
    return Promise(now + timeout) if timeout else None


def count_to_ask(now: datetime, *, most: int = 100) -> int:
    """How many owners are to be asked now, or have been silent, counted up to `most`."""
    return TO_ASK.count(now, most=most)


def ask_next(now: datetime) -> Asked | None:
    """Ask the owner who has waited longest; one who was asked and is silent loses the incident.

    None when there is none, or others are at all of them.
    """
    waiting = Incident.objects.to_ask(now).order_by("ask_at", "pk")
    for pk in list(waiting.values_list("pk", flat=True)[: settings.WORKERS]):
        if asked := repeat_on_conflict(lambda pk=pk: _ask_or_take(pk, now)):  # type: ignore[misc]
            return asked
    return None


def _ask_or_take(pk: int, now: datetime) -> Asked | None:
    with transaction.atomic():
        locked = Incident.objects.to_ask(now).select_for_update(skip_locked=True, no_key=True)
        incident = locked.filter(pk=pk).first()
        if incident is None:
            return None
        if incident.asked_at is None:
            return Asked(pk, _ask(incident, now))
        release(incident, now=now, why=f"{incident.owner or 'its owner'} did not answer")
        return Asked(pk)


def _ask(incident: Incident, now: datetime) -> outbox.Written:
    written = _write_question(incident, now)
    if not written.rows:
        who = incident.owner or "Its owner"
        text = f"{who} could not be asked whether it is still theirs."
        timeline.write(incident, Kind.NOT_PAGED, text, at=now, via="engine")
        release(incident, now=now, why="its owner could not be asked")
        return NOTHING
    text = f"{incident.owner} is asked whether it is still theirs."
    timeline.write(incident, Kind.ASKED, text, at=now, via="engine")
    # Quiet hours may put the question off: until it comes, silence says nothing.
    incident.asked_at, incident.snoozed_until = now, None
    incident.ask_at = max(now, written.earliest_due or now) + ANSWER_WITHIN
    incident.save(update_fields=["asked_at", "snoozed_until", "ask_at", "revision"])
    if written.rows > 1:
        kick(SEND_DUE)
    return written


def _write_question(incident: Incident, now: datetime) -> outbox.Written:
    owner = incident.owner
    if owner is None:
        return NOTHING
    return outbox.page_person(
        owner,
        purpose=Notification.Purpose.ASK_OWNER,
        thread=incident.thread,
        ref=f"ask:{incident.pk}/{incident.revision}",
        team_id=incident.team_id,
        urgency=incident.urgency,
        rank=incident.rank,
        context=facts_for(incident, owner),
        now=now,
    )
