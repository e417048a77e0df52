"""Calendar feeds: secret links that calendar programs read without a login."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.core import signing
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import F, Max, Q
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST, require_safe

from schedules import ics, oncall, sight
from schedules.models import CalendarFeed, Rotation, ScheduleChange, Team, User

BACK, AHEAD = timedelta(days=30), timedelta(days=366)
# The last shift, too, says who comes after it.
BEYOND = timedelta(days=35)
GONE = (
    "There is no such calendar. If its link was replaced, PagerPal's calendar page has the new one."
)
_signer = signing.Signer(salt="ical", sep=".")


@dataclass(frozen=True)
class Link:
    """A feed as the calendar page offers it; `path` is empty until somebody wanted one."""

    label: str
    kind: str
    pk: int
    path: str
    may_renew: bool

    @property
    def url(self) -> str:
        return f"{settings.PAGERPAL_BASE_URL}{self.path}"

    @property
    def webcal(self) -> str:
        return f"webcal://{self.url.partition('://')[2]}"


def token_for(feed: CalendarFeed) -> str:
    """Stands for this feed until its version is raised."""
    return _signer.sign(f"{feed.pk}-{feed.version}")


def read_token(token: str) -> CalendarFeed | None:
    """The feed that this token opens, if it still does and there is still somebody behind it."""
    try:
        pk, _, version = _signer.unsign(token).partition("-")
        feeds = CalendarFeed.objects.select_related("user", "team", "rotation__team")
        feed = feeds.get(pk=int(pk), version=int(version))
    except (signing.BadSignature, ValueError, CalendarFeed.DoesNotExist):
        return None
    return feed if _is_on(feed) else None


def _is_on(feed: CalendarFeed) -> bool:
    if feed.rotation:
        return feed.rotation.is_active and feed.rotation.team.is_active
    owner = feed.user or feed.team
    return owner is not None and owner.is_active


# Open to whoever has the link: calendar programs cannot sign in.
@login_not_required
@require_safe
def feed(request: HttpRequest, token: str) -> HttpResponse:
    """The shifts from 30 days ago to a year ahead; 304 for whoever has them as they are."""
    found = read_token(token)
    if found is None:
        return HttpResponse(f"{GONE}\n", status=404, content_type="text/plain; charset=utf-8")
    name, listed = _name(found), _entries(found, timezone.now())
    etag = f'"{ics.digest(name, listed)}"'
    if etag in request.headers.get("If-None-Match", ""):
        response = HttpResponse(status=304)
    else:
        response = HttpResponse(
            ics.render(name, listed), content_type="text/calendar; charset=utf-8"
        )
        response["Content-Disposition"] = 'inline; filename="on-call.ics"'
    response["ETag"] = etag
    response["Cache-Control"] = "private, no-cache"
    return response


def _name(found: CalendarFeed) -> str:
    return f"On call: {found.user or found.team or found.rotation}"


def _entries(found: CalendarFeed, now: datetime) -> list[ics.Entry]:
    # The same through one day, so that an unchanged schedule is an unchanged file.
    today = now.replace(hour=0, minute=0, second=0, microsecond=0)
    start, end = today - BACK, today + AHEAD
    rotations = _rotations(found, start, end)
    return ics.entries(
        oncall.plans(rotations, start, end + BEYOND),
        of=found.user,
        until=end,
        changed_at=_changed_at(rotations),
        base_url=settings.PAGERPAL_BASE_URL,
    )


def _rotations(found: CalendarFeed, start: datetime, end: datetime) -> list[Rotation]:
    if found.user:
        return sight.rotations_of(found.user, start, end)
    if found.team:
        return sight.rotations_shown(found.team.rotations.all(), start, end)
    return [found.rotation] if found.rotation else []


def _changed_at(rotations: Iterable[Rotation]) -> dict[int, datetime]:
    changes = ScheduleChange.objects.filter(rotation__in=rotations).order_by()
    return dict(changes.values_list("rotation").annotate(Max("at")))


def links(user: User, team: Team | None, rotations: Sequence[Rotation], *, may: bool) -> list[Link]:
    """The feeds that the calendar page offers, in one query."""
    wanted = Q(user=user) | Q(team=team) if team else Q(user=user)
    if team:
        wanted |= Q(rotation__in=rotations)
    paths = {_owner(one): _path(one) for one in CalendarFeed.objects.filter(wanted)}

    def link(label: str, kind: str, pk: int, may_renew: bool) -> Link:
        return Link(label, kind, pk, paths.get((kind, pk), ""), may_renew)

    found = [link("My shifts, in all teams", "user", user.pk, True)]
    if team:
        found.append(link(f"{team}, everybody", "team", team.pk, may))
        found += [link(f"{team}, only {one.name}", "rotation", one.pk, may) for one in rotations]
    return found


def _owner(one: CalendarFeed) -> tuple[str, int]:
    if one.user_id:
        return "user", one.user_id
    return ("team", one.team_id) if one.team_id else ("rotation", one.rotation_id or 0)


def _path(one: CalendarFeed) -> str:
    return reverse("schedules:feed", args=[token_for(one)])


@require_POST
def new_link(request: HttpRequest) -> HttpResponse:
    """Make the link, or a new one in place of it: the old one ends at once."""
    user: User = request.user  # type: ignore[assignment]
    owner = owner_of(user, request.POST.get("kind", ""), request.POST.get("pk", ""))
    is_new = renew(owner)
    ended = "" if is_new else " The old one no longer works: whoever used it needs the new one."
    messages.success(request, f"The link is made.{ended}")
    if url_has_allowed_host_and_scheme(back := request.POST.get("back", ""), allowed_hosts=None):
        return redirect(back)
    team = owner.get("team") or (owner["rotation"].team if "rotation" in owner else None)
    query = f"?subscribe=1&team={team.pk if team else 'mine'}"
    return redirect(f"{reverse('schedules:calendar')}{query}#subscribe")


def renew(owner: Mapping[str, Any]) -> bool:
    """A link of whose is given, or a new one in place of the old; whether it is the first."""
    with transaction.atomic():
        one, is_new = CalendarFeed.objects.get_or_create(**owner)
        if not is_new:
            CalendarFeed.objects.filter(pk=one.pk).update(version=F("version") + 1)
    return is_new


def owner_of(user: User, kind: str, key: str) -> dict[str, Any]:
    """What the feed is of: this person, or a team or rotation by its number."""
    if kind == "user":
        return {"user": user}
    if kind not in {"team", "rotation"} or not key.isdecimal() or len(key) > 9:
        raise Http404
    teams = sight.teams_of(user)
    if kind == "team":
        team = teams.filter(pk=int(key)).first()
        rotation = None
    else:
        rotations = Rotation.objects.filter(team__in=teams).select_related("team")
        rotation = rotations.filter(pk=int(key)).first()
        team = rotation.team if rotation else None
    if team is None:
        raise Http404
    if not sight.may_cover(user, [team.pk]):
        raise PermissionDenied(
            f"You are an observer of {team}: a new link would end the one that others use. "
            "A responder or lead of the team can make one."
        )
    return {"rotation": rotation} if rotation else {"team": team}
