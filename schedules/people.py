"""People leave: they are switched off, never deleted, and what waited for them is handed on."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import transaction
from django.db.models import Q, QuerySet

from schedules import covering, editing, oncall
from schedules.covering import Refused
from schedules.models import (
    Membership,
    Override,
    OverrideQuerySet,
    Rotation,
    RotationMember,
    Team,
    User,
)
from schedules.oncall import PlannedShift
from schedules.signals import person_left
from schedules.transactions import repeat_on_conflict

log = logging.getLogger(__name__)

# How far ahead the next shift of somebody is looked for: at first, then further.
SOON, LATER = timedelta(days=60), timedelta(days=400)


@dataclass(frozen=True)
class Scheduled:
    """Where somebody is scheduled: the shift they have or get next, and covers not yet over."""

    rotation: Rotation
    next_shift: PlannedShift | None
    overrides: list[Override]


def where_scheduled(user: User, *, now: datetime, team: Team | None = None) -> list[Scheduled]:
    """The rotations, of all teams or of one, whose order or coming covers name this person."""
    rotations = list(_rotations_of(user, team, now).select_related("team"))
    overrides = list(_covers_of(user, rotations, now).select_related("rotation__team", "user"))
    next_shifts = _next_shifts(user, rotations, now)
    return [
        Scheduled(
            rotation,
            next_shifts.get(rotation.pk),
            [one for one in overrides if one.rotation_id == rotation.pk],
        )
        for rotation in rotations
    ]


def switch_off(user: User, by: User, *, now: datetime, successor: User | None = None) -> bool:
    """End this person's pages and sign-in; False when that was already so.

    Their places in rotations and their coming covers go to the successor; without one they fall
    away and the order closes up, so that nobody else's turn jumps. The floors above hand on what
    waited for them in the same transaction. Raises Refused for a successor who cannot be.
    """

    def leave() -> None:
        User.objects.filter(pk=user.pk).update(is_active=False)
        person_left.send(sender=User, user=user, team=None, now=now)

    def attempt() -> bool:
        with transaction.atomic():
            if not User.objects.filter(pk=user.pk, is_active=True).exists():
                return False
            _leave(user, None, leave, by=by, now=now, successor=successor)
            return True

    changed = repeat_on_conflict(attempt)
    user.is_active = False
    if changed:
        log.info("%s was switched off by %s", user.email, by.email)
    return changed


def leave_team(
    membership: Membership, by: User, *, now: datetime, successor: User | None = None
) -> None:
    """Take one person out of one team, and hand on what waited for them there.

    Its rotations go on as `switch_off` says. Raises Refused for a successor who cannot be.
    """
    user, team = membership.user, membership.team

    def leave() -> None:
        Membership.objects.filter(pk=membership.pk).delete()
        person_left.send(sender=User, user=user, team=team, now=now)

    def attempt() -> None:
        with transaction.atomic():
            _leave(user, team, leave, by=by, now=now, successor=successor)

    repeat_on_conflict(attempt)
    log.info("%s was taken out of team %s by %s", user.email, team, by.email)


def _leave(
    user: User,
    team: Team | None,
    leave: Callable[[], None],
    *,
    by: User,
    now: datetime,
    successor: User | None,
) -> None:
    """The rotations' rows are locked before anything that the floors above lock."""
    changes: dict[Rotation, editing.Change] = {}
    _begin(_rotations_of(user, team, now), changes, now)
    # From here on nobody else puts them anywhere; whoever just has is seen now.
    User.objects.select_for_update(no_key=True).get(pk=user.pk)
    _begin(_rotations_of(user, team, now), changes, now)
    notes = [_hand_on(rotation, user, successor, now) for rotation in changes]
    leave()
    successors = {user.pk: successor.pk} if successor else {}
    for change, lines in zip(changes.values(), notes, strict=True):
        change.finish(by=by, now=now, successors=successors, notes=lines)


def _begin(
    rotations: QuerySet[Rotation], changes: dict[Rotation, editing.Change], now: datetime
) -> None:
    for rotation in rotations.order_by("pk"):
        if rotation not in changes:
            changes[rotation] = editing.begin(rotation, now=now)


def _hand_on(rotation: Rotation, user: User, successor: User | None, now: datetime) -> list[str]:
    """The places and coming covers of this person; the covers in words, for the history."""
    places = RotationMember.objects.filter(rotation=rotation, user=user)
    covers = list(_covers_of(user, [rotation], now).select_related("user", "rotation"))
    if successor is None:
        places.delete()
        lines = [f"Removed: {covering.in_words(cover)}." for cover in covers]
        Override.objects.filter(pk__in=[cover.pk for cover in covers]).delete()
        return lines
    if successor == user:
        raise Refused(f"{user} cannot take over from themselves.")
    covering.check_person(rotation, successor)
    places.update(user=successor)
    Override.objects.filter(pk__in=[cover.pk for cover in covers]).update(user=successor)
    return [f"{successor} takes over: {covering.in_words(cover)}." for cover in covers]


def _rotations_of(user: User, team: Team | None, now: datetime) -> QuerySet[Rotation]:
    covered = Override.objects.not_over(now).filter(user=user).values("rotation")
    placed = RotationMember.objects.filter(user=user).values("rotation")
    named = Rotation.objects.filter(Q(pk__in=placed) | Q(pk__in=covered) | Q(kept_user=user))
    return named if team is None else named.filter(team=team)


def _covers_of(user: User, rotations: Iterable[Rotation], now: datetime) -> OverrideQuerySet:
    mine = Override.objects.not_over(now).filter(user=user, rotation__in=list(rotations))
    return mine.order_by("starts_at", "pk")


def _next_shifts(
    user: User, rotations: Iterable[Rotation], now: datetime
) -> dict[int, PlannedShift]:
    found: dict[int, PlannedShift] = {}
    for reach in (SOON, LATER):
        left = [rotation for rotation in rotations if rotation.pk not in found]
        if not left:
            break
        for pk, planned in oncall.plans(left, now, now + reach).items():
            mine = next((shift for shift in planned if shift.person == user), None)
            if mine:
                found[pk] = mine
    return found
