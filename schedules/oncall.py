"""The questions about who is on call, answered from the tables.

What lies before a rotation's `recorded_until` is answered from its records, the rest is computed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from datetime import date, datetime, time
from typing import cast

from django.db import connection
from django.db.models import QuerySet

from schedules import shifts
from schedules.models import (
    Override,
    OverrideQuerySet,
    Rotation,
    RotationMember,
    RotationWindow,
    ShiftRecord,
    User,
)
from schedules.shifts import Cadence, Cover, Kept, Shift, Unit, Why, Window

# What a shifts.Cover is made of, in its order.
COVER = ("user", "starts_at", "ends_at", "pk")
# Written out: who is on call now is asked for every page, and to build these statements costs the
# ORM ten times what it takes to run them.
MEMBERS = (
    "SELECT user_id FROM schedules_rotationmember WHERE rotation_id = %s ORDER BY position, id"
)
WINDOWS = "SELECT id, days, starts, ends FROM schedules_rotationwindow WHERE rotation_id = %s"


@dataclass(frozen=True)
class PlannedShift:
    """A stretch of a rotation with its people; `person` is None where nobody would be paged.

    `instead_of`: whose turn a cover takes, or who is switched off.
    """

    rotation: Rotation
    person: User | None
    starts_at: datetime
    ends_at: datetime
    is_cover: bool
    instead_of: tuple[User, ...] = ()
    why: Why = ""
    override_id: int | None = None

    @property
    def is_gap(self) -> bool:
        """Nobody, and not on purpose."""
        return self.person is None and self.why not in shifts.ON_PURPOSE


def who_is_on_call(rotation: Rotation, at: datetime) -> User | None:
    """Whoever would be paged; None also where that person or the rotation is switched off.

    For the past, whoever was on call then.
    """
    if _is_recorded(rotation, at):
        record = _recorded_at([rotation.pk], at).select_related("user").first()
        return record.user if record else None
    if not rotation.is_active:
        return None
    covers = _covers(rotation.overrides.current(at))
    return _person(shifts.on_call(cadence_of(rotation), covers, at))


def on_call_ids(rotation_ids: Collection[int], at: datetime) -> dict[int, int | None]:
    """The same question for many rotations at once, in three queries; one more for the past."""
    answers: dict[int, int | None] = dict.fromkeys(rotation_ids)
    rows = _rows(answers)
    past = [row.pk for row in rows if row.recorded_until and at < row.recorded_until]
    if past:
        answers.update(_recorded_at(past, at).values_list("rotation", "user"))
    live = {row.pk: row for row in rows if row.is_active and row.pk not in past}
    members, off = _members(live)
    covers: defaultdict[int, list[Cover]] = defaultdict(list)
    current = Override.objects.current(at).filter(rotation__in=live).in_order_of_creation()
    for pk, user, starts_at, ends_at, is_active in current.values_list(
        "rotation", "user", "starts_at", "ends_at", "user__is_active"
    ):
        covers[pk].append(Cover(user, starts_at, ends_at))
        if user is not None and not is_active:
            off.add(user)
    for pk, row in live.items():
        if row.kept_user_id is not None and not row.kept_is_on:
            off.add(row.kept_user_id)
        whose = shifts.on_call(_cadence(row, members[pk], row.windows), covers[pk], at)
        answers[pk] = None if whose in off else whose
    return answers


def people_on_call(rotation_ids: Collection[int], at: datetime) -> dict[int, User | None]:
    """As `on_call_ids`, with the people themselves: one query more."""
    ids = on_call_ids(rotation_ids, at)
    people = User.objects.in_bulk({user for user in ids.values() if user is not None})
    return {rotation: people.get(user) if user else None for rotation, user in ids.items()}


def next_handover(rotation: Rotation, at: datetime) -> datetime | None:
    """When the next change of person comes; None if none ever does."""
    change = next_on_call(rotation, at)
    return change[0] if change else None


def next_on_call(rotation: Rotation, at: datetime) -> tuple[datetime, User | None] | None:
    """When the next change comes, and who is on call from then on."""
    if not rotation.is_active:
        return None
    if _is_recorded(rotation, at):
        return _next_recorded(rotation, at)
    cadence, covers = cadence_of(rotation), _covers(rotation.overrides.not_over(at))
    moment = shifts.next_handover(cadence, covers, at)
    if moment is None:
        return None
    return moment, _person(shifts.on_call(cadence, covers, moment))


def _next_recorded(rotation: Rotation, at: datetime) -> tuple[datetime, User | None] | None:
    """From an instant of which there are records, at which alone changes before them are seen."""
    person, until = who_is_on_call(rotation, at), rotation.recorded_until
    later = ShiftRecord.objects.filter(rotation=rotation, starts_at__gt=at).exclude(user=person)
    if change := later.select_related("user").order_by("starts_at").first():
        return change.starts_at, change.user
    assert until is not None  # noqa: S101  the caller's guard
    now_on = who_is_on_call(rotation, until)
    return (until, now_on) if now_on != person else next_on_call(rotation, until)


def plans(
    rotations: Iterable[Rotation], start: datetime, end: datetime
) -> dict[int, list[PlannedShift]]:
    """Every stretch that touches the window, by rotation: at most five queries for all of them.

    In order and whole, neighbours that say the same joined. There are holes only where a rotation
    is or was switched off, or did not yet exist.
    """
    book = Book(rotations, start, end)
    found = {pk: book.timeline(pk, start, end) for pk in book.rotations}
    return book.with_people(found)


def duties(
    rotations: Iterable[Rotation], start: datetime, end: datetime
) -> dict[int, list[PlannedShift]]:
    """The duties that touch the window, only people's, by rotation; see `shifts.new_shifts`.

    What was on before an edit goes on after it. Of one that began or ends more than 35 days
    outside the window, the edge there need not be the real one.
    """
    book = Book(rotations, start - shifts.NEAR, end + shifts.FAR)

    def of(pk: int) -> list[Shift]:
        return shifts.whole_duties(lambda a, b: book.timeline(pk, a, b), start, end)

    return book.with_people({pk: of(pk) for pk in book.rotations})


class Book:
    """All that is known of some rotations around a window, read in five queries."""

    def __init__(self, rotations: Iterable[Rotation], start: datetime, end: datetime) -> None:
        self.rotations = {rotation.pk: rotation for rotation in rotations}
        near = {"rotation__in": self.rotations, "starts_at__lt": end, "ends_at__gt": start}
        # From the end of the records on, which what goes on in the window may have begun at.
        ends = {
            one.recorded_until
            for one in self.rotations.values()
            if one.recorded_until and one.is_active
        }
        self._covers: defaultdict[int, list[Cover]] = defaultdict(list)
        live = Override.objects.filter(**near | {"ends_at__gt": min(start, *ends, start)})
        rows = live.in_order_of_creation().values_list("rotation", *COVER)
        for pk, user, starts_at, ends_at, override in rows:
            self._covers[pk].append(Cover(user, starts_at, ends_at, override))
        last = ShiftRecord.objects.filter(
            rotation__in=self.rotations, ends_at__in=ends, ends_at__lte=start
        )
        records = ShiftRecord.objects.filter(**near).order_by().union(last.order_by(), all=True)
        self._records: defaultdict[int, list[Shift]] = defaultdict(list)
        for record in records.order_by("starts_at"):
            self._records[record.rotation_id].append(as_shift(record))
        self._cadences = _cadences(self.rotations)
        self._people = User.objects.in_bulk(self._named())

    def timeline(self, pk: int, start: datetime, end: datetime) -> list[Shift]:
        """What touches the window, whole and joined; nobody where a person is switched off."""
        recorded = self._records[pk]
        found = [shift for shift in recorded if shift.starts_at < end]
        if self.rotations[pk].is_active:
            found += self._computed(pk, start, end)
        joined = shifts.join(found)
        return [shift for shift in joined if shift.starts_at < end and shift.ends_at > start]

    def _computed(self, pk: int, start: datetime, end: datetime) -> Iterator[Shift]:
        """What touches the part of the window that is not recorded, cut where the records end."""
        since = self.rotations[pk].recorded_until or shifts.BEGINNING
        if recorded := self._records[pk]:  # perhaps further than when the rotation was read
            since = max(since, recorded[-1].ends_at)
        for shift in shifts.shifts(
            self._cadences[pk], self._covers[pk], max(start, since), end, joined=True
        ):
            shift = self._without_who_is_off(shift)
            yield replace(shift, starts_at=since) if shift.starts_at < since else shift

    def with_people(self, found: Mapping[int, list[Shift]]) -> dict[int, list[PlannedShift]]:
        return {pk: [self._planned(pk, shift) for shift in listed] for pk, listed in found.items()}

    def _planned(self, pk: int, shift: Shift) -> PlannedShift:
        return PlannedShift(
            rotation=self.rotations[pk],
            person=None if shift.user is None else self._people[shift.user],
            starts_at=shift.starts_at,
            ends_at=shift.ends_at,
            is_cover=shift.is_cover,
            instead_of=tuple(self._people[user] for user in shift.instead_of),
            why=shift.why,
            override_id=shift.override,
        )

    def _without_who_is_off(self, shift: Shift) -> Shift:
        if shift.user is None or self._people[shift.user].is_active:
            return shift
        return replace(shift, user=None, why="off", instead_of=(shift.user,))

    def _named(self) -> set[int]:
        """Everybody whom the cadences, covers and records name."""
        named = {cover.user for covers in self._covers.values() for cover in covers}
        for cadence in self._cadences.values():
            named.update(cadence.members, [cadence.kept.user] if cadence.kept else [])
        for shift in (shift for listed in self._records.values() for shift in listed):
            named.update({shift.user}, shift.instead_of)
        return {user for user in named if user is not None}


def cadence_of(rotation: Rotation) -> Cadence:
    """Its order and windows as they are stored, the rest as this instance says; two queries."""
    with connection.cursor() as cursor:
        cursor.execute(MEMBERS, [rotation.pk])
        members = [user for (user,) in cursor.fetchall()]
    windows = RotationWindow.objects.raw(WINDOWS, [rotation.pk])
    return _cadence(rotation, members, [_window(one.days, one.starts, one.ends) for one in windows])


def _cadences(rotations: Mapping[int, Rotation]) -> dict[int, Cadence]:
    """Two queries."""
    members: defaultdict[int, list[int]] = defaultdict(list)
    places = RotationMember.objects.filter(rotation__in=rotations)
    for pk, user in places.values_list("rotation", "user"):
        members[pk].append(user)
    windows: defaultdict[int, list[Window]] = defaultdict(list)
    rows = RotationWindow.objects.filter(rotation__in=rotations)
    for pk, days, starts, ends in rows.values_list("rotation", "days", "starts", "ends"):
        windows[pk].append(_window(days, starts, ends))
    return {pk: _cadence(rotation, members[pk], windows[pk]) for pk, rotation in rotations.items()}


def _cadence(
    rotation: Rotation | _Row, members: Iterable[int], windows: Iterable[Window]
) -> Cadence:
    kept = None
    if rotation.kept_user_id is not None and rotation.kept_until is not None:
        kept = Kept(rotation.kept_user_id, rotation.kept_until)
    return Cadence(
        every=rotation.every,
        unit=cast(Unit, rotation.unit),
        starts_on=rotation.starts_on,
        handover_time=rotation.handover_time,
        zone=rotation.time_zone,
        members=tuple(members),
        windows=tuple(windows),
        ends_on=rotation.ends_on,
        offset=rotation.offset,
        kept=kept,
    )


@dataclass
class _Row:
    """A rotation as `on_call_ids` reads it: plain values, and its windows with them."""

    pk: int
    is_active: bool
    every: int
    unit: str
    starts_on: date
    handover_time: time
    time_zone: str
    ends_on: date | None
    offset: int
    kept_user_id: int | None
    kept_until: datetime | None
    recorded_until: datetime | None
    kept_is_on: bool | None
    windows: list[Window] = field(default_factory=list)


def _rows(rotation_ids: Collection[int]) -> list[_Row]:
    """One query; a rotation comes once for each of its windows."""
    found: dict[int, _Row] = {}
    names = [one.name.removesuffix("_id") for one in fields(_Row)[:-2]]
    rows = Rotation.objects.filter(pk__in=rotation_ids).order_by().values_list(
        *names, "kept_user__is_active", "windows__days", "windows__starts", "windows__ends"
    )  # fmt: skip
    for *values, days, starts, ends in rows:
        row = found.setdefault(values[0], _Row(*values))
        if days is not None:
            row.windows.append(_window(days, starts, ends))
    return list(found.values())


def _window(days: str, starts: time, ends: time) -> Window:
    return Window(frozenset(int(day) for day in days), starts, ends)


def _members(rotation_ids: Collection[int]) -> tuple[defaultdict[int, list[int]], set[int]]:
    """The people of each rotation in their order, and which of them are switched off."""
    members: defaultdict[int, list[int]] = defaultdict(list)
    off: set[int] = set()
    rows = RotationMember.objects.filter(rotation__in=rotation_ids)
    for rotation, user, is_active in rows.values_list("rotation", "user", "user__is_active"):
        members[rotation].append(user)
        if not is_active:
            off.add(user)
    return members, off


def _person(user_id: int | None) -> User | None:
    if user_id is None:
        return None
    return next(iter(User.objects.filter(pk=user_id, is_active=True).order_by()), None)


def _covers(overrides: OverrideQuerySet) -> list[Cover]:
    return [Cover(*row) for row in overrides.in_order_of_creation().values_list(*COVER)]


def as_shift(record: ShiftRecord) -> Shift:
    return Shift(
        record.user_id,
        record.starts_at,
        record.ends_at,
        record.is_cover,
        tuple(record.instead_of),
        cast(Why, record.why),
    )


def _recorded_at(rotation_ids: Collection[int], at: datetime) -> QuerySet[ShiftRecord]:
    return ShiftRecord.objects.filter(rotation__in=rotation_ids, starts_at__lte=at, ends_at__gt=at)


def _is_recorded(rotation: Rotation, at: datetime) -> bool:
    return rotation.recorded_until is not None and at < rotation.recorded_until
