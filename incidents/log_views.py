"""The log of incidents with its figures, as a page and as CSV, and the report of one of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import get_object_or_404, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from incidents import asking, export, figures, listing, situation
from incidents.asking import Asked
from incidents.list_views import sources_of, teams_of
from incidents.models import SEVERITY_RANK, Incident, IncidentQuerySet, Severity, TimelineEntry
from schedules.models import Team, User

# By default the log shows so many days, today the last of them.
DAYS = 30
PER_PAGE = 50
# More than a night of alerts makes; a printed report has an end.
MOST_ENTRIES = 3000


@dataclass(frozen=True)
class Log:
    """What an address of the log asks for."""

    asked: Asked
    teams: list[Team]
    found: IncidentQuerySet


@never_cache
@require_safe
def log(request: HttpRequest) -> HttpResponse:
    """Figures of a team and a period, and under them the incidents that they are about."""
    user: User = request.user  # type: ignore[assignment]
    wanted = _log(request, user)
    after = listing.place_of(request.GET.get("after", ""))
    below = after.pk if after else None
    listed = listing.by_number(wanted.found, wanted.asked, below=below, size=PER_PAGE)
    context = {
        "section": "incidents",
        "now": timezone.now(),
        "asked": wanted.asked,
        "teams": wanted.teams,
        "severities": Severity.values,
        "ranked": list(SEVERITY_RANK),
        "sources": sources_of(wanted.teams, wanted.asked),
        "figures": figures.of(wanted.found),
        "rows": rows_of(listed.incidents),
        "listed": listed,
        "is_first": below is None,
    }
    return render(request, "incidents/log.html", context)


@never_cache
@require_safe
def log_csv(request: HttpRequest) -> StreamingHttpResponse:
    """The same incidents for a spreadsheet, sent as they are read."""
    user: User = request.user  # type: ignore[assignment]
    return as_csv(_log(request, user))


def as_csv(wanted: Log) -> StreamingHttpResponse:
    """The log's rows, which are read as they are sent."""
    zone = timezone.get_current_timezone()
    response = StreamingHttpResponse(
        _in_zone(export.lines(wanted.found), zone), content_type="text/csv; charset=utf-8"
    )
    days = f"{wanted.asked.first_on or ''}-to-{wanted.asked.last_on or ''}".strip("-")
    response["Content-Disposition"] = f'attachment; filename="incidents-{days}.csv"'
    response["X-Content-Type-Options"] = "nosniff"
    return response


def _in_zone(lines: Iterator[bytes], zone: Any) -> Iterator[bytes]:
    """Read within this zone: the middleware's is over when the first line is asked for."""
    while True:
        with timezone.override(zone):
            line = next(lines, None)
        if line is None:
            return
        yield line


def _log(request: HttpRequest, user: User) -> Log:
    params = {name: str(value) for name, value in request.GET.items() if name not in {"tests", "q"}}
    return log_of(params, user)


def log_of(params: Mapping[str, str], user: User) -> Log:
    """What these filters ask for, of what this person may see."""
    teams = teams_of(user)
    asked = asking.read(params, teams).over(DAYS, timezone.localdate())
    visible = figures.counted(Incident.objects.visible_to(user))
    return Log(asked, teams, visible.filter(asked.condition()))


def rows_of(incidents: list[Incident]) -> list[dict[str, Any]]:
    keys = [incident.pk for incident in incidents]
    taken = figures.acknowledged_first(Incident.objects.filter(pk__in=keys))
    return [
        {
            "incident": one,
            "to_acknowledge": taken[one.pk] - one.opened_at if one.pk in taken else None,
            "to_resolve": one.resolved_at - one.opened_at if one.resolved_at else None,
        }
        for one in incidents
    ]


@never_cache
@require_safe
def report(request: HttpRequest, pk: int) -> HttpResponse:
    """All of one incident in the order in which it happened, for paper."""
    user: User = request.user  # type: ignore[assignment]
    visible = Incident.objects.visible_to(user).select_related("team", "owner", "policy")
    incident = get_object_or_404(visible, pk=pk)
    entries = incident.timeline.select_related("actor").order_by("at", "pk")
    shown = list(entries[: MOST_ENTRIES + 1])
    context = {
        "section": "incidents",
        "now": timezone.now(),
        "incident": incident,
        "entries": shown[:MOST_ENTRIES],
        "has_more": len(shown) > MOST_ENTRIES,
        "notes": [entry for entry in shown if entry.kind == TimelineEntry.Kind.NOTE],
        "told": situation.told(incident),
        "links": situation.web_links(incident),
        "labels": list(incident.labels.items()),
        "lasted": incident.resolved_at - incident.opened_at if incident.resolved_at else None,
    }
    return render(request, "incidents/report.html", context)
