"""Who takes over from a person who is scheduled and leaves: asked before anything is saved."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from django.contrib import messages
from django.contrib.admin import ModelAdmin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.template.response import TemplateResponse

from schedules import people, preview
from schedules.covering import Refused
from schedules.models import Membership, RotationMember, Team, User
from schedules.people import Scheduled

# The stubs' classes take type arguments, Django's own do not.
if TYPE_CHECKING:
    AnyModelAdmin = ModelAdmin[Any]
else:
    AnyModelAdmin = ModelAdmin

NAME = "successor_"
NOBODY = "nobody"


@dataclass(frozen=True)
class Leaver:
    """Somebody who leaves, where they are scheduled, and who of the team could take over."""

    user: User
    places: Sequence[Scheduled]
    candidates: Sequence[User]
    emptied: frozenset[int]  # rotations that would be left without members
    now: datetime

    @property
    def field(self) -> str:
        return f"{NAME}{self.user.pk}"

    @property
    def rows(self) -> list[dict[str, Any]]:
        return [self._row(place) for place in self.places]

    def _row(self, place: Scheduled) -> dict[str, Any]:
        rotation = place.rotation
        return {
            "rotation": rotation,
            "turn": preview.turn(place.next_shift, rotation, self.now),
            "covers": [preview.span(override, rotation) for override in place.overrides],
            "is_emptied": rotation.pk in self.emptied,
        }


class Undecided(Exception):
    """Raised before anything is saved: somebody has to say who takes over."""

    def __init__(self, leavers: Sequence[Leaver]) -> None:
        super().__init__("Who takes over?")
        self.leavers = leavers


class AsksWhoTakesOver(AnyModelAdmin):
    """An admin whose save may raise Undecided: then nothing is saved, and the question follows."""

    def changeform_view(
        self,
        request: HttpRequest,
        object_id: str | None = None,
        form_url: str = "",
        extra_context: dict[str, Any] | None = None,
    ) -> HttpResponse:
        try:
            return super().changeform_view(request, object_id, form_url, extra_context)
        except Undecided as undecided:
            return ask(self, request, undecided.leavers)
        except Refused as refused:
            self.message_user(request, refused.message, messages.ERROR)
            return redirect(request.path)


def successors(
    request: HttpRequest, users: Iterable[User], *, now: datetime, team: Team | None = None
) -> dict[User, User | None]:
    """Who takes over from each of them, as the page below was answered; Undecided otherwise."""
    going = list(users)
    found: dict[User, User | None] = dict.fromkeys(going)
    leavers = [leaver for user in going if (leaver := _leaver(user, going, team, now))]
    for leaver in leavers:
        answer = request.POST.get(leaver.field, "")
        chosen = next((user for user in leaver.candidates if str(user.pk) == answer), None)
        if chosen is None and answer != NOBODY:
            raise Undecided(leavers)
        found[leaver.user] = chosen
    return found


def ask(
    modeladmin: ModelAdmin[Any], request: HttpRequest, leavers: Sequence[Leaver]
) -> HttpResponse:
    """A page that says where they are scheduled; it posts the same again, with the answers."""
    fields = [leaver.field for leaver in leavers]
    again = [
        (name, value)
        for name, values in request.POST.lists()
        if name != "csrfmiddlewaretoken" and name not in fields
        for value in values
    ]
    context = {
        **modeladmin.admin_site.each_context(request),
        "title": "Who takes over?",
        "opts": modeladmin.opts,
        "leavers": leavers,
        "again": again,
        "asked_before": any(field in request.POST for field in fields),
        "media": modeladmin.media,
    }
    return TemplateResponse(request, "admin/schedules/leaving.html", context)


def _leaver(user: User, going: Sequence[User], team: Team | None, now: datetime) -> Leaver | None:
    places = people.where_scheduled(user, now=now, team=team)
    if not places:
        return None
    rotations = [place.rotation for place in places]
    left = RotationMember.objects.filter(rotation__in=rotations).exclude(user__in=going)
    peopled = set(left.values_list("rotation", flat=True))
    return Leaver(
        user=user,
        places=places,
        candidates=_candidates({rotation.team_id for rotation in rotations}, going),
        emptied=frozenset(rotation.pk for rotation in rotations if rotation.pk not in peopled),
        now=now,
    )


def _candidates(teams: Iterable[int], going: Sequence[User]) -> list[User]:
    """Whoever answers in all of these teams and stays."""
    found = User.objects.filter(is_active=True).exclude(pk__in=[user.pk for user in going])
    seats = Membership.objects.exclude(role=Membership.Role.OBSERVER)
    for team in teams:
        found = found.filter(pk__in=seats.filter(team=team).values("user"))
    return list(found)
