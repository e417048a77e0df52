"""The calendar: 90 days of a team, or of one's own shifts, on a desk, a phone and on paper."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.utils.dateparse import parse_date
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from schedules import calendar, feeds, oncall, sight, troubles
from schedules.calendar import Pen, Span
from schedules.covering import LONGEST
from schedules.duty import duty_in, with_troubles
from schedules.models import EARLIEST, LATEST, Rotation, ScheduleChange, Team, User
from schedules.oncall import PlannedShift

MINE = "mine"
MOST_CHANGES = 50


@dataclass(frozen=True)
class Asked:
    """What the address asked for, junk put right; `team` is None for one's own shifts."""

    teams: list[Team]
    team: Team | None
    span: Span
    notices: list[str]


@never_cache
@require_safe
def calendar_page(request: HttpRequest) -> HttpResponse:
    user: User = request.user  # type: ignore[assignment]
    now = timezone.now()
    asked = _asked(request, user, now)
    rotations = _rotations(asked, user)
    plans: calendar.Plans = oncall.plans(rotations, asked.span.starts_at, asked.span.ends_at)
    duties = [duty_in(rotation, plans.get(rotation.pk, []), now) for rotation in rotations]
    if asked.team is None:
        plans = calendar.only_of(plans, user)
        duties = [duty for duty in duties if duty.person == user]
    may = sight.may_cover(user, {rotation.team_id for rotation in rotations})
    people = calendar.people_in(plans)
    unreached = troubles.of_people([*people, *(duty.person for duty in duties)])
    pen = Pen(user.time_zone, calendar.colours(people), _links(may, now))
    context = {
        "section": "calendar",
        "now": now,
        "today": timezone.localtime(now).date(),
        "asked": asked,
        "zone": user.time_zone,
        "rotations": rotations,
        "duties": with_troubles(duties, unreached) if asked.span.holds(now) else [],
        "weeks": calendar.weeks(rotations, plans, asked.span, pen),
        "agenda": calendar.agenda(plans, asked.span, now, pen),
        "several": len(rotations) > 1,
        "no_team": asked.team is None,
        "loads": calendar.loads(plans, asked.span, pen, unreached),
        "gaps": calendar.gaps(plans, asked.span, now),
        "may_cover": bool(may),
        "changes": _changes(asked.team),
        "links": feeds.links(user, asked.team, rotations, may=bool(may)),
    }
    return render(request, "schedules/calendar.html", context)


def _asked(request: HttpRequest, user: User, now: datetime) -> Asked:
    teams, notices = list(sight.teams_of(user)), []
    wanted = request.GET.get("team", "")
    team = next((one for one in teams if str(one.pk) == wanted), None)
    if team is None and wanted not in {"", MINE}:
        notices.append("There is no such team, or you are not in it.")
    if team is None and wanted != MINE and teams:
        team = _first_of(user, teams)
    today = timezone.localtime(now).date()
    day = _day(request.GET.get("from", ""), today)
    if day is None:
        notices.append("That is not a date PagerPal can show: here is today.")
    return Asked(teams, team, calendar.span_from(day or today, user.time_zone), notices)


def _first_of(user: User, teams: list[Team]) -> Team:
    """An admin's own team rather than the first of all."""
    if user.is_superuser:
        own = set(user.memberships.values_list("team_id", flat=True))
        teams = [team for team in teams if team.pk in own] or teams
    return teams[0]


def _day(text: str, today: date) -> date | None:
    """Today for no text, None for junk."""
    if not text:
        return today
    try:
        day = parse_date(text)
    except ValueError:
        return None
    return day if day and EARLIEST <= day <= LATEST else None


def _rotations(asked: Asked, user: User) -> list[Rotation]:
    start, end = asked.span.starts_at, asked.span.ends_at
    if asked.team is None:
        return sight.rotations_of(user, start, end)
    return sight.rotations_shown(asked.team.rotations.all(), start, end)


def _links(may: set[int], now: datetime) -> Callable[[PlannedShift], str]:
    """Where a shift leads: to its cover's form, or to one filled in with what is left of it."""
    minute, form = now.replace(second=0, microsecond=0), reverse("schedules:cover")
    change = reverse("schedules:cover_change", args=[0]).removesuffix("0")

    def link(shift: PlannedShift) -> str:
        if shift.ends_at <= now or shift.rotation.team_id not in may:
            return ""
        if shift.override_id:
            return f"{change}{shift.override_id}"
        start = max(shift.starts_at, minute)
        end = min(shift.ends_at, start + LONGEST)
        times = f"from={start:%Y-%m-%dT%H:%M:%SZ}&until={end:%Y-%m-%dT%H:%M:%SZ}"
        return f"{form}?rotation={shift.rotation.pk}&{times}"

    return link


def _changes(team: Team | None) -> list[ScheduleChange]:
    if team is None:
        return []
    return list(team.schedule_changes.select_related("actor", "rotation")[:MOST_CHANGES])
