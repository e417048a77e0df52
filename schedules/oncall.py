"""The questions about who is on call, answered from the tables."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable
from datetime import datetime
from typing import Literal, cast

from schedules import shifts
from schedules.models import Override, OverrideQuerySet, Rotation, RotationMember, User
from schedules.shifts import Cadence, Cover, Shift


def who_is_on_call(rotation: Rotation, at: datetime) -> User | None:
    """Whoever would be paged; None also where that person or the rotation is switched off."""
    if not rotation.is_active:
        return None
    covers = _covers(rotation.overrides.current(at))
    return _person(shifts.on_call(_cadence_of(rotation), covers, at))


def on_call_ids(rotation_ids: Collection[int], at: datetime) -> dict[int, int | None]:
    """The same question for many rotations at once, in three queries."""
    answers: dict[int, int | None] = dict.fromkeys(rotation_ids)
    rotations = list(Rotation.objects.filter(pk__in=answers, is_active=True))
    members, inactive = _members(rotations)
    covers: defaultdict[int, list[Cover]] = defaultdict(list)
    current = Override.objects.current(at).in_order_of_creation()
    for row in current.filter(rotation__in=rotations).select_related("user"):
        covers[row.rotation_id].append(_cover(row))
        if row.user and not row.user.is_active:
            inactive.add(row.user.pk)
    for rotation in rotations:
        cadence = _cadence(rotation, members[rotation.pk])
        user = shifts.on_call(cadence, covers[rotation.pk], at)
        answers[rotation.pk] = None if user in inactive else user
    return answers


def people_on_call(rotation_ids: Collection[int], at: datetime) -> dict[int, User | None]:
    """As `on_call_ids`, with the people themselves: one query more."""
    ids = on_call_ids(rotation_ids, at)
    people = User.objects.in_bulk({user for user in ids.values() if user is not None})
    return {rotation: people.get(user) if user else None for rotation, user in ids.items()}


def next_handover(rotation: Rotation, at: datetime) -> datetime | None:
    """When the next change of person comes; None if none ever does."""
    if not rotation.is_active:
        return None
    covers = _covers(rotation.overrides.not_over(at))
    return shifts.next_handover(_cadence_of(rotation), covers, at)


def next_on_call(rotation: Rotation, at: datetime) -> tuple[datetime, User | None] | None:
    """When the next change comes, and who is on call from then on."""
    if not rotation.is_active:
        return None
    cadence, covers = _cadence_of(rotation), _covers(rotation.overrides.not_over(at))
    moment = shifts.next_handover(cadence, covers, at)
    if moment is None:
        return None
    return moment, _person(shifts.on_call(cadence, covers, moment))


def planned(rotation: Rotation, start: datetime, end: datetime) -> list[tuple[Shift, User | None]]:
    """Every shift that touches the window, with its person; None where nobody would be paged."""
    if not rotation.is_active:
        return []
    covers = _covers(rotation.overrides.not_over(start))
    found = shifts.shifts(_cadence_of(rotation), covers, start, end)
    ids = {shift.user for shift in found if shift.user is not None}
    people = User.objects.filter(is_active=True).in_bulk(ids)
    return [(shift, people.get(shift.user) if shift.user else None) for shift in found]


def _person(user_id: int | None) -> User | None:
    if user_id is None:
        return None
    return User.objects.filter(pk=user_id, is_active=True).first()


def _cadence_of(rotation: Rotation) -> Cadence:
    return _cadence(rotation, rotation.members.values_list("user_id", flat=True))


def _cadence(rotation: Rotation, members: Iterable[int]) -> Cadence:
    return Cadence(
        every=rotation.every,
        unit=cast(Literal["days", "weeks"], rotation.unit),
        starts_on=rotation.starts_on,
        handover_time=rotation.handover_time,
        zone=rotation.time_zone,
        members=tuple(members),
    )


def _covers(overrides: OverrideQuerySet) -> list[Cover]:
    return [_cover(row) for row in overrides.in_order_of_creation()]


def _cover(row: Override) -> Cover:
    return Cover(row.user_id, row.starts_at, row.ends_at)


def _members(rotations: Collection[Rotation]) -> tuple[defaultdict[int, list[int]], set[int]]:
    """The people of each rotation in their order, and which of them are switched off."""
    members: defaultdict[int, list[int]] = defaultdict(list)
    inactive: set[int] = set()
    rows = RotationMember.objects.filter(rotation__in=rotations)
    for rotation, user, is_active in rows.values_list("rotation", "user", "user__is_active"):
        members[rotation].append(user)
        if not is_active:
            inactive.add(user)
    return members, inactive
