"""Reminders: one for each person before each of their duties, kept true while schedules change.

A reminder is named by rotation, person and start of the duty. What should be written is compared
with what is, so that doing it again, late, or after an edit ends in the same reminders.
"""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Collection, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db import OperationalError, transaction
from django.db.models import F, Max
from django.dispatch import receiver
from django.urls import reverse

from notifications import outbox
from notifications.models import TAKEN, UNFINISHED, Notification
from notifications.outbox import Note
from schedules import oncall, quiet
from schedules.models import Rotation, User
from schedules.oncall import PlannedShift
from schedules.signals import person_left, schedule_changed
from schedules.transactions import repeat_on_conflict

log = logging.getLogger(__name__)
State = Notification.State
Purpose = Notification.Purpose

PREFIX = "reminder:"
# Written this long before they are due. Not longer: an address may change meanwhile.
AHEAD = timedelta(hours=1)
# A duty that is longer has no end as far as anybody plans.
LONGEST = timedelta(days=366)
# How far back whoever hands over may have been on call, where nobody is outside the windows.
LOOK_BACK = timedelta(days=7)


@dataclass(frozen=True)
class _Wanted:
    """A reminder that should be written by now."""

    duty: PlannedShift
    person: User
    due_at: datetime

    @property
    def ref(self) -> str:
        return ref_of(PREFIX, self.duty, f"{self.person.pk}")


@dataclass
class _Changes:
    """What to do to one rotation's reminders."""

    gone: list[str] = field(default_factory=list)
    altered: list[tuple[_Wanted, dict[str, Any]]] = field(default_factory=list)
    missing: list[tuple[_Wanted, dict[str, Any], list[outbox.Call]]] = field(default_factory=list)


def plan(now: datetime) -> None:
    """Write, alter and cancel reminders until they are as they should be; cheap when they are."""
    rotations = Rotation.objects.filter(is_active=True, team__is_active=True)
    for pk in sorted(_changes(list(rotations.select_related("team")), _written(now), now)):
        try:
            repeat_on_conflict(lambda pk=pk: _keep_true(pk, now))  # type: ignore[misc]
        except Exception:
            log.exception("the reminders of rotation %s cannot be planned", pk)


@receiver(schedule_changed)
def follow(*, rotation_ids: Collection[int], now: datetime, **_: Any) -> None:
    """Let an edit act at once, in its transaction; should that fail, the next round mends it."""
    for pk in sorted(rotation_ids):
        try:
            with transaction.atomic():
                _keep_true(pk, now)
        except OperationalError:
            raise  # the edit itself is lost, and begun again by whoever made it
        except Exception:
            log.exception("the reminders of rotation %s cannot follow an edit", pk)


@receiver(person_left)
def forget(*, user: User, now: datetime, team: Any = None, **_: Any) -> None:
    """Nobody is told of what is no longer theirs. Rows of no incident: no lock precedes theirs."""
    outbox.cancel_notes(user, team, now=now, reason=f"{user} has left")


def ref_of(prefix: str, duty: PlannedShift, whom: str) -> str:
    """Names a message about a duty: rotation, recipient, start in UTC."""
    starts_at = duty.starts_at.astimezone(UTC)
    return f"{prefix}{duty.rotation.pk}/{whom}/{starts_at:%Y-%m-%dT%H:%M:%SZ}"


def facts_of(duty: PlannedShift, hands_over: User | None) -> dict[str, Any]:
    """What a message about a duty says: plain JSON values, times in ISO 8601 UTC."""
    is_endless = duty.ends_at - duty.starts_at > LONGEST
    return {
        "team": duty.rotation.team.name,
        "rotation": duty.rotation.name,
        "starts_at": duty.starts_at.isoformat(),
        "ends_at": None if is_endless else duty.ends_at.isoformat(),
        "hands_over": str(hands_over or ""),
        "open_path": f"{reverse('schedules:calendar')}?team={duty.rotation.team_id}",
    }


def who_hands_over(duties: Iterable[PlannedShift]) -> dict[tuple[int, datetime], User | None]:
    """By rotation and start of each of these duties: whoever was on call before.

    None where nobody was, except for the time outside the windows, which does not count.
    """
    starts = {(duty.rotation.pk, duty.starts_at) for duty in duties}
    if not starts:
        return {}
    first, last = min(at for _, at in starts), max(at for _, at in starts)
    rotations = {duty.rotation.pk: duty.rotation for duty in duties}.values()
    found = oncall.plans(rotations, first - LOOK_BACK, last)
    return {(pk, at): _before(found[pk], at) for pk, at in starts}


def _before(stretches: list[PlannedShift], at: datetime) -> User | None:
    for stretch in reversed(stretches):
        if stretch.ends_at > at:
            continue
        if stretch.ends_at < at or stretch.person or stretch.why != "outside":
            return stretch.person if stretch.ends_at == at else None
        at = stretch.starts_at
    return None


def _keep_true(pk: int, now: datetime) -> None:
    with transaction.atomic():
        # The lock lets one at a time decide what is missing.
        locked = Rotation.objects.select_for_update(no_key=True, of=("self",))
        rotation = locked.select_related("team").filter(pk=pk).first()
        is_on = rotation is not None and rotation.is_active and rotation.team.is_active
        rotations = [rotation] if rotation and is_on else []
        changes = _changes(rotations, _written(now, pk), now).get(pk, _Changes())
        outbox.cancel_refs(changes.gone, now=now, reason="this shift is gone")
        for wanted, facts in changes.altered:
            _alter(wanted, facts, now)
        for wanted, facts, calls in changes.missing:
            outbox.tell(wanted.person, _note(wanted, facts, now), now=now, calls=calls)


