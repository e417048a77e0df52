"""Covering a shift from the calendar in two taps, and changing or removing a cover."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db.models import F
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from schedules import covering, oncall, sight
from schedules.calendar import Drawn, moment, span_from
from schedules.cover_form import NOBODY, CoverForm, people_for
from schedules.covering import LONGEST
from schedules.models import Override, Rotation, Team, User
from schedules.moments import read_moment
from schedules.oncall import PlannedShift

# What the form proposes where nothing says how long.
HALF_A_DAY = timedelta(hours=12)
IN_HASTE = timedelta(seconds=10)
MOST_SHOWN = 12
OVERLAPS = "It overlaps with another cover: where they overlap, the one that was made last counts."


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def cover(request: HttpRequest) -> HttpResponse:
    """The first tap opens this form filled in, the second saves it."""
    user, now = _person(request), timezone.now()
    rotations = _coverable(user)
    asked = _asked_rotation(request, user, rotations)
    offered = [asked] if asked else rotations
    people = people_for(offered)
    form = CoverForm(
        request.POST if request.method == "POST" else None,
        initial=_proposal(request, user, asked, people, now),
        rotations=offered,
        people=people,
        me=user,
        now=now,
        is_chosen=asked is not None,
    )
    if form.is_valid() and (saved := _save(form, None, user, now)):
        return _saved(request, saved, user, now)
    return render(request, "schedules/cover.html", _facts(form, asked, None, user, now))


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def cover_change(request: HttpRequest, pk: int) -> HttpResponse:
    """Change or remove a cover that is not over."""
    user, now = _person(request), timezone.now()
    override = _visible(user, pk)
    if override is None:
        if request.method == "POST":  # the second of two taps, or somebody was faster
            messages.warning(request, "That cover is gone already.")
            return redirect("schedules:calendar")
        raise Http404
    rotation = override.rotation
    if not covering.may_cover(user, rotation):
        raise PermissionDenied(_observers_look(rotation.team))
    if override.ends_at <= now:
        messages.warning(request, "That cover is over: what was, stays.")
        return redirect(_page_of(rotation.team, override.starts_at, user, now))
    if request.POST.get("act") == "remove":
        return _removed(request, override, user, now)
    form = CoverForm(
        request.POST if request.method == "POST" else None,
        initial=_as_it_is(override),
        rotations=[rotation],
        people=_with(override.user, people_for([rotation])),
        me=user,
        now=now,
        is_chosen=True,
    )
    if form.is_valid() and (saved := _save(form, override, user, now)):
        return _saved(request, saved, user, now)
    return render(request, "schedules/cover.html", _facts(form, rotation, override, user, now))


def _save(
    form: CoverForm, override: Override | None, user: User, now: datetime
) -> covering.Covered | None:
    """None where it was refused, with the reason in the form."""
    start, end = form.cleaned_data["starts_at"], form.cleaned_data["ends_at"]
    try:
        if override:
            return covering.change_cover(
                override, user=form.person, starts_at=start, ends_at=end, by=user, now=now
            )
        if twin := _just_saved(form, user, now):
            return covering.Covered(twin, [])
        return covering.cover(form.chosen_rotation, form.person, start, end, by=user, now=now)
    except covering.Refused as refused:
        form.add_error(None, refused.message)
        return None


def _just_saved(form: CoverForm, user: User, now: datetime) -> Override | None:
    """What the first of two hasty taps on the button made."""
    mine = form.chosen_rotation.overrides.filter(created_by=user, created_at__gt=now - IN_HASTE)
    same = mine.filter(user=form.person, ends_at=form.cleaned_data["ends_at"])
    starts_at = form.cleaned_data["starts_at"]
    same = same.filter(starts_at__gte=starts_at, starts_at__lte=max(starts_at, now))
    return same.select_related("user", "rotation__team").first()


def _saved(
    request: HttpRequest, saved: covering.Covered, user: User, now: datetime
) -> HttpResponse:
    override = saved.override
    rotation = override.rotation
    who = "You cover" if override.user == user else f"{override.user or 'Nobody'} covers"
    messages.success(request, f"{who} {rotation} {_from_to(override, user, now)}.")
    if saved.overlaps:
        listed = "; ".join(_in_words(other, user, now) for other in saved.overlaps[:MOST_SHOWN])
        messages.warning(request, f"{OVERLAPS} The others: {listed}.")
    return redirect(_page_of(rotation.team, override.starts_at, user, now))


def _removed(request: HttpRequest, override: Override, user: User, now: datetime) -> HttpResponse:
    said = f"Removed: {_in_words(override, user, now)}."
    try:
        covering.remove_cover(override, by=user, now=now)
        messages.success(request, said)
    except covering.Refused as refused:
        messages.error(request, refused.message)
    return redirect(_page_of(override.rotation.team, override.starts_at, user, now))


def _facts(
    form: CoverForm, rotation: Rotation | None, override: Override | None, user: User, now: datetime
) -> dict[str, Any]:
    """What the form's page says of the time in question, as far as that is known."""
    times = form.cleaned_data if form.is_bound else form.initial
    start, end = times.get("starts_at"), times.get("ends_at")
    planned: list[Drawn] = []
    overlaps: list[str] = []
    if rotation and start and end and start < end <= start + LONGEST:
        there = oncall.plans([rotation], start, end)[rotation.pk]
        planned = [Drawn(shift, timezone.localtime(shift.starts_at)) for shift in there]
        overlaps = [
            _in_words(one, user, now) for one in _overlapping(rotation, start, end, override)
        ]
    return {
        "section": "calendar",
        "now": now,
        "form": form,
        "rotation": rotation,
        "override": override,
        "planned": planned[:MOST_SHOWN],
        "more": len(planned) - MOST_SHOWN,
        "overlaps": overlaps,
        "zone": user.time_zone,
        "is_mine": bool(planned) and planned[0].shift.person == user,
    }


