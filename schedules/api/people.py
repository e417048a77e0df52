"""People, for programs: who there is, and for admins how they are set up."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from ninja import Query, Router, Schema

from schedules import people, roles
from schedules.api import set_up
from schedules.api.fields import (
    Body,
    Clock,
    Id,
    Line,
    Listing,
    Page,
    clock,
    one,
    page,
    person,
)
from schedules.api.teams import UNSET, Handed
from schedules.models import User

router = Router(tags=["users"])


class PersonOut(Schema):
    """`email` and what follows it are told to admins, to leads of a team of theirs, and to them."""

    id: int
    name: str
    is_active: bool
    time_zone: str
    email: str | None = None
    is_admin: bool | None = None
    is_staff: bool | None = None
    remind_hours: int | None = None
    wants_handover_note: bool | None = None
    quiet_from: str | None = None
    quiet_until: str | None = None
    scheduled_in: list[str] | None = None


class PersonFields(Body):
    name: Line = UNSET
    email: Line = UNSET
    time_zone: Line = UNSET


class PersonNew(PersonFields):
    name: Line
    email: Line


class PersonChange(PersonFields, Handed):
    remind_hours: int = UNSET
    wants_handover_note: bool = UNSET
    quiet_from: Clock | None = None
    quiet_until: Clock | None = None
    is_active: bool = UNSET
    is_staff: bool = UNSET
    is_admin: bool = UNSET


def people_shown(user: User) -> QuerySet[User]:
    """Admins see all; everybody else who is in a team of theirs, and themselves."""
    if user.is_superuser:
        return User.objects.all()
    near = User.objects.filter(memberships__team__in=roles.teams_seen(user), is_active=True)
    return User.objects.filter(pk__in=near.values("pk")) | User.objects.filter(pk=user.pk)


@router.get("", response=Page[PersonOut], summary="List people")
def list_people(request: HttpRequest, asked: Query[Listing]) -> Any:
    user = person(request)
    led = set(
        User.objects.filter(memberships__team__in=roles.teams_led(user)).values_list(
            "pk", flat=True
        )
    )
    return page(people_shown(user), asked, lambda one: shown(one, user, led))


@router.post("", response={201: PersonOut}, summary="Make a person")
def make_person(request: HttpRequest, body: PersonNew) -> Any:
    saved = set_up.save(request, User, None, {**body.given(), "new_password": ""})
    return shown(saved.row, person(request), set())


@router.get("/{int:pk}", response=PersonOut, summary="Show a person")
def show_person(request: HttpRequest, pk: Id) -> Any:
    return _whole(request, person_of(request, pk))


@router.patch("/{int:pk}", response=PersonOut, summary="Change a person, or switch them off")
def change_person(request: HttpRequest, pk: Id, body: PersonChange) -> Any:
    person_of(request, pk)
    given = body.given()
    given.pop("successors", None)
    if "is_admin" in given:
        given["is_superuser"] = given.pop("is_admin")
    saved = set_up.handed_on(request, User, pk, given, successors=body.successors)
    return _whole(request, saved.row)


def person_of(request: HttpRequest, pk: int) -> User:
    return one(people_shown(person(request)), pk, "person")


def is_led(user: User, who: User) -> bool:
    return user == who or who.memberships.filter(team__in=roles.teams_led(user)).exists()


def shown(who: User, user: User, led: set[int]) -> dict[str, Any]:
    found: dict[str, Any] = {
        "id": who.pk,
        "name": who.name,
        "is_active": who.is_active,
        "time_zone": who.time_zone,
    }
    if user.is_superuser or who == user or who.pk in led:
        found["email"] = who.email
    if user.is_superuser or who == user:
        found |= {
            "is_admin": who.is_superuser,
            "is_staff": who.is_staff,
            "remind_hours": who.remind_hours,
            "wants_handover_note": who.wants_handover_note,
            "quiet_from": clock(who.quiet_from),
            "quiet_until": clock(who.quiet_until),
        }
    return found


def _whole(request: HttpRequest, who: User) -> dict[str, Any]:
    user = person(request)
    led = {who.pk} if is_led(user, who) else set()
    found = shown(who, user, led)
    if user.is_superuser or led:
        places = people.where_scheduled(who, now=timezone.now())
        found["scheduled_in"] = [str(place.rotation) for place in places]
    return found
