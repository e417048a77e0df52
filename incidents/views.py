"""The responder pages: the incident with its live fragments, and the link in messages."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import PermissionDenied
from django.db import DatabaseError
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.html import format_html
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from incidents import acts, lifecycle, more, resending, situation
from incidents.answers import Answer, BadToken, ExpiredToken, read_token
from incidents.lifecycle import Actor, Refused
from incidents.models import Incident, TimelineEntry
from incidents.signed_out import forget, kept_note, survives
from incidents.wishes import text_of
from notifications.signals import link_opened
from schedules.models import User

MOST_ENTRIES = 300


# --- One incident --------------------------------------------------------------------------------


@never_cache
@require_safe
def detail(request: HttpRequest, pk: int) -> HttpResponse:
    incident = _visible(request, pk)
    context = _facts(request, incident)
    context["links"] = situation.web_links(incident)
    # Pairs: in a template a label that is called "items" would hide the method of that name.
    context["labels"] = list(incident.labels.items())
    context["kept"] = kept_note(request, pk, context["now"])
    return render(request, "incidents/detail.html", context)


@never_cache
@require_safe
def status(request: HttpRequest, pk: int) -> HttpResponse:
    """What an open page asks for again and again: all of it that may change, in one answer."""
    incident = _visible(request, pk)
    if request.GET.get("seen") == str(incident.revision):
        return HttpResponse(status=204)
    facts = _live_facts(request, incident)
    return render(request, "incidents/_live.html", facts | {"oob": True})


@survives
@require_POST
def act(request: HttpRequest, pk: int, word: str) -> HttpResponse:
    """One of the buttons. Of two people who press together, the second is told who was first."""
    incident = _actable(request, pk)
    wish = {name: str(value) for name, value in request.POST.items()}
    try:
        moved = acts.perform(word, incident.pk, by=_actor(request), now=timezone.now(), wish=wish)
    except Refused as refused:
        return _acted(request, pk, _refusal(refused), messages.ERROR)
    if moved.changed and wish.get("text"):
        forget(request, pk)
    return _acted(request, pk, moved.text, messages.SUCCESS if moved.changed else messages.WARNING)


@survives
@require_POST
def again(request: HttpRequest, pk: int, message: int) -> HttpResponse:
    """Send one message of the list once more."""
    incident = _actable(request, pk)
    moved = resending.send_again(incident.pk, message, _person(request), now=timezone.now())
    return _acted(request, pk, moved.text, messages.SUCCESS if moved.changed else messages.WARNING)


@survives
@require_POST
def note(request: HttpRequest, pk: int) -> HttpResponse:
    incident = _actable(request, pk)
    try:
        text = text_of(request.POST.dict())
    except Refused as refused:
        return _acted(request, pk, refused.message, messages.ERROR)
    if not text:
        return _acted(request, pk, "The note is empty: write something first.", messages.ERROR)
    moved = lifecycle.add_note(incident.pk, _actor(request), text, now=timezone.now())
    forget(request, pk)
    return _acted(request, pk, moved.text, messages.SUCCESS)


def _acted(request: HttpRequest, pk: int, text: str, level: int) -> HttpResponse:
    """Fragments with the news for htmx; for everybody else back to the page they came from."""
    if request.htmx:  # type: ignore[attr-defined]
        context = _facts(request, _visible(request, pk)) | {"news": text, "oob": True}
        return render(request, "incidents/_acted.html", context)
    messages.add_message(request, level, text)
    following = request.POST.get("next", "")
    if url_has_allowed_host_and_scheme(following, {request.get_host()}):
        return HttpResponseRedirect(following)
    return redirect("incidents:detail", pk)


def _refusal(refused: Refused) -> str:
    other = refused.other_incident
    if other is None:
        return refused.message
    return format_html('{} <a href="{}">{}</a>', refused.message, other.get_absolute_url(), other)


def _facts(request: HttpRequest, incident: Incident) -> dict[str, Any]:
    facts = _live_facts(request, incident)
    return facts | (more.facts(incident, _person(request)) if facts["can_act"] else {})


def _live_facts(request: HttpRequest, incident: Incident) -> dict[str, Any]:
    return (
        _status_facts(request, incident)
        | _timeline_facts(incident)
        | _delivery_facts(request, incident)
    )


def _status_facts(request: HttpRequest, incident: Incident) -> dict[str, Any]:
    now, user = timezone.now(), _person(request)
    can_act = acts.may_act(user, incident)
    offered = acts.offered(incident, user) if can_act else []
    return {
        "section": "incidents",
        "now": now,
        "incident": incident,
        "situation": situation.situation(incident, now),
        "can_act": can_act,
        "buttons": [(word, acts.label_of(word, incident, user)) for word in offered],
        "is_mine": incident.owner_id == user.pk,
        "is_anothers": bool(incident.holder) and incident.owner_id != user.pk,
    }


def _timeline_facts(incident: Incident) -> dict[str, Any]:
    entries = list(incident.timeline.select_related("actor")[: MOST_ENTRIES + 1])
    return {
        "now": timezone.now(),
        "incident": incident,
        "entries": entries[:MOST_ENTRIES],
        "has_more": len(entries) > MOST_ENTRIES,
    }


def _delivery_facts(request: HttpRequest, incident: Incident) -> dict[str, Any]:
    may_act = acts.may_act(_person(request), incident)
    return {
        "now": timezone.now(),
        "incident": incident,
        "told": situation.told(incident),
        # A held message's link answers as its receiver: for trying PagerPal out in safe mode, by
        # those who may act anyway.
        "show_links": not settings.NOTIFICATION_SENDING_ENABLED and may_act,
        "may_send": may_act,
    }


def _visible(request: HttpRequest, pk: int) -> Incident:
    visible = Incident.objects.visible_to(_person(request))
    return get_object_or_404(visible.select_related("team", "owner", "policy"), pk=pk)


def _actable(request: HttpRequest, pk: int) -> Incident:
    incident = _visible(request, pk)
    if not acts.may_act(_person(request), incident):
        raise PermissionDenied(
            f"You are an observer of {incident.team}: observers look, they do not act. "
            "A lead or an admin can make you a responder."
        )
    return incident


def _person(request: HttpRequest) -> User:
    # LoginRequiredMiddleware let nobody else through.
    user: User = request.user  # type: ignore[assignment]
    return user


def _actor(request: HttpRequest) -> Actor:
    return Actor.person(_person(request), "page")


# --- The link in messages ------------------------------------------------------------------------


# Open to whoever holds the token, from any page or app: the signature is the permission.
@login_not_required
@csrf_exempt
@never_cache
@require_http_methods(["GET", "HEAD", "POST", "OPTIONS"])
def answer(request: HttpRequest, token: str) -> HttpResponse:
    """Show the incident with one button; only a POST acts. Never redirects or asks to log in."""
    response = preflight() if request.method == "OPTIONS" else _answer(request, token)
    response["Referrer-Policy"] = "no-referrer"
    response["Access-Control-Allow-Origin"] = "*"
    return response


def preflight() -> HttpResponse:
    response = HttpResponse(status=204)
    response["Access-Control-Allow-Methods"] = "GET, HEAD, POST, OPTIONS"
    response["Access-Control-Allow-Headers"] = "*"
    return response


def _answer(request: HttpRequest, token: str) -> HttpResponse:
    now = timezone.now()
    try:
        holder = read_token(token, now=now)
        with timezone.override(ZoneInfo(holder.user.time_zone)):
            if request.method == "POST":
                response = _take(request, holder, now)
            else:
                response = _say(request, 200, "", holder, now)
        link_opened.send_robust(sender=Incident, request=request)
        return response
    except BadToken:
        return _say(request, 404, "This link is not one of PagerPal's. Nothing was changed.")
    except ExpiredToken:
        return _say(request, 410, "This link has expired. Sign in to see the incident.")
    except DatabaseError:
        return _say(request, 503, "Your answer could NOT be stored. Try again in a moment.")


def _take(request: HttpRequest, holder: Answer, now: datetime) -> HttpResponse:
    """Act for the holder; an empty body acknowledges, as the button in a push message does."""
    word = request.POST.get("act", "acknowledge")
    by = Actor.person(holder.user, "link")
    try:
        acts.LABELS[word]  # the rest is for whoever has signed in
        moved = acts.perform(word, holder.incident.pk, by=by, now=now)
    except KeyError:
        allowed = ", ".join(acts.LABELS)
        return _say(request, 400, f"Unknown act. Expected one of: {allowed}.", holder, now)
    except Refused as refused:
        return _say(request, 409, refused.message, holder, now)
    return _say(request, 200, moved.text, Answer(moved.incident, holder.user), now)


def _say(
    request: HttpRequest,
    code: int,
    text: str,
    holder: Answer | None = None,
    now: datetime | None = None,
) -> HttpResponse:
    """A page for browsers, one line of plain text for programs that post."""
    if request.method == "POST" and "text/html" not in request.headers.get("Accept", ""):
        return HttpResponse(f"{text}\n", status=code, content_type="text/plain; charset=utf-8")
    context: dict[str, Any] = {"news": text, "code": code, "now": now, "holder": holder}
    if holder:
        incident = holder.incident
        offered = acts.offered(incident, holder.user)
        context |= {
            "incident": incident,
            "is_mine": incident.owner_id == holder.user.pk,
            "is_anothers": bool(incident.holder) and incident.owner_id != holder.user.pk,
            "buttons": [(word, acts.label_of(word, incident, holder.user)) for word in offered[:1]],
            "can_escalate": "escalate" in offered,
            "entry": _last_word(incident),
        }
    return render(request, "incidents/answer.html", context, status=code)


def _last_word(incident: Incident) -> TimelineEntry | None:
    """How a resolved incident ended, for whoever opens the link late."""
    if incident.is_open:
        return None
    return incident.timeline.filter(kind=TimelineEntry.Kind.RESOLVED).first()