def _overlapping(
    rotation: Rotation, start: datetime, end: datetime, override: Override | None
) -> list[Override]:
    others = rotation.overrides.filter(starts_at__lt=end, ends_at__gt=start)
    others = others.exclude(pk=override.pk) if override else others
    lasting = others.filter(starts_at__lt=F("ends_at")).select_related("user", "rotation__team")
    return list(lasting.order_by("starts_at", "pk")[:MOST_SHOWN])


def _proposal(
    request: HttpRequest,
    user: User,
    rotation: Rotation | None,
    people: Iterable[User],
    now: datetime,
) -> dict[str, Any]:
    """The form filled in: the shift in the address, and myself unless it is mine to hand over."""
    start = read_moment(request.GET.get("from", "")) or now.replace(second=0, microsecond=0)
    end = read_moment(request.GET.get("until", ""))
    shift = _shift_at(rotation, start) if rotation else None
    end = end or (min(shift.ends_at, start + LONGEST) if shift else start + HALF_A_DAY)
    is_mine = shift is not None and shift.person == user
    return {
        "rotation": rotation.pk if rotation else None,
        "who": user.pk if user in people and not is_mine else "",
        "starts_at": start,
        "ends_at": end,
    }


def _shift_at(rotation: Rotation, at: datetime) -> PlannedShift | None:
    there = oncall.plans([rotation], at, at + timedelta(minutes=1))[rotation.pk]
    return there[0] if there else None


def _as_it_is(override: Override) -> dict[str, Any]:
    return {
        "rotation": override.rotation_id,
        "who": override.user_id or NOBODY,
        "starts_at": override.starts_at,
        "ends_at": override.ends_at,
    }


def _with(person: User | None, people: list[User]) -> list[User]:
    """Whoever covers stays a choice, though they left the team: the form must not change them."""
    return people if person is None or person in people else [*people, person]


# --- Who may, and where --------------------------------------------------------------------------


def _coverable(user: User) -> list[Rotation]:
    teams = sight.teams_of(user)
    may = sight.may_cover(user, teams.values_list("pk", flat=True))
    if not may:
        raise PermissionDenied(_observers_look(None))
    rotations = Rotation.objects.filter(team__in=may, is_active=True)
    return list(rotations.select_related("team"))


def _asked_rotation(request: HttpRequest, user: User, rotations: list[Rotation]) -> Rotation | None:
    """The rotation in the address; None for none and for junk, then the form asks."""
    asked = request.GET.get("rotation", "")
    found = next((rotation for rotation in rotations if str(rotation.pk) == asked), None)
    if found is None and asked.isdecimal() and len(asked) < 10:
        seen = Rotation.objects.filter(pk=int(asked), team__in=sight.teams_of(user), is_active=True)
        if rotation := seen.select_related("team").first():
            raise PermissionDenied(_observers_look(rotation.team))
    return found


def _visible(user: User, pk: int) -> Override | None:
    overrides = Override.objects.filter(rotation__team__in=sight.teams_of(user))
    return overrides.select_related("user", "rotation__team").filter(pk=pk).first()


def _observers_look(team: Team | None) -> str:
    if team is None:
        return "Only responders and leads of a team cover there. Ask an admin to make you one."
    return (
        f"You are an observer of {team}: observers look, they do not cover. "
        "A lead or an admin can make you a responder."
    )


def _page_of(team: Team, at: datetime, user: User, now: datetime) -> str:
    """The calendar page that shows this instant, without a date where that is the usual one."""
    span = span_from(timezone.localtime(now).date(), user.time_zone)
    day = "" if span.holds(at) else f"&from={timezone.localtime(at).date()}"
    return f"{reverse('schedules:calendar')}?team={team.pk}{day}"


def _in_words(override: Override, user: User, now: datetime) -> str:
    return f"{override.user or 'nobody'} {_from_to(override, user, now)}"


def _from_to(override: Override, user: User, now: datetime) -> str:
    start, end = (moment(at, user.time_zone, now) for at in (override.starts_at, override.ends_at))
    return f"from {start} to {end}"


def _person(request: HttpRequest) -> User:
    # LoginRequiredMiddleware let nobody else through.
    user: User = request.user  # type: ignore[assignment]
    return user
