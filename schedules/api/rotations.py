"""Rotations with their members and hours, and what an edit of them would do, for programs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from datetime import date, datetime
from typing import Annotated, Any, Literal

from django.db.models import Model
from django.http import HttpRequest
from django.utils import timezone
from django.utils.html import strip_tags
from ninja import Query, Router, Schema
from pydantic import Field

from schedules import preview, roles
from schedules.admin.rotations import PREVIEW, Previewed
from schedules.api import set_up
from schedules.api.fields import (
    Body,
    Clock,
    Id,
    Line,
    Listing,
    Named,
    Page,
    all_named,
    clock,
    named,
    one,
    page,
    person,
)
from schedules.api.teams import UNSET
from schedules.models import (
    MOST_MEMBERS,
    WEEKDAYS,
    Rotation,
    RotationMember,
    RotationWindow,
    User,
)
from schedules.oncall import PlannedShift

router = Router(tags=["rotations"])
DAYS = tuple(day.lower() for day in WEEKDAYS)
Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]


class Hours(Body):
    """Days on which the hours begin; an end before the start is on the next day."""

    days: Annotated[list[Day], Field(min_length=1, max_length=7)]
    starts: Clock
    ends: Clock


class HoursOut(Schema):
    days: list[str]
    starts: str
    ends: str


class ShiftOut(Schema):
    rotation: Named
    on_call: Named | None
    starts_at: datetime
    ends_at: datetime
    is_cover: bool
    instead_of: list[Named]
    why: str
    override: int | None


class RotationOut(Schema):
    id: int
    team: Named
    name: str
    position: int
    every: int
    unit: str
    in_words: str
    starts_on: date
    handover_time: str
    time_zone: str
    ends_on: date | None
    is_active: bool
    members: list[Named]
    windows: list[HoursOut]
    notes: list[str]


class RotationFields(Body):
    name: Line = UNSET
    position: Annotated[int, Field(ge=0, le=32767)] = UNSET
    every: Annotated[int, Field(ge=1, le=32767)] = UNSET
    unit: Literal["hours", "days", "weeks", "months"] = UNSET
    starts_on: date = UNSET
    handover_time: Clock = UNSET
    time_zone: Line = UNSET
    ends_on: date | None = None
    is_active: bool = UNSET
    members: Annotated[list[Id], Field(max_length=MOST_MEMBERS)] = Field(
        UNSET, description="People by number, in the order of their turns."
    )
    windows: Annotated[list[Hours], Field(max_length=30)] = Field(
        UNSET, description="Empty: around the clock."
    )


class RotationNew(RotationFields):
    team: Id
    name: Line


class PreviewOut(Schema):
    words: str
    notes: list[str]
    changes: list[str]
    changes_now: bool
    shifts: list[ShiftOut]


@router.get("", response=Page[RotationOut], summary="List rotations")
def list_rotations(request: HttpRequest, asked: Query[Listing], team: Id | None = None) -> Any:
    found = rotations_shown(person(request))
    found = found.filter(team=team) if team else found
    return page(found, asked, lambda row: shown(row))


@router.post("", response={201: RotationOut}, summary="Make a rotation")
def make_rotation(request: HttpRequest, body: RotationNew) -> Any:
    saved = _saved(request, None, body)
    return shown(saved.row, saved.notes)


@router.post("/preview", response=PreviewOut, summary="What a new rotation would do")
def preview_new(request: HttpRequest, body: RotationNew) -> Any:
    return _previewed(request, None, body)


@router.get("/{int:pk}", response=RotationOut, summary="Show a rotation")
def show_rotation(request: HttpRequest, pk: Id) -> Any:
    rotation = rotation_of(request, pk)
    return shown(rotation, preview.notes(rotation, timezone.now()))


@router.patch("/{int:pk}", response=RotationOut, summary="Change a rotation")
def change_rotation(request: HttpRequest, pk: Id, body: RotationFields) -> Any:
    saved = _saved(request, rotation_of(request, pk), body)
    return shown(saved.row, saved.notes)


@router.post("/{int:pk}/preview", response=PreviewOut, summary="What a change would do")
def preview_change(request: HttpRequest, pk: Id, body: RotationFields) -> Any:
    return _previewed(request, rotation_of(request, pk), body)


def rotations_shown(user: User) -> Any:
    found = Rotation.objects.select_related("team").prefetch_related("windows", "members__user")
    return roles.seen(user, found)


def rotation_of(request: HttpRequest, pk: int) -> Rotation:
    found: Rotation = one(rotations_shown(person(request)), pk, "rotation")
    return found


def _saved(
    request: HttpRequest,
    rotation: Rotation | None,
    body: RotationFields,
    posted: Mapping[str, str] | None = None,
) -> set_up.Saved:
    given = body.given()
    rows: dict[type[Model], Any] = {}
    if "members" in given:
        rows[RotationMember] = _places(rotation, given.pop("members"))
    if "windows" in given:
        rows[RotationWindow] = [_window(one) for one in given.pop("windows")]
    if {"every", "unit"} & set(given) or rotation is None:
        given = {
            "every": rotation.every if rotation else 1,
            "unit": rotation.unit if rotation else "weeks",
            **given,
            "turns": "custom",
        }
    pk = rotation.pk if rotation else None
    return set_up.save(request, Rotation, pk, given, rows=rows, posted=posted)


def _previewed(request: HttpRequest, rotation: Rotation | None, body: RotationFields) -> Any:
    """A save that is taken back, as on the page."""
    try:
        _saved(request, rotation, body, {PREVIEW: "1"})
    except Previewed as previewed:
        seen = previewed.seen
        return {
            "words": seen.words,
            "notes": [strip_tags(note) for note in seen.notes],
            "changes": [strip_tags(line) for line in preview.lines(seen.changed, seen.rotation)],
            "changes_now": seen.changes_now,
            "shifts": [shift(one) for one in seen.planned],
        }
    raise AssertionError("a preview ends before anything is stored")


def _places(rotation: Rotation | None, people: list[int]) -> list[dict[str, Any]]:
    """Whoever is in it already keeps their place's row, wherever in the order they go."""
    there: defaultdict[int, list[int]] = defaultdict(list)
    if rotation is not None:
        for pk, user in rotation.members.order_by("-position", "-pk").values_list("pk", "user"):
            there[user].append(pk)
    return [
        {"id": there[user].pop(), "position": place}
        if there[user]
        else {"user": user, "position": place}
        for place, user in enumerate(people)
    ]


