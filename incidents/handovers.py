"""The note at the hand-over itself, to whoever comes on and to the team's channels that want it."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.db import transaction
from django.urls import reverse

from incidents.models import Incident
from notifications import outbox
from notifications.models import UNFINISHED, Notification, TeamChannel
from notifications.outbox import Note
from notifications.reminders import facts_of, ref_of, who_hands_over
from schedules import oncall
from schedules.models import Rotation, Team
from schedules.oncall import PlannedShift
from schedules.transactions import repeat_on_conflict

log = logging.getLogger(__name__)
Purpose = Notification.Purpose

PREFIX = "handover:"
# The worker was down: a note this late is still one about coming on.
LATE = timedelta(hours=2)
MOST_INCIDENTS = 10


def tell(now: datetime) -> None:
    """Write the notes of the duties that have just begun, each once; cheap when none has."""
    rotations = Rotation.objects.filter(is_active=True, team__is_active=True)
    begun = _begun(rotations.select_related("team"), now)
    _take_back(begun, now)
    channels = _channels(begun)
    known = _known([ref for duty in begun for ref in _refs(duty, channels)])
    for duty in begun:
        if set(_refs(duty, channels)) - known:
            try:
                repeat_on_conflict(lambda duty=duty: _tell(duty.rotation.pk, now))  # type: ignore[misc]
            except Exception:
                log.exception("the hand-over of rotation %s cannot be told", duty.rotation.pk)


def _begun(rotations: Iterable[Rotation], now: datetime) -> list[PlannedShift]:
    """The duties that began in the last two hours and are still going on."""
    found = oncall.duties(rotations, now - LATE, now + timedelta(seconds=1))
    return [
        duty
        for duties in found.values()
        for duty in duties
        if now - LATE < duty.starts_at <= now < duty.ends_at
    ]


def _channels(duties: Iterable[PlannedShift]) -> dict[int, list[TeamChannel]]:
    """By team, those that want to know."""
    teams = {duty.rotation.team_id for duty in duties}
    found: dict[int, list[TeamChannel]] = defaultdict(list)
    if teams:
        wanting = TeamChannel.objects.filter(team__in=teams, is_on=True, wants_handovers=True)
        for channel in wanting.select_related("team"):
            found[channel.team_id].append(channel)
    return found


def _refs(duty: PlannedShift, channels: dict[int, list[TeamChannel]]) -> list[str]:
    """What should have been written by now."""
    person = duty.person
    refs = [_ref_of_channel(duty, one) for one in channels[duty.rotation.team_id]]
    if person is not None and person.wants_handover_note:
        refs.append(_ref_of_person(duty))
    return refs


def _ref_of_person(duty: PlannedShift) -> str:
    return ref_of(PREFIX, duty, f"{duty.person.pk if duty.person else 0}")


def _ref_of_channel(duty: PlannedShift, channel: TeamChannel) -> str:
    return f"{_ref_of_person(duty)}/channel:{channel.pk}"


def _known(refs: list[str]) -> set[str]:
    if not refs:
        return set()
    written = Notification.objects.filter(ref__in=refs).exclude(state=Notification.State.CANCELLED)
    return set(written.values_list("ref", flat=True))


def _take_back(begun: Iterable[PlannedShift], now: datetime) -> None:
    """An edit may end a duty before its note has gone out."""
    waiting = Notification.objects.filter(
        purpose=Purpose.HANDOVER, void_at__gt=now, state__in=UNFINISHED, cancelled_at=None
    )
    true = tuple(_ref_of_person(duty) for duty in begun)
    gone = [ref for ref in waiting.values_list("ref", flat=True) if not ref.startswith(true)]
    outbox.cancel_refs(gone, now=now, reason="this shift is gone")


def _tell(rotation_id: int, now: datetime) -> None:
    with transaction.atomic():
        # The lock lets one at a time decide what is missing.
        locked = Rotation.objects.select_for_update(no_key=True, of=("self",))
        rotation = locked.select_related("team").filter(pk=rotation_id).first()
        if rotation is None or not rotation.is_active:
            return
        begun = _begun([rotation], now)
        before = who_hands_over(begun)
        for duty in begun:
            facts = facts_of(duty, before[rotation.pk, duty.starts_at]) | _open(rotation)
            _write(duty, facts, now)


def _write(duty: PlannedShift, facts: dict[str, Any], now: datetime) -> None:
    """To the person and the channels; what was written before adds nothing."""
    person = duty.person
    if person is not None and person.wants_handover_note:
        outbox.tell(person, _note(_ref_of_person(duty), duty, facts, now), now=now)
    for channel in _channels([duty])[duty.rotation.team_id]:
        note = _note(_ref_of_channel(duty, channel), duty, {**facts, "who": str(person)}, now)
        outbox.tell_channel(channel, note, now=now)


def _note(ref: str, duty: PlannedShift, facts: dict[str, Any], now: datetime) -> Note:
    return Note(
        purpose=Purpose.HANDOVER,
        thread=ref_of("shift:", duty, f"{duty.person.pk if duty.person else 0}"),
        ref=ref,
        team_id=duty.rotation.team_id,
        context=facts,
        due_at=now,
        void_at=min(duty.starts_at + LATE, duty.ends_at),
    )


def _open(rotation: Rotation) -> dict[str, Any]:
    """What the team has not resolved, and where to see it."""
    opened = Incident.objects.open().filter(team=rotation.team_id, is_test=False)
    count = opened.count()
    shown = opened.urgent_first()[:MOST_INCIDENTS] if count else []
    return {
        "incidents": [_named(incident, rotation.team) for incident in shown],
        "more": max(0, count - MOST_INCIDENTS),
        "open_path": f"{reverse('incidents:list')}?team={rotation.team_id}",
    }


def _named(incident: Incident, team: Team) -> str:
    what = incident.severity if team.is_discreet else incident.title
    return f"#{incident.pk} {what}"
