"""Who is on call, for programs."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import groupby
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, JsonResponse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from schedules import sight
from schedules.duty import Duty, duties_at
from schedules.models import Rotation, User
from schedules.moments import read_moment
from schedules.oncall import PlannedShift


class Refused(Exception):
    """A request that cannot be answered: one sentence and its HTTP status."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence


# Open, because a program gets a sentence and no page to sign in on.
@login_not_required
@never_cache
@require_safe
def on_call(request: HttpRequest) -> JsonResponse:
    """Per team and rotation who is on call at an instant, until when, and who is next."""
    try:
        user = _signed_in(request)
        at = _instant(request.GET.get("at", ""))
        rotations = _rotations(request.GET.get("team", ""), user)
    except Refused as refused:
        return JsonResponse({"error": refused.sentence}, status=refused.status)
    teams = [
        {"id": team.pk, "name": team.name, "rotations": [_rotation(duty) for duty in group]}
        for team, group in groupby(duties_at(rotations, at), key=lambda duty: duty.rotation.team)
    ]
    return JsonResponse({"at": _iso(at), "teams": teams})


def _signed_in(request: HttpRequest) -> User:
    if not isinstance(request.user, User):
        raise Refused(401, "Sign in first: this is for PagerPal's people only.")
    return request.user


def _instant(text: str) -> datetime:
    if not text:
        return timezone.now()
    at = read_moment(text)
    if at is None:
        raise Refused(400, "at: expected a time from 2000 to 2100, such as 2026-11-30T09:00Z.")
    return at


def _rotations(team: str, user: User) -> list[Rotation]:
    """Those of all my teams, or of the one asked for."""
    teams = sight.teams_of(user)
    if team:
        if not team.isdecimal() or len(team) > 9:
            raise Refused(400, "team: expected the number of a team.")
        teams = teams.filter(pk=int(team))
        if not teams.exists():
            raise Refused(404, f"There is no team {team}, or you are not in it.")
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
        "until": _iso(duty.until),
        "next": {"from": _iso(duty.then.starts_at), **_shift(duty.then)} if duty.then else None,
    }


def _shift(shift: PlannedShift) -> dict[str, Any]:
    return {
        "on_call": _person(shift.person) if shift.person else None,
        "is_cover": shift.is_cover,
        "instead_of": [_person(person) for person in shift.instead_of],
        "why": shift.why,
    }


def _person(person: User) -> dict[str, Any]:
    return {"id": person.pk, "name": person.name}


def _iso(at: datetime | None) -> str | None:
    return at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if at else None
