"""The link in a message that said several things: one button that takes all of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from zoneinfo import ZoneInfo

from django.contrib.auth.decorators import login_not_required
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods

from incidents.answers import Answer, BadToken, ExpiredToken, read_token, token_for
from incidents.lifecycle import Actor
from incidents.models import Incident
from incidents.replies import in_words, perform_all
from incidents.views import preflight
from notifications import bundles
from notifications.signals import link_opened
from schedules.models import User

PREFIX = "incident:"


def holders(user: User, threads: Iterable[str], *, now: datetime) -> list[Answer]:
    """What this person may still answer of these threads, by the rules of the link to each."""
    found = []
    for thread in threads:
        number = thread.removeprefix(PREFIX)
        if not (thread.startswith(PREFIX) and number.isdecimal()):
            continue
        try:
            found.append(read_token(token_for(int(number), user.pk), now=now))
        except (BadToken, ExpiredToken):
            continue
    return found


# Open to whoever holds the token, as the link to one incident is.
@login_not_required
@csrf_exempt
@never_cache
@require_http_methods(["GET", "HEAD", "POST", "OPTIONS"])
def answer_all(request: HttpRequest, token: str) -> HttpResponse:
    """Show what the message said with one button; only a POST acts."""
    response = preflight() if request.method == "OPTIONS" else _answer(request, token)
    response["Referrer-Policy"] = "no-referrer"
    response["Access-Control-Allow-Origin"] = "*"
    return response


def _answer(request: HttpRequest, token: str) -> HttpResponse:
    now, bundle = timezone.now(), bundles.read_token(token)
    if bundle is None or bundle.lead.user is None:
        return _say(request, 404, "This link is not one of PagerPal's. Nothing was changed.")
    user = bundle.lead.user
    found = holders(user, bundle.threads, now=now)
    if not found:
        return _say(request, 410, "This link has expired. Sign in to see the incidents.")
    try:
        text = _take(user, found, now) if request.method == "POST" else ""
    except DatabaseError:
        text = "Your answer could NOT be stored. Try again in a moment."
        return _say(request, 503, text, user, found)
    link_opened.send_robust(sender=Incident, request=request)
    with timezone.override(ZoneInfo(user.time_zone)):
        return _say(request, 200, text, user, holders(user, bundle.threads, now=now))


def _take(user: User, found: Sequence[Answer], now: datetime) -> str:
    numbers = [one.incident.pk for one in found]
    return in_words(
        "acknowledge", perform_all("acknowledge", numbers, by=Actor.person(user, "link"), now=now)
    )


def _say(
    request: HttpRequest,
    code: int,
    text: str,
    user: User | None = None,
    found: Sequence[Answer] = (),
) -> HttpResponse:
    """A page for browsers, one line of plain text for programs that post."""
    if request.method == "POST" and "text/html" not in request.headers.get("Accept", ""):
        return HttpResponse(f"{text}\n", status=code, content_type="text/plain; charset=utf-8")
    incidents = [one.incident for one in found]
    waiting = [one for one in incidents if one.state == Incident.State.TRIGGERED]
    context = {"news": text, "code": code, "holder": user, "now": timezone.now()}
    context |= {"incidents": incidents, "waiting": len(waiting)}
    return render(request, "incidents/answer_all.html", context, status=code)
