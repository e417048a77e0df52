"""Who is on call, for programs."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import groupby
from typing import Any

from django.http import HttpRequest
from django.utils import timezone
from ninja import Query, Router, Schema
from pydantic import Field

from schedules import oncall, sight
from schedules.api.fields import Id, Moment, Named, iso, named, person
from schedules.api.problems import Problem
from schedules.api.rotations import ShiftOut, shift
from schedules.duty import Duty, duties_at
from schedules.models import Rotation, User
from schedules.moments import read_moment
from schedules.oncall import PlannedShift

router = Router(tags=["on call"])
LONGEST = timedelta(days=92)


class Turn(Schema):
    on_call: Named | None
    is_cover: bool = False
    instead_of: list[Named] = []
    why: str = ""


class Following(Turn):
    starts: str = Field(alias="from")


class DutyOut(Turn):
    id: int
    name: str
    is_gap: bool
    until: str | None
    next: Following | None


class TeamDuty(Schema):
    id: int
    name: str
    rotations: list[DutyOut]


class OnCall(Schema):
    at: str
    teams: list[TeamDuty]


class Shifts(Schema):
    items: list[ShiftOut]


class Span(Schema):
    starts_at: Moment | None = Field(None, description="Now, if left out.")
    ends_at: Moment | None = Field(None, description="Two weeks later, if left out.")
    team: Id | None = None
    rotation: Id | None = None
    user: Id | None = None


@router.get(
    "/on-call", response=OnCall, by_alias=True, exclude_unset=True, summary="Who is on call"
)
def on_call(request: HttpRequest, team: str = "", at: str = "") -> Any:
    """Per team and rotation who is on call at an instant, until when, and who is next."""
    user, moment = person(request), _instant(at)
    rotations = _rotations(team, user)
    teams = [
        {"id": one.pk, "name": one.name, "rotations": [_rotation(duty) for duty in group]}
        for one, group in groupby(duties_at(rotations, moment), key=lambda duty: duty.rotation.team)
    ]
    return {"at": iso(moment), "teams": teams}


@router.get("/shifts", response=Shifts, summary="Shifts in a stretch of time")
def shifts(request: HttpRequest, asked: Query[Span]) -> Any:
    """Computed as the calendar shows them, at most 92 days at once."""
    user = person(request)
    start = asked.starts_at or timezone.now()
    end = asked.ends_at or start + timedelta(days=14)
    if not start < end <= start + LONGEST:
        raise Problem(422, f"ends_at: expected a time up to {LONGEST.days} days after starts_at.")
    found = Rotation.objects.filter(team__in=sight.teams_of(user))
    if asked.team:
        found = found.filter(team=asked.team)
    if asked.rotation:
        found = found.filter(pk=asked.rotation)
    plans = oncall.plans(sight.rotations_shown(found, start, end), start, end)
    listed = [one for planned in plans.values() for one in planned]
    if asked.user:
        listed = [one for one in listed if one.person and one.person.pk == asked.user]
    listed.sort(key=lambda one: (one.starts_at, one.rotation.pk))
    return {"items": [shift(one) for one in listed]}


def _instant(text: str) -> datetime:
    if not text:
        return timezone.now()
    at = read_moment(text)
    if at is None:
        raise _problem(400, "at: expected a time from 2000 to 2100, such as 2026-11-30T09:00Z.")
    return at


def _problem(status: int, sentence: str) -> Problem:
    """With `error`, which this call had before all others had `detail`."""
    return Problem(status, sentence, error=sentence)


def _rotations(team: str, user: User) -> list[Rotation]:
    """Those of all my teams, or of the one asked for."""
    teams = sight.teams_of(user)
    if team:
        if not team.isdecimal() or len(team) > 9:
            raise _problem(400, "team: expected the number of a team.")
        teams = teams.filter(pk=int(team))
        if not teams.exists():
            raise _problem(404, f"There is no team {team}, or you are not in it.")
    rotations = Rotation.objects.filter(team__in=teams, is_active=True)
    return list(rotations.select_related("team"))


def _rotation(duty: Duty) -> dict[str, Any]:
    """`on_call` is null where nobody is; then `why`, and whether that is a gap or on purpose."""
    rotation = duty.rotation
    return {
        "id": rotation.pk,
        "name": rotation.name,
        **(_shift(duty.shift) if duty.shift else {"on_call": None}),
        "is_gap": duty.is_gap,
        "until": iso(duty.until),
        "next": {"from": iso(duty.then.starts_at), **_shift(duty.then)} if duty.then else None,
    }


def _shift(shift: PlannedShift) -> dict[str, Any]:
    return {
        "on_call": named(shift.person) if shift.person else None,
        "is_cover": shift.is_cover,
        "instead_of": [named(person) for person in shift.instead_of],
        "why": shift.why,
    }
