"""Overrides, for programs: somebody, or nobody on purpose, is on call instead."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from ninja import Query, Router, Schema
from pydantic import Field

from schedules import covering, roles
from schedules.api.fields import (
    Body,
    Id,
    Listing,
    Moment,
    Named,
    Page,
    named,
    one,
    page,
    person,
    wrong,
)
from schedules.api.problems import Problem
from schedules.api.teams import UNSET
from schedules.cover_form import people_for
from schedules.covering import Covered
from schedules.models import Override, Rotation, User

router = Router(tags=["overrides"])


class CoverOut(Schema):
    id: int
    rotation: Named
    user: Named | None
    starts_at: datetime
    ends_at: datetime
    created_by: Named | None
    overlaps: list[int] = Field([], description="Others that share some time; the last one counts.")


class CoverChange(Body):
    user: Id | None = Field(None, description="Null: nobody, on purpose.")
    starts_at: Moment = UNSET
    ends_at: Moment = UNSET


class CoverNew(Body):
    rotation: Id
    user: Id | None = Field(description="Null: nobody, on purpose.")
    starts_at: Moment = Field(UNSET, description="Now, if left out.")
    ends_at: Moment


class OverridesAsked(Listing):
    team: Id | None = None
    rotation: Id | None = None
    when: Literal["now", "upcoming", "past", "all"] = "all"


@router.get("", response=Page[CoverOut], summary="List overrides")
def list_covers(request: HttpRequest, asked: Query[OverridesAsked]) -> Any:
    found, now = covers_shown(person(request)), timezone.now()
    if asked.team:
        found = found.filter(rotation__team=asked.team)
    if asked.rotation:
        found = found.filter(rotation=asked.rotation)
    match asked.when:
        case "now":
            found = found.filter(starts_at__lte=now, ends_at__gt=now)
        case "upcoming":
            found = found.filter(starts_at__gt=now)
        case "past":
            found = found.filter(ends_at__lte=now)
    return page(found, asked, shown, newest=True)


@router.post("", response={201: CoverOut}, summary="Cover a shift")
def make_cover(request: HttpRequest, body: CoverNew) -> Any:
    user, now = person(request), timezone.now()
    teams = roles.teams_seen(user)
    rotation = Rotation.objects.filter(team__in=teams, is_active=True, pk=body.rotation).first()
    if rotation is None:
        raise wrong([("rotation", "There is no such rotation, or it is not yours to see.")])
    _check_may(user, rotation)
    covered = covering.cover(
        rotation,
        _person(body.user, rotation),
        body.starts_at or now,
        body.ends_at,
        by=user,
        now=now,
    )
    return _covered(covered)


@router.get("/{int:pk}", response=CoverOut, summary="Show an override")
def show_cover(request: HttpRequest, pk: Id) -> Any:
    return shown(cover_of(request, pk))


@router.patch("/{int:pk}", response=CoverOut, summary="Change an override")
def change_cover(request: HttpRequest, pk: Id, body: CoverChange) -> Any:
    user, override = person(request), cover_of(request, pk)
    _check_may(user, override.rotation)
    given = body.given()
    who = override.user
    if "user" in given and given["user"] != override.user_id:
        who = _person(given["user"], override.rotation)
    covered = covering.change_cover(
        override,
        user=who,
        starts_at=given.get("starts_at", override.starts_at),
        ends_at=given.get("ends_at", override.ends_at),
        by=user,
        now=timezone.now(),
    )
    return _covered(covered)


@router.delete("/{int:pk}", response={204: None}, summary="Remove an override")
def remove_cover(request: HttpRequest, pk: Id) -> Any:
    user, override = person(request), cover_of(request, pk)
    _check_may(user, override.rotation)
    covering.remove_cover(override, by=user, now=timezone.now())
    return None


def covers_shown(user: User) -> QuerySet[Override]:
    found = Override.objects.select_related("rotation__team", "user", "created_by")
    return roles.seen(user, found)


def cover_of(request: HttpRequest, pk: int) -> Override:
    return one(covers_shown(person(request)), pk, "override")


def _check_may(user: User, rotation: Rotation) -> None:
    if not covering.may_cover(user, rotation):
        raise Problem(403, f"You are an observer of {rotation.team}: observers look only.")


def _person(pk: int | None, rotation: Rotation) -> User | None:
    """Whom the calendar's form offers."""
    if pk is None:
        return None
    found = next((user for user in people_for([rotation]) if user.pk == pk), None)
    if found is None:
        raise wrong([("user", f"There is nobody of this number who answers in {rotation.team}.")])
    return found


def _covered(covered: Covered) -> dict[str, Any]:
    override = covers_of(covered.override.pk)
    return shown(override) | {"overlaps": [other.pk for other in covered.overlaps]}


def covers_of(pk: int) -> Override:
    return Override.objects.select_related("rotation__team", "user", "created_by").get(pk=pk)


def shown(override: Override) -> dict[str, Any]:
    return {
        "id": override.pk,
        "rotation": named(override.rotation),
        "user": named(override.user),
        "starts_at": override.starts_at,
        "ends_at": override.ends_at,
        "created_by": named(override.created_by),
        "overlaps": [],
    }
