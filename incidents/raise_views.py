"""Raising an incident from the list or the dashboard."""

from __future__ import annotations

import logging
import secrets
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods

from incidents import raising
from incidents.forecast import Outlook, forecast_opening
from incidents.lifecycle import Moved, Refused, urgency_of
from incidents.models import EscalationPolicy, Incident, Severity
from incidents.raise_form import RaiseForm
from schedules.models import Team, User

log = logging.getLogger(__name__)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def raise_incident(request: HttpRequest) -> HttpResponse:
    """The form; asked by htmx, only what it says of whom the incident would page."""
    now = timezone.now()
    user: User = request.user  # type: ignore[assignment]
    teams = list(raising.teams_for(user))
    if not teams:
        raise PermissionDenied(_why_not(user))
    form = RaiseForm(
        request.POST if request.method == "POST" else None,
        initial=_proposal(request, teams),
        teams=teams,
        people=raising.people_to_page(),
        me=user,
    )
    if request.htmx and request.method != "POST":  # type: ignore[attr-defined]
        return render(request, "incidents/_outlook.html", _outlook(form, request, now))
    context = _outlook(form, request, now)
    may_go = form.is_valid() and not _asks_first(form, context, request)
    if may_go and (moved := _raise(form, user, now)):
        messages.add_message(request, _level(moved), moved.text)
        return redirect(moved.incident)
    status = 422 if form.errors else 200
    page = {"section": "incidents", "form": form, **context}
    return render(request, "incidents/raise.html", page, status=status)


def _raise(form: RaiseForm, user: User, now: datetime) -> Moved | None:
    """None where it was refused, with the reason in the form."""
    try:
        return raising.raise_incident(form.wish, by=user, now=now)
    except Refused as refused:
        form.add_error(None, refused.message)
        return None


def _level(moved: Moved) -> int:
    return messages.SUCCESS if moved.changed else messages.WARNING


def _why_not(user: User) -> str:
    observed = ", ".join(str(team) for team in user.teams.filter(is_active=True))
    if not observed:
        return (
            "You are in no team, so there is none to raise an incident for. Ask an admin or a lead."
        )
    return (
        f"You are an observer of {observed}: observers look, they do not raise incidents. "
        "A lead or an admin can make you a responder."
    )


def _proposal(request: HttpRequest, teams: list[Team]) -> dict[str, Any]:
    asked, severity = request.GET.get("team", ""), request.GET.get("severity", "")
    known = [team.pk for team in teams if str(team.pk) == asked or len(teams) == 1]
    return {
        "form": secrets.token_urlsafe(24),
        "team": known[0] if known else None,
        "severity": severity if severity in Severity.values else Severity.HIGH,
    }


def _asks_first(form: RaiseForm, context: dict[str, Any], request: HttpRequest) -> bool:
    """Whether nobody would be reached, and whoever raises it has not been told so yet."""
    outlook: Outlook | None = context["outlook"]
    if outlook is None or outlook.has_people or form.cleaned_data.get("people"):
        return False
    context["asks"] = request.POST.get("sure") != context["which"]
    return bool(context["asks"])


def _outlook(form: RaiseForm, request: HttpRequest, now: datetime) -> dict[str, Any]:
    """Whom an incident with the team, policy and severity in the form would page."""
    said = request.POST if request.method == "POST" else request.GET
    team = form.teams.get(_number(said.get("team") or form.initial["team"]))
    severity = said.get("severity") or form.initial["severity"]
    policy = form.policies.get(_number(said.get("policy")))
    urgency = urgency_of(severity)
    facts: dict[str, Any] = {"now": now, "team": team, "outlook": None, "asks": False}
    facts["pages_nobody"] = urgency == Incident.Urgency.NONE
    if team is None or facts["pages_nobody"] or (policy and policy.team_id != team.pk):
        return facts
    policy = policy or raising.default_policy(team)
    facts["policy"] = policy
    facts["which"] = f"{team.pk}/{policy.pk if policy else 0}"
    return facts | _predicted(policy, team, urgency, now)


def _predicted(
    policy: EscalationPolicy | None, team: Team, urgency: str, now: datetime
) -> dict[str, Any]:
    """A broken forecast must not keep anybody from raising."""
    try:
        return {"outlook": forecast_opening(policy, team, urgency, now)}
    except Exception:
        log.exception("whom an incident of %s would page cannot be told", team)
        return {"forecast_failed": True}


def _number(text: Any) -> int:
    """0 for what is none."""
    digits = str(text or "")
    return int(digits) if digits.isascii() and digits.isdecimal() and len(digits) < 10 else 0
