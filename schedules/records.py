"""Keeps the past: stretches that have ended become ShiftRecords, which no edit changes."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta

from django.db import transaction

from schedules import shifts
from schedules.models import Rotation, ShiftRecord
from schedules.oncall import Book, as_shift
from schedules.shifts import Shift
from schedules.transactions import repeat_on_conflict

# Of a rotation of which nothing has been recorded yet, this much of the past is.
FIRST_TIME = timedelta(days=366)
# What goes on for longer is recorded as far as it has come.
LONG = timedelta(days=35)


def record(rotation: Rotation, *, now: datetime) -> None:
    """Record all that has been up to `now`, the shift that is running included.

    For whoever is about to change who is on call when: in their transaction, after they have
    locked the rotation's row. A stretch that goes on later goes on in the same record.
    """
    if rotation.recorded_until and rotation.recorded_until >= now:
        return
    since = rotation.recorded_until or now - FIRST_TIME
    found = Book([rotation], since, now).timeline(rotation.pk, since, now)
    _write(rotation, [_cut(shift, since, now) for shift in found], until=now)


def record_past(*, now: datetime) -> None:
    """Record the shifts of all rotations that have ended; cheap when none has."""
    rotations = list(Rotation.objects.filter(is_active=True).order_by("pk"))
    since = min((one.recorded_until for one in rotations if one.recorded_until), default=now)
    book = Book(rotations, since, now + shifts.ONE_SECOND)
    for rotation in rotations:
        if _is_long_ago(rotation, now) or _ended(book, rotation, now):
            repeat_on_conflict(functools.partial(_record_ended, rotation.pk, now))


def _record_ended(pk: int, now: datetime) -> None:
    with transaction.atomic():
        rotation = Rotation.objects.select_for_update(no_key=True).get(pk=pk)
        if _is_long_ago(rotation, now):
            record(rotation, now=now)
            return
        book = Book([rotation], rotation.recorded_until or now, now + shifts.ONE_SECOND)
        if found := _ended(book, rotation, now):
            _write(rotation, found, until=found[-1].ends_at)


def _is_long_ago(rotation: Rotation, now: datetime) -> bool:
    return rotation.recorded_until is None or rotation.recorded_until < now - LONG


def _ended(book: Book, rotation: Rotation, now: datetime) -> list[Shift]:
    """What has ended since the last record. What goes on after `now` is not cut there."""
    since = rotation.recorded_until
    if not rotation.is_active or since is None:
        return []
    found = book.timeline(rotation.pk, since, now + shifts.ONE_SECOND)
    return [_cut(shift, since, now) for shift in found if shift.ends_at <= now]


def _cut(shift: Shift, start: datetime, end: datetime) -> Shift:
    return replace(shift, starts_at=max(shift.starts_at, start), ends_at=min(shift.ends_at, end))


def _write(rotation: Rotation, found: Sequence[Shift], *, until: datetime) -> None:
    """Add to what is recorded; the first may go on where the last record ends."""
    rows = list(found)
    last = ShiftRecord.objects.filter(rotation=rotation).order_by("-starts_at").first()
    if last and rows and shifts.says_the_same(before := as_shift(last), rows[0]):
        longer = shifts.merge(before, rows.pop(0))
        last.ends_at, last.instead_of = longer.ends_at, list(longer.instead_of)
        last.save(update_fields=["ends_at", "instead_of"])
    ShiftRecord.objects.bulk_create([_row(rotation, shift) for shift in rows], batch_size=100)
    rotation.recorded_until = until
    rotation.save(update_fields=["recorded_until"])


def _row(rotation: Rotation, shift: Shift) -> ShiftRecord:
    return ShiftRecord(
        rotation=rotation,
        user_id=shift.user,
        starts_at=shift.starts_at,
        ends_at=shift.ends_at,
        is_cover=shift.is_cover,
        instead_of=list(shift.instead_of),
        why=shift.why,
    )
