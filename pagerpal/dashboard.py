"""The first page: who is on call, what is open, whether PagerPal works, what is left to set up."""

from __future__ import annotations

import hashlib
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Count, Sum
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from incidents import figures, listing, raising
from incidents.list_views import last_closed, rows
from incidents.models import Incident, IncidentQuerySet
from pagerpal import attention, checklist, health
from pagerpal.models import WorkerHeartbeat
from pagerpal.on_duty import on_duty
from schedules import troubles
from schedules.models import SettingChange, User
from schedules.sight import teams_of

# The list has the rest.
MOST_INCIDENTS = 20
# Their figures are shown.
LAST_DAYS = 7


@never_cache
@require_safe
def dashboard(request: HttpRequest) -> HttpResponse:
    """The page, or for its poll the live part, or 204 while that would say the same."""
    user: User = request.user  # type: ignore[assignment]
    now = timezone.now()
    opened = Incident.objects.visible_to(user).open()
    marks = opened.order_by().aggregate(count=Count("pk"), pks=Sum("pk"), moves=Sum("revision"))
    beat_at = _last_beat()
    seen = _digest(marks, beat_at, now)
    is_poll = request.htmx  # type: ignore[attr-defined]
    if is_poll and request.GET.get("seen") == seen:
        return HttpResponse(status=204)
    live = {"seen": seen, "beat_at": beat_at, **_live(user, opened, marks["count"], now)}
    if not is_poll:
        return render(request, "dashboard/dashboard.html", live | _still(user, now))
    return render(request, "dashboard/_live.html", live)


def _live(user: User, opened: IncidentQuerySet, count: int, now: datetime) -> dict[str, Any]:
    shown = list(listing.light(opened.urgent_first())[:MOST_INCIDENTS])
    duties = on_duty(user, now)
    return {
        "now": now,
        "verdict": health.verdict(now),
        "duties": duties,
        "mine": [duty for duty in duties if duty.person == user],
        "attention": attention.of(user, now),
        "count": count,
        "rows": rows(shown, user),
        "more": count - len(shown),
        "has_unanswered": any(one.state == Incident.State.TRIGGERED for one in shown),
        "last_closed": None if count else last_closed(user),
    }


def _still(user: User, now: datetime) -> dict[str, Any]:
    tasks = _tasks(user, now)
    guide = reverse("set_up")
    return {
        "section": "dashboard",
        "tasks": tasks,
        "is_guided": any(line.url == guide and not line.is_done for line in tasks),
        "trouble": troubles.of_people([user]).get(user.pk, ""),
        "has_teams": teams_of(user).exists(),
        "may_raise": raising.teams_for(user).exists(),
        "week": figures.brief(Incident.objects.visible_to(user), now - timedelta(days=LAST_DAYS)),
        "days": LAST_DAYS,
    }


def _tasks(user: User, now: datetime) -> list[checklist.Line]:
    """What is left of the set-up, for admins: nothing once all is done, or somebody hid it."""
    if not user.is_superuser or checklist.is_hidden():
        return []
    lines = checklist.lines(user, now)
    return [] if all(line.is_done for line in lines) else lines


def _last_beat() -> datetime | None:
    beats = WorkerHeartbeat.objects.order_by("-beat_at")
    return beats.values_list("beat_at", flat=True).first()


def _digest(marks: dict[str, int], beat_at: datetime | None, now: datetime) -> str:
    """Stands for what the live part shows, without looking at all of it.

    An incident that moves has another revision; one that comes or goes changes how many there are,
    or the sum of their numbers. Who is on call and what needs attention follow from settings, of
    which each change is written down, and from the time: what follows from neither, such as an
    address that begins to fail, is told with the next minute, as ages are. So are the troubles of
    which a verdict speaks after minutes; but a worker that has died is told at once.
    """
    changed = SettingChange.objects.order_by("-pk").values_list("pk", flat=True).first()
    is_alive = beat_at is not None and now - beat_at <= health.HEARTBEAT_FRESH_FOR
    said = (marks, changed, is_alive, now.strftime("%H:%M"))
    return hashlib.blake2s(repr(said).encode(), digest_size=8).hexdigest()
