"""What the token of a team opens: its incidents with the acts on them, and who is on call.

Each view takes the cookie's team, so that no address can name another one.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from functools import wraps
from typing import Any
from zoneinfo import ZoneInfo

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import path
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from incidents import acts, lifecycle, situation
from incidents.lifecycle import Actor, Refused
from incidents.models import Incident
from incidents.wishes import text_of
from notifications.channels.texts import one_line
from pagerpal import team_tokens
from pagerpal.account import person_of
from pagerpal.team_tokens import LIVES, LONGEST_NAME, USUAL_LIFE, Guest
from schedules import roles
from schedules.duty import duties_at

MOST_INCIDENTS, MOST_ENTRIES = 50, 100
VIA = "team token"
# Whatever is over for longer is people's who sign in.
SHOWN_FOR = timedelta(days=7)

View = Callable[..., HttpResponse]


class NameForm(forms.Form):
    name = forms.CharField(
        label="Your name",
        max_length=LONGEST_NAME,
        help_text="The timeline says it with what you do here.",
        widget=forms.TextInput(attrs={"autocomplete": "name"}),
    )

    def clean_name(self) -> str:
        name = one_line(self.cleaned_data["name"])
        if not any(letter.isalnum() for letter in name):
            raise forms.ValidationError("Write the name by which your team knows you.")
        return name


class LifeForm(forms.Form):
    days = forms.TypedChoiceField(
        label="It holds for",
        coerce=int,
        choices=list(LIVES.items()),
        initial=USUAL_LIFE,
        help_text="After that it opens nothing any more, wherever it was entered.",
    )


def for_guests(view: View) -> View:
    """Open to whoever has entered a team's token, signed in or not; the view is given them."""

    @login_not_required
    @never_cache
    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        guest = team_tokens.guest_of(request, now=timezone.now())
        if guest is None:
            return _gone(request, 403)
        with timezone.override(ZoneInfo(guest.team.time_zone)):
            try:
                return view(request, guest, *args, **kwargs)
            except (Http404, PermissionDenied) as why:
                code = 404 if isinstance(why, Http404) else 403
                return render(request, "team/refused.html", {"guest": guest}, status=code)

    return guarded


def _gone(request: HttpRequest, status: int) -> HttpResponse:
    return render(request, "team/gone.html", status=status)


# The token is what lets them in; a look at the page changes nothing.
@login_not_required
@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def enter(request: HttpRequest, token: str) -> HttpResponse:
    """Who has the token says their name and is let in."""
    now = timezone.now()
    found = team_tokens.by_token(token, now=now)
    if found is None:
        return _gone(request, 410)
    form = NameForm(request.POST or None)
    if not form.is_valid():
        return render(request, "team/enter.html", {"form": form, "team": found.team})
    name = form.cleaned_data["name"]
    return team_tokens.let_in(redirect("team_page"), found, name, now=now)


@require_POST
@login_not_required
def leave(request: HttpRequest) -> HttpResponse:
    response = redirect("login")
    team_tokens.let_out(response)
    return response


@for_guests
@require_safe
def page(request: HttpRequest, guest: Guest) -> HttpResponse:
    """Who is on call, what is open; its live part for htmx."""
    now = timezone.now()
    opened = Incident.objects.filter(team=guest.team).open().urgent_first()
    rotations = guest.team.rotations.filter(is_active=True).select_related("team")
    context = {
        "guest": guest,
        "now": now,
        "duties": duties_at(rotations, now),
        "incidents": opened.select_related("owner")[:MOST_INCIDENTS],
        "count": opened.count(),
    }
    is_poll = request.htmx  # type: ignore[attr-defined]
    return render(request, "team/_live.html" if is_poll else "team/page.html", context)


@for_guests
@require_safe
def incident(request: HttpRequest, guest: Guest, pk: int) -> HttpResponse:
    found = _of(guest, pk)
    context = {
        "guest": guest,
        "now": timezone.now(),
        "incident": found,
        "buttons": [(word, acts.label_of(word, found)) for word in acts.offered(found)],
        "is_anothers": found.is_open and found.holder not in {"", guest.label},
        "links": situation.web_links(found),
        "entries": found.timeline.select_related("actor")[:MOST_ENTRIES],
    }
    return render(request, "team/incident.html", context)


@for_guests
@require_POST
def act(request: HttpRequest, guest: Guest, pk: int, word: str) -> HttpResponse:
    """Acknowledge, resolve, reopen, escalate: what needs nobody's account."""
    found, now = _of(guest, pk), timezone.now()
    by = Actor(None, guest.label, VIA)
    try:
        acts.LABELS[word]
        moved = acts.perform(word, found.pk, by=by, now=now)
    except KeyError:
        messages.error(request, "Unknown act: nothing was changed.")
    except Refused as refused:
        messages.error(request, refused.message)
    else:
        level = messages.SUCCESS if moved.changed else messages.WARNING
        messages.add_message(request, level, moved.text)
    return redirect("team_incident", pk)


@for_guests
@require_POST
def note(request: HttpRequest, guest: Guest, pk: int) -> HttpResponse:
    found = _of(guest, pk)
    try:
        text = text_of({"text": request.POST.get("text", "")})
    except Refused as refused:
        messages.error(request, refused.message)
        return redirect("team_incident", pk)
    if text:
        by, said = Actor(None, guest.label, VIA), f"{guest.label}: {text}"
        lifecycle.add_note(found.pk, by, said, now=timezone.now())
        messages.success(request, "Note added.")
    else:
        messages.error(request, "The note is empty: write something first.")
    return redirect("team_incident", pk)


def _of(guest: Guest, pk: int) -> Incident:
    """The team's incident, if it is open or was so lately; another team's is not there."""
    found = get_object_or_404(Incident.objects.select_related("team", "owner"), pk=pk)
    is_old = found.resolved_at is not None and found.resolved_at < timezone.now() - SHOWN_FOR
    if found.team_id != guest.team.pk or is_old:
        raise PermissionDenied
    return found


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def token(request: HttpRequest, pk: int) -> HttpResponse:
    """For leads and admins: make the team's token, shown this once, make another, or end it."""
    user, now = person_of(request), timezone.now()
    team = get_object_or_404(roles.teams_seen(user), pk=pk)
    if not roles.may_lead(user, team.pk):
        raise PermissionDenied(f"Leads of {team} and admins make its token.")
    form = LifeForm(request.POST if "days" in request.POST else None)
    context: dict[str, Any] = {"team": team, "form": form}
    if "off" in request.POST:
        ended = team_tokens.end(team)
        messages.success(request, "The token opens nothing any more." if ended else "It was off.")
        return redirect("team_token", pk)
    if form.is_valid():
        context["link"] = team_tokens.make(team, user, days=form.cleaned_data["days"], now=now)
    context["token"] = team_tokens.of(team, now=now)
    return render(request, "team/token.html", context)


urlpatterns = [
    path("team", page, name="team_page"),
    path("team/enter/<str:token>", enter, name="team_enter"),
    path("team/leave", leave, name="team_leave"),
    path("team/incidents/<int:pk>", incident, name="team_incident"),
    path("team/incidents/<int:pk>/note", note, name="team_note"),
    path("team/incidents/<int:pk>/<str:word>", act, name="team_act"),
    path("teams/<int:pk>/token", token, name="team_token"),
]
