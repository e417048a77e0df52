"""The first page: who is on call, what is open, whether PagerPal works, what is left to set up."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from incidents import figures, raising
from incidents.list_views import last_closed, rows
from incidents.models import Incident, IncidentQuerySet
from pagerpal import attention, checklist, health
from pagerpal.models import WorkerHeartbeat
from pagerpal.on_duty import on_duty
from schedules import troubles
from schedules.duty import Duty
from schedules.models import User
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
    live = _live(user, now)
    seen = live["seen"] = _digest(live, now)
    is_poll = request.htmx  # type: ignore[attr-defined]
    if is_poll and request.GET.get("seen") == seen:
        return HttpResponse(status=204)
    live["rows"] = rows(live["shown"], user)
    if not is_poll:
        return render(request, "dashboard/dashboard.html", live | _still(user, now))
    return render(request, "dashboard/_live.html", live)


def _live(user: User, now: datetime) -> dict[str, Any]:
    opened = Incident.objects.visible_to(user).open().urgent_first()
    count = opened.count()
    slim = opened.select_related("team", "owner").defer("detail", "search_text", "labels", "links")
    shown = list(slim[:MOST_INCIDENTS])
    duties = on_duty(user, now)
    return {
        "now": now,
        "duties": duties,
        "mine": [duty for duty in duties if duty.person == user],
        "attention": attention.of(user, now),
        "count": count,
        "shown": shown,
        "more": count - len(shown),
        "has_unanswered": any(one.state == Incident.State.TRIGGERED for one in shown),
        "verdict": health.verdict(now),
        "beat_at": _last_beat(),
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
        "week": figures.brief(_of_last_days(user, now)),
        "days": LAST_DAYS,
    }


def _tasks(user: User, now: datetime) -> list[checklist.Line]:
    """What is left of the set-up, for admins: nothing once all is done, or somebody hid it."""
    if not user.is_superuser or checklist.is_hidden():
        return []
    lines = checklist.lines(user, now)
    return [] if all(line.is_done for line in lines) else lines


def _of_last_days(user: User, now: datetime) -> IncidentQuerySet:
    since = now - timedelta(days=LAST_DAYS)
    return figures.counted(Incident.objects.visible_to(user)).filter(opened_at__gte=since)


def _last_beat() -> datetime | None:
    beats = WorkerHeartbeat.objects.order_by("-beat_at")
    return beats.values_list("beat_at", flat=True).first()


def _digest(live: dict[str, Any], now: datetime) -> str:
    """Stands for what the live part shows; its ages may be a minute old, so that counts too."""
    said: Iterable[Any] = (
        [_said_of(duty) for duty in live["duties"]],
        [(incident.pk, incident.revision) for incident in live["shown"]],
        live["attention"].digest,
        live["count"],
        live["verdict"].troubles,
        live["verdict"].notes,
        now.strftime("%H:%M"),
    )
    return hashlib.blake2s(repr(said).encode(), digest_size=8).hexdigest()


def _said_of(duty: Duty) -> tuple[Any, ...]:
    following = duty.following
    return (
        duty.rotation.pk,
        str(duty.person),
        duty.is_gap,
        duty.until,
        duty.trouble,
        duty.then and (str(duty.then.person), duty.then.why),
        following and (str(following.person), following.starts_at),
    )
