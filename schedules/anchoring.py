"""Where a changed cadence goes on, so that an edit leaves whoever is on call their turn: pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime

from schedules import shifts
from schedules.shifts import Cadence, Kept


def anchored(
    old: Cadence,
    new: Cadence,
    now: datetime,
    *,
    on: Collection[int],
    successors: Mapping[int, int] | None = None,
) -> Cadence:
    """The new cadence with its `offset` and `kept` set. `on`: those who are not switched off.

    Whoever has the turn now, covers aside, has it until the next hand-over of the new cadence, and
    the order goes on after them. Where only the hour of the hand-over moved, every turn stays
    whose it was. Where the first day moved, the order begins there as it is given. Somebody who is
    gone leaves the turn to their successor, or else to whoever comes next in the order.
    """
    old = _with_successors(old, successors or {})
    if old.members == new.members and _same_turns(old, new):
        return replace(new, offset=old.offset, kept=old.kept)
    new = replace(new, offset=old.offset, kept=None)
    holder = shifts.whose_turn(old, now)
    if holder is None or not new.members:
        return new if _has_begun(old, now) and new.members else replace(new, offset=0)
    stays = holder in on and holder in new.members
    is_kept = old.kept is not None and now < old.kept.until
    if old.starts_on != new.starts_on or is_kept:
        if old.starts_on != new.starts_on:
            new = replace(new, offset=0)
        elif stays and _same_turns(old, new):
            return replace(new, kept=old.kept)
        if stays:
            return _keeping(new, holder, now)
        following = new.members[_place_of_next(old, new, now, on)]
        return _keeping(new, following, now) if shifts.whose_turn(new, now) is None else new
    if old.members == new.members and stays and (same := _at_another_hour(old, new, now)):
        return same
    return _from_place(new, _place_of_next(old, new, now, on), holder if stays else None, now)


def _with_successors(cadence: Cadence, successors: Mapping[int, int]) -> Cadence:
    kept = cadence.kept
    return replace(
        cadence,
        members=tuple(successors.get(user, user) for user in cadence.members),
        kept=kept and Kept(successors.get(kept.user, kept.user), kept.until),
    )


def _has_begun(cadence: Cadence, now: datetime) -> bool:
    return bool(cadence.members) and shifts.turn_number(cadence, now) is not None


def _same_turns(old: Cadence, new: Cadence) -> bool:
    """Whether their turns begin and end alike."""
    names = ("every", "unit", "starts_on", "handover_time", "zone")
    return all(getattr(old, name) == getattr(new, name) for name in names)


def _keeping(new: Cadence, holder: int, now: datetime) -> Cadence:
    """This person until a turn begins by the new cadence, if it is not theirs anyway."""
    if shifts.whose_turn(new, now) == holder:
        return new
    return replace(new, kept=Kept(holder, shifts.next_turn_starts(new, now)))


def _at_another_hour(old: Cadence, new: Cadence, now: datetime) -> Cadence | None:
    """The same turns as before, if at most the hour of the hand-over between them moved.

    Where it moved over this very moment, the person stays: until the turn begins at its new hour
    that is theirs already, or to the old end of the one that by the new hour is over.
    """
    if (old.every, old.unit) != (new.every, new.unit):
        return None
    was, is_now = shifts.turn_number(old, now), shifts.turn_number(new, now)
    assert was is not None  # noqa: S101  somebody has the turn
    holder = old.members[(was + old.offset) % len(old.members)]
    match (-1 if is_now is None else is_now) - was:
        case 0:
            return new
        case -1:
            return replace(new, kept=Kept(holder, shifts.next_turn_starts(new, now)))
        case 1:
            return replace(new, kept=Kept(holder, shifts.next_turn_starts(old, now)))
    return None


def _place_of_next(old: Cadence, new: Cadence, now: datetime, on: Collection[int]) -> int:
    """The place in the new order of whoever has the turn, or of the next who is still there."""
    number = shifts.turn_number(old, now)
    for ahead in range(len(old.members)):
        if number is None:  # somebody is kept before the first turn
            break
        place = (number + old.offset + ahead) % len(old.members)
        user = old.members[place]
        if user in on and user in new.members:
            # Somebody who has several places: the one that is as manieth of theirs.
            earlier = old.members[:place].count(user)
            places = [spot for spot, member in enumerate(new.members) if member == user]
            return places[min(earlier, len(places) - 1)]
    return next((spot for spot, member in enumerate(new.members) if member in on), 0)


def _from_place(new: Cadence, place: int, holder: int | None, now: datetime) -> Cadence:
    """This place has the turn now; before the first turn its person is kept until then."""
    number = shifts.turn_number(new, now)
    if number is None:
        kept = None if holder is None else Kept(holder, shifts.next_turn_starts(new, now))
        return replace(new, offset=place, kept=kept)
    return replace(new, offset=(place - number) % len(new.members))
