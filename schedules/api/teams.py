"""Teams, who is in them, and the history of their schedules, for programs."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any, Literal

from django.db.models import QuerySet
from django.http import HttpRequest
from ninja import Query, Router, Schema
from pydantic import Field

from schedules import roles
from schedules.api import set_up
from schedules.api.fields import (
    Body,
    Clock,
    Id,
    Ids,
    Line,
    Listing,
    Minutes,
    Named,
    Page,
    all_named,
    clock,
    named,
    one,
    page,
    person,
)
from schedules.api.problems import Problem
from schedules.models import Membership, ScheduleChange, Team, User

router = Router(tags=["teams"])
Role = Literal["lead", "responder", "observer"]
UNSET: Any = None


class Seat(Schema):
    user: Named
    role: str


class TeamOut(Schema):
    id: int
    name: str
    time_zone: str
    hours_start: str
    hours_end: str
    hours_weekends: bool
    is_discreet: bool
    is_active: bool
    acknowledge_minutes: float | None
    fallback_people: list[Named]
    members: list[Seat]
    your_role: str | None


class Handed(Body):
    successors: dict[Line, Id | None] = Field(
        default={}, max_length=200, description="Who takes over from whom, by number; null: nobody."
    )


class TeamChange(Handed):
    name: Line = UNSET
    time_zone: Line = UNSET
    hours_start: Clock = UNSET
    hours_end: Clock = UNSET
    hours_weekends: bool = UNSET
    is_discreet: bool = UNSET
    is_active: bool = UNSET
    acknowledge_minutes: Minutes | None = None
    fallback_people: Ids = UNSET


class TeamNew(TeamChange):
    name: Line


class SeatNew(Body):
    user: Id
    role: Role = "responder"


class SeatChange(Body):
    role: Role


class ChangeOut(Schema):
    id: int
    at: datetime
    by: Named | None
    text: str


def teams_shown(user: User) -> QuerySet[Team]:
    """Those that this person may look at; admins also see those that are switched off."""
    return Team.objects.all() if user.is_superuser else roles.teams_seen(user)


@router.get("", response=Page[TeamOut], summary="List teams")
def list_teams(request: HttpRequest, asked: Query[Listing]) -> Any:
    user = person(request)
    found = teams_shown(user).prefetch_related("fallback_people", "memberships__user")
    return page(found, asked, lambda team: shown(team, user))


@router.post("", response={201: TeamOut}, summary="Make a team")
def make_team(request: HttpRequest, body: TeamNew) -> Any:
    saved = set_up.save(request, Team, None, _fields(body))
    return shown(saved.row, person(request))


@router.get("/{int:pk}", response=TeamOut, summary="Show a team")
def show_team(request: HttpRequest, pk: Id) -> Any:
    user = person(request)
    return shown(team_of(user, pk), user)


@router.patch("/{int:pk}", response=TeamOut, summary="Change a team")
def change_team(request: HttpRequest, pk: Id, body: TeamChange) -> Any:
    user = person(request)
    team_of(user, pk)
    saved = set_up.handed_on(request, Team, pk, _fields(body), successors=body.successors)
    return shown(saved.row, user)


@router.get("/{int:pk}/changes", response=Page[ChangeOut], summary="Who changed its schedules")
def team_changes(request: HttpRequest, pk: Id, asked: Query[Listing]) -> Any:
    user = person(request)
    team = team_of(user, pk)
    if not roles.may_lead(user, team.pk):
        raise Problem(403, f"Leads of {team} and admins read its history.")
    found = ScheduleChange.objects.filter(team=team).select_related("actor")
    return page(
        found,
        asked,
        lambda row: {"id": row.pk, "at": row.at, "by": named(row.actor), "text": row.text},
        newest=True,
    )


@router.post("/{int:pk}/members", response={201: Seat}, summary="Take a person in")
def add_member(request: HttpRequest, pk: Id, body: SeatNew) -> Any:
    team = team_of(person(request), pk)
    rows = [*_rows(team), {"user": body.user, "role": body.role}]
    set_up.save(request, Team, pk, {}, rows={Membership: rows})
    return _seat(team.memberships.select_related("user").get(user=body.user))


@router.patch("/{int:pk}/members/{int:user}", response=Seat, summary="Change somebody's role")
def change_member(request: HttpRequest, pk: Id, user: Id, body: SeatChange) -> Any:
    team, seat = _seat_of(request, pk, user)
    rows = [{**row, "role": body.role} if row["id"] == seat.pk else row for row in _rows(team)]
    set_up.save(request, Team, pk, {}, rows={Membership: rows})
    seat.refresh_from_db()
    return _seat(seat)


@router.post(
    "/{int:pk}/members/{int:user}/leave", response={204: None}, summary="Let a person leave"
)
def remove_member(request: HttpRequest, pk: Id, user: Id, body: Handed) -> Any:
    team, seat = _seat_of(request, pk, user)
    rows = [row for row in _rows(team) if row["id"] != seat.pk]
    set_up.handed_on(request, Team, pk, {}, successors=body.successors, rows={Membership: rows})
    return None


def team_of(user: User, pk: int) -> Team:
    return one(teams_shown(user), pk, "team")


def shown(team: Team, user: User) -> dict[str, Any]:
    seats = sorted(team.memberships.all(), key=lambda seat: seat.user.name)
    mine = next((seat.role for seat in seats if seat.user_id == user.pk), None)
    wait = team.acknowledge_timeout
    return {
        "id": team.pk,
        "name": team.name,
        "time_zone": team.time_zone,
        "hours_start": clock(team.hours_start),
        "hours_end": clock(team.hours_end),
        "hours_weekends": team.hours_weekends,
        "is_discreet": team.is_discreet,
        "is_active": team.is_active,
        "acknowledge_minutes": wait.total_seconds() / 60 if wait else None,
        "fallback_people": all_named(team.fallback_people.all()),
        "members": [_seat(seat) for seat in seats],
        "your_role": "admin" if user.is_superuser else mine,
    }


def _fields(body: TeamChange) -> dict[str, Any]:
    given = body.given()
    given.pop("successors", None)
    if "acknowledge_minutes" in given:
        wait = given.pop("acknowledge_minutes")
        given["acknowledge_timeout"] = None if wait is None else timedelta(minutes=wait)
    return given


def _rows(team: Team) -> list[dict[str, Any]]:
    return [{"id": pk} for pk in team.memberships.values_list("pk", flat=True)]


def _seat_of(request: HttpRequest, pk: int, user: int) -> tuple[Team, Membership]:
    team = team_of(person(request), pk)
    seat = team.memberships.select_related("user").filter(user=user).first()
    if seat is None:
        raise Problem(404, f"There is no person {user} in {team}.")
    return team, seat


def _seat(seat: Membership) -> Mapping[str, Any]:
    return {"user": named(seat.user), "role": seat.role}
