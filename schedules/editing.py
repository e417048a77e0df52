"""Editing a rotation without surprises: nobody's turn jumps, and the past stays as it was.

Inside one transaction: `change = begin(rotation, now=now)`, save what was edited, then
`change.finish(by=by, now=now)`. Rolled back afterwards, it was a preview.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise

from django.db import connection

from schedules import history, records
from schedules.anchoring import anchored
from schedules.models import Rotation, User
from schedules.oncall import PlannedShift, cadence_of
from schedules.shifts import Cadence

# What no form knows; one that was filled from an older row must not write it back.
OURS = ("offset", "kept_user_id", "kept_until", "recorded_until", "revision")


@dataclass(frozen=True)
class Changed:
    """A stretch of time in which an edit puts somebody else on call."""

    starts_at: datetime
    ends_at: datetime
    before: User | None
    after: User | None


@dataclass
class Change:
    """An edit that has begun, with the rotation as it was then; None: there was none yet."""

    edited: Rotation | None
    before: _Facts | None

    def finish(
        self,
        *,
        by: User | None,
        now: datetime,
        rotation: Rotation | None = None,
        successors: Mapping[int, int] | None = None,
        notes: Sequence[str] = (),
    ) -> None:
        """After everything is saved: give whoever has the turn their turn, and tell what changed.

        `rotation` is for a new one. `successors` says who takes the places of whom. `notes` are
        further lines for the history.
        """
        edited = rotation or self.edited
        assert edited is not None  # noqa: S101  a new rotation is handed over here
        after = _Facts.read(Rotation.objects.select_related("team").get(pk=edited.pk))
        if self.before:
            _anchor(self.before, after, successors or {}, now)
            lines = _what_changed(self.before, after)
        else:
            # It did not exist before, so nobody was on call in it.
            after.rotation.recorded_until = now
            lines = [f"{after.rotation.name} is new: {after.in_words}."]
        after.rotation.save(update_fields=[name.removesuffix("_id") for name in OURS[:-1]])
        if lines or notes:
            history.write(after.rotation, *lines, *notes, by=by, now=now)
        _copy_ours(after.rotation, edited)


def begin(rotation: Rotation | None, *, now: datetime) -> Change:
    """Lock the rotation, record its past, and remember how it is. None: it is about to be made.

    To be called before anything of it is saved, in the transaction that will. `rotation` may
    already hold edited values; only what no form knows is put right in it.
    """
    assert connection.in_atomic_block  # noqa: S101  else the lock would be gone at once
    if rotation is None or rotation.pk is None:
        return Change(rotation, None)
    stored = Rotation.objects.select_for_update(no_key=True).get(pk=rotation.pk)
    records.record(stored, now=now)
    _copy_ours(stored, rotation)
    return Change(rotation, _Facts.read(stored))


def difference(before: Sequence[PlannedShift], after: Sequence[PlannedShift]) -> list[Changed]:
    """Where two plans of one rotation put different people on call, in order of time.

    Only where both plans reach; a hole in one counts as nobody.
    """
    if not before or not after:
        return [_all_of(shift, before) for shift in (*before, *after) if shift.person]
    start = max(before[0].starts_at, after[0].starts_at)
    end = min(before[-1].ends_at, after[-1].ends_at)
    edges = {edge for one in (*before, *after) for edge in (one.starts_at, one.ends_at)}
    found: list[Changed] = []
    olds, news = _Walk(before), _Walk(after)
    for begins, ends in pairwise(sorted(edge for edge in edges if start <= edge <= end)):
        old, new = olds.at(begins), news.at(begins)
        if old == new:
            continue
        last = found[-1] if found else None
        if last and (last.ends_at, last.before, last.after) == (begins, old, new):
            begins = found.pop().starts_at
        found.append(Changed(begins, ends, old, new))
    return found


def _all_of(shift: PlannedShift, before: Sequence[PlannedShift]) -> Changed:
    gone = bool(before)
    return Changed(
        shift.starts_at,
        shift.ends_at,
        shift.person if gone else None,
        None if gone else shift.person,
    )


class _Walk:
    """Who is on call in a plan, asked for later and later instants."""

    def __init__(self, plan: Iterable[PlannedShift]) -> None:
        self._left: Iterator[PlannedShift] = iter(plan)
        self._now: PlannedShift | None = next(self._left, None)

    def at(self, instant: datetime) -> User | None:
        while self._now and self._now.ends_at <= instant:
            self._now = next(self._left, None)
        return self._now.person if self._now and self._now.starts_at <= instant else None


@dataclass(frozen=True)
class _Facts:
    """A rotation as its form shows it."""

    rotation: Rotation
    cadence: Cadence
    people: Mapping[int, User]
    windows: str

    @classmethod
    def read(cls, rotation: Rotation) -> _Facts:
        cadence = cadence_of(rotation)
        windows = ", ".join(window.in_words for window in rotation.windows.all())
        return cls(rotation, cadence, User.objects.in_bulk(cadence.members), windows or "always")

    @property
    def on(self) -> set[int]:
        return {pk for pk, user in self.people.items() if user.is_active}

    @property
    def in_words(self) -> str:
        return f"{self.rotation.in_words} from {self.rotation.starts_on}, in the order {self.order}"

    @property
    def order(self) -> str:
        return ", ".join(str(self.people[user]) for user in self.cadence.members) or "of nobody"


def _copy_ours(source: Rotation, target: Rotation) -> None:
    for name in OURS:
        setattr(target, name, getattr(source, name))


def _anchor(before: _Facts, after: _Facts, successors: Mapping[int, int], now: datetime) -> None:
    """Set in the edited row where its order goes on; while it is off there is no turn to keep."""
    if not (before.rotation.is_active and after.rotation.is_active):
        return
    cadence = anchored(before.cadence, after.cadence, now, on=after.on, successors=successors)
    after.rotation.offset = cadence.offset
    after.rotation.kept_user_id = cadence.kept.user if cadence.kept else None
    after.rotation.kept_until = cadence.kept.until if cadence.kept else None


def _what_changed(before: _Facts, after: _Facts) -> list[str]:
    """One sentence for each thing that somebody who reads the calendar would notice."""
    old, new = before.rotation, after.rotation
    name = new.name
    lines = []
    if old.name != name:
        lines.append(f"{old.name} is now called {name}.")
    if old.team_id != new.team_id:
        lines.append(f"{name} has come from team {old.team}.")
    if old.is_active != new.is_active:
        lines.append(f"{name} was switched {'on' if new.is_active else 'off'}.")
    for text, was, is_now in (
        ("has", old.in_words, new.in_words),
        ("counts from", str(old.starts_on), str(new.starts_on)),
        ("ends on", str(old.ends_on or "no day"), str(new.ends_on or "no day")),
        ("has somebody on call", before.windows, after.windows),
        ("goes by the order", before.order, after.order),
    ):
        if was != is_now:
            lines.append(f"{name} now {text} {is_now}; before: {was}.")
    return lines