def _note(wanted: _Wanted, facts: dict[str, Any], now: datetime) -> Note:
    starts_at = wanted.duty.starts_at
    return Note(
        purpose=Purpose.REMINDER,
        thread=ref_of("shift:", wanted.duty, f"{wanted.person.pk}"),
        ref=wanted.ref,
        team_id=wanted.duty.rotation.team_id,
        context=facts,
        due_at=max(wanted.due_at, now),
        void_at=starts_at,
    )


def _alter(wanted: _Wanted, facts: dict[str, Any], now: datetime) -> None:
    """What has not gone out meanwhile; the addresses in reserve stay in reserve."""
    rows = Notification.objects.filter(ref=wanted.ref, state=State.PENDING, attempts=0)
    rows.update(context=facts)
    rows.filter(due_at__lt=F("void_at")).update(due_at=max(wanted.due_at, now))


def _written(now: datetime, rotation: int | None = None) -> dict[int, dict[str, list[Any]]]:
    """The reminders of shifts to come, by rotation and ref, each with its rows."""
    rows = Notification.objects.filter(purpose=Purpose.REMINDER, void_at__gt=now).order_by("pk")
    if rotation is not None:
        rows = rows.filter(ref__startswith=f"{PREFIX}{rotation}/")
    found: dict[int, dict[str, list[Any]]] = defaultdict(lambda: defaultdict(list))
    for row in rows.only("ref", "state", "cancelled_at", "attempts", "due_at", "context"):
        found[int(row.ref.removeprefix(PREFIX).partition("/")[0])][row.ref].append(row)
    return found


def _changes(
    rotations: list[Rotation], written: dict[int, dict[str, list[Any]]], now: datetime
) -> dict[int, _Changes]:
    """What is to be done, by rotation; nothing for those whose reminders are as they should be."""
    wanted = {one.ref: one for one in _wanted(rotations, now)}
    known = {ref: rows for refs in written.values() for ref, rows in refs.items()}
    found: dict[int, _Changes] = defaultdict(_Changes)
    for pk, refs in written.items():
        gone = [ref for ref, rows in refs.items() if ref not in wanted and _is_unfinished(rows)]
        if gone:
            found[pk].gone = gone
    missing = _without_the_told([one for one in wanted.values() if not _says(known, one.ref)])
    waiting = {ref: row for ref in wanted if (row := _waiting(known.get(ref, [])))}
    before = who_hands_over([one.duty for one in [*missing, *(wanted[ref] for ref in waiting)]])
    for ref, row in waiting.items():
        one = wanted[ref]
        facts = facts_of(one.duty, before[one.duty.rotation.pk, one.duty.starts_at])
        if row.context != facts or max(row.due_at, now) != max(one.due_at, now):
            found[one.duty.rotation.pk].altered.append((one, facts))
    calls = outbox.calls_of([one.person for one in missing], "low") if missing else {}
    for one in missing:
        if calls[one.person.pk]:
            facts = facts_of(one.duty, before[one.duty.rotation.pk, one.duty.starts_at])
            found[one.duty.rotation.pk].missing.append((one, facts, calls[one.person.pk]))
    return found


def _wanted(rotations: list[Rotation], now: datetime) -> Iterable[_Wanted]:
    """What is due within the hour, or was, for shifts that have not begun."""
    people = User.objects.filter(is_active=True)
    seen = people.aggregate(hours=Max("remind_hours"), quiet=Max("quiet_from"))
    if not rotations or not seen["hours"]:
        return
    # What would be void at the end of quiet hours is said before they begin.
    ahead = AHEAD + timedelta(hours=seen["hours"], days=seen["quiet"] is not None)
    found = oncall.duties(rotations, now, now + ahead)
    for duty in (duty for duties in found.values() for duty in duties):
        person = duty.person
        if person is None or not person.remind_hours or duty.starts_at <= now:
            continue
        due_at = duty.starts_at - timedelta(hours=person.remind_hours)
        due_at = quiet.moved(person, due_at, duty.starts_at)
        if due_at <= now + AHEAD:
            yield _Wanted(duty, person, due_at)


def _is_unfinished(rows: list[Any]) -> bool:
    return any(row.state in UNFINISHED and row.cancelled_at is None for row in rows)


def _says(known: dict[str, list[Any]], ref: str) -> bool:
    """Whether it was said, or could not be, or will be; what was cancelled may be written anew."""
    return any(row.state != State.CANCELLED for row in known.get(ref, []))


def _waiting(rows: list[Any]) -> Any:
    """The row that is to go out first, while nothing of it has been tried."""
    pending = [row for row in rows if row.state == State.PENDING]
    is_untried = all(row.attempts == 0 for row in rows if row.state != State.CANCELLED)
    return min(pending, key=lambda row: row.pk) if pending and is_untried else None


def _without_the_told(missing: list[_Wanted]) -> list[_Wanted]:
    """A shift whose start was moved later reminds nobody twice of it."""
    return [one for one in missing if not _began_earlier(one)]


def _began_earlier(one: _Wanted) -> bool:
    """Whether this person was told of it when it was to begin earlier, and did not come on then."""
    starts_at, rotation = one.duty.starts_at, one.duty.rotation
    told = Notification.objects.filter(
        purpose=Purpose.REMINDER,
        user=one.person,
        ref__startswith=f"{PREFIX}{rotation.pk}/{one.person.pk}/",
        state__in=(*TAKEN, State.SENDING),
        void_at__lt=starts_at,
        void_at__gt=starts_at - LONGEST,
    )
    for row in told.order_by("-void_at")[:5]:
        ends_at = row.context.get("ends_at")
        if ends_at and datetime.fromisoformat(ends_at) <= starts_at:
            continue
        if row.void_at and oncall.who_is_on_call(rotation, row.void_at) != one.person:
            return True
    return False
