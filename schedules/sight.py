"""Whose schedules a person may look at, and which of their rotations a page shows."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from django.db.models import Exists, OuterRef, Q, QuerySet

from schedules import roles
from schedules.models import Rotation, ShiftRecord, Team, User


def teams_of(user: User) -> QuerySet[Team]:
    """Admins look after all teams, everybody else after their own."""
    return roles.teams_seen(user)


def may_cover(user: User, team_ids: Collection[int]) -> set[int]:
    """In which of these teams this person may cover: `covering.may_cover` for many at once."""
    return roles.answered_among(user, team_ids)


def rotations_shown(
    rotations: QuerySet[Rotation], start: datetime, end: datetime
) -> list[Rotation]:
    """Those that are on, and those that were when somebody was on call in this time."""
    records = ShiftRecord.objects.filter(rotation=OuterRef("pk"), user__isnull=False)
    past = records.filter(starts_at__lt=end, ends_at__gt=start)
    is_on = Q(is_active=True, team__is_active=True)
    return list(rotations.filter(is_on | Exists(past)).select_related("team"))


def rotations_of(user: User, start: datetime, end: datetime) -> list[Rotation]:
    """Every rotation in which this person may have a shift in this time."""
    records = user.shift_records.filter(ends_at__gt=start)
    mine = has_turns(user, since=start) | Q(pk__in=records.values("rotation"))
    return rotations_shown(Rotation.objects.filter(mine), start, end)


def has_turns(user: User, *, since: datetime) -> Q:
    """For rotations: that this person takes turns in, or covers for somebody after `since`."""
    places = user.rotation_places.values("rotation")
    covers = user.overrides.filter(ends_at__gt=since).values("rotation")
    return Q(pk__in=places) | Q(pk__in=covers) | Q(kept_user=user, kept_until__gt=since)