def _window(hours: Hours) -> dict[str, Any]:
    days = sorted({str(DAYS.index(day)) for day in hours.days})
    return {"days": days, "starts": hours.starts, "ends": hours.ends}


def shown(rotation: Rotation, notes: list[str] | None = None) -> dict[str, Any]:
    members = sorted(rotation.members.all(), key=lambda place: (place.position, place.pk))
    return {
        "id": rotation.pk,
        "team": named(rotation.team),
        "name": rotation.name,
        "position": rotation.position,
        "every": rotation.every,
        "unit": rotation.unit,
        "in_words": strip_tags(preview.in_words(rotation)),
        "starts_on": rotation.starts_on,
        "handover_time": clock(rotation.handover_time),
        "time_zone": rotation.time_zone,
        "ends_on": rotation.ends_on,
        "is_active": rotation.is_active,
        "members": all_named([place.user for place in members]),
        "windows": [
            {
                "days": [DAYS[int(day)] for day in one.days],
                "starts": clock(one.starts),
                "ends": clock(one.ends),
            }
            for one in rotation.windows.all()
        ],
        "notes": [strip_tags(note) for note in notes or ()],
    }


def shift(planned: PlannedShift) -> dict[str, Any]:
    return {
        "rotation": named(planned.rotation),
        "on_call": named(planned.person),
        "starts_at": planned.starts_at,
        "ends_at": planned.ends_at,
        "is_cover": planned.is_cover,
        "instead_of": all_named(planned.instead_of),
        "why": planned.why,
        "override": planned.override_id,
    }
