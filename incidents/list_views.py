"""The incident list: its filters are GET parameters, its rows a live fragment."""

from __future__ import annotations

import hashlib
from typing import Any

from django.core.paginator import Page as ListPage
from django.core.paginator import Paginator
from django.db.models import Exists, OuterRef, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from incidents import acts, raising, situation
from incidents.models import Incident, IncidentQuerySet, Page, Severity
from schedules.models import Team, User

State = Incident.State
PER_PAGE = 25
SHOWN = {"open": "Open", "mine": "Mine", "resolved": "Resolved", "all": "All"}


@never_cache
@require_safe
def incident_list(request: HttpRequest) -> HttpResponse:
    """Filters are GET parameters, so that a view can be bookmarked and sent to somebody."""
    now = timezone.now()
    user: User = request.user  # type: ignore[assignment]
    visible = Incident.objects.visible_to(user)
    shown = request.GET.get("show", "open")
    shown = shown if shown in SHOWN else "open"
    found = _filtered(_shown(visible, shown, user), request).urgent_first()
    page = Paginator(found.select_related("team", "owner"), PER_PAGE).get_page(
        request.GET.get("page")
    )
    seen = _digest(page)
    if request.htmx and request.GET.get("seen") == seen:  # type: ignore[attr-defined]
        return HttpResponse(status=204)
    context = {
        "section": "incidents",
        "now": now,
        "page": page,
        "rows": rows(page.object_list, user),
        "seen": seen,
        "shown": shown,
        "filtered": bool(request.GET.get("team") or request.GET.get("severity")),
    }
    if request.htmx:  # type: ignore[attr-defined]
        return render(request, "incidents/_list.html", context)
    return render(request, "incidents/list.html", context | _choices(visible, user, request))


def rows(incidents: Any, user: User) -> list[dict[str, Any]]:
    """What a list shows of each incident: whom it pages now, and whether this person may act."""
    found = list(incidents)
    paging = situation.paged_last(found)
    observed = acts.observed_teams(user)
    return [
        {
            "incident": incident,
            "paging": paging.get(incident.pk),
            "can_acknowledge": incident.state == State.TRIGGERED
            and (incident.team_id not in observed or _is_paging(paging.get(incident.pk), user)),
        }
        for incident in found
    ]


def _is_paging(paging: situation.Paging | None, user: User) -> bool:
    return paging is not None and user in paging.people


def _shown(visible: IncidentQuerySet, shown: str, user: User) -> IncidentQuerySet:
    if shown == "all":
        return visible
    if shown == "resolved":
        return visible.filter(state=State.RESOLVED)
    if shown == "mine":
        return visible.filter(_mine(user)).exclude(state=State.RESOLVED)
    return visible.exclude(state=State.RESOLVED)


def _mine(user: User) -> Q:
    """Owned by this person, or paging them now."""
    called = Page.objects.filter(incident=OuterRef("pk"), episode=OuterRef("episode"), user=user)
    return Q(owner=user) | Q(Exists(called), state=State.TRIGGERED)


def _filtered(found: IncidentQuerySet, request: HttpRequest) -> IncidentQuerySet:
    team, severity = request.GET.get("team", ""), request.GET.get("severity", "")
    if team.isdecimal() and len(team) < 10:
        found = found.filter(team=int(team))
    if severity in Severity.values:
        found = found.filter(severity=severity)
    return found


def _digest(page: ListPage[Incident]) -> str:
    """Stands for what a list shows: unchanged digest, nothing to send."""
    shown = [(one.pk, one.revision) for one in page.object_list]
    text = repr((page.number, page.paginator.count, shown))
    return hashlib.blake2s(text.encode(), digest_size=8).hexdigest()


def _choices(visible: IncidentQuerySet, user: User, request: HttpRequest) -> dict[str, Any]:
    opened = visible.exclude(state=State.RESOLVED)
    counts = {"open": opened.count(), "mine": opened.filter(_mine(user)).count()}
    teams = Team.objects.all() if user.is_superuser else user.teams.all()
    return {
        "tabs": [(word, label, counts.get(word)) for word, label in SHOWN.items()],
        "teams": teams,
        "severities": Severity.values,
        "last_closed": visible.filter(state=State.RESOLVED).order_by("-resolved_at").first(),
        "chosen_team": request.GET.get("team", ""),
        "chosen_severity": request.GET.get("severity", ""),
        "may_raise": raising.teams_for(user).exists(),
    }
