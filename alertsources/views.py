"""What an incident's page shows of its alerts, fetched by address: the floor below knows none."""

from __future__ import annotations

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_GET, require_POST

from alertsources import flapping, silences
from alertsources.models import ReceivedPayload, Silence
from alertsources.showing import readable_body
from incidents.models import Incident
from schedules.models import User

MOST_ALERTS = 100
# For how long the incident's page offers to silence.
HOURS = (1, 2, 8, 24)


@require_GET
def incident_alerts(request: HttpRequest, pk: int) -> HttpResponse:
    """The alerts of an incident and the newest raw message about it; a page without htmx."""
    assert isinstance(request.user, User)  # noqa: S101  LoginRequiredMiddleware sees to it
    incident = get_object_or_404(Incident.objects.visible_to(request.user).distinct(), pk=pk)
    alerts = list(incident.alerts.select_related("source")[: MOST_ALERTS + 1])
    payload = ReceivedPayload.objects.filter(incident=incident).first()
    context = {
        "incident": incident,
        "alerts": alerts[:MOST_ALERTS],
        "more": len(alerts) > MOST_ALERTS,
        "silences": silences.about(incident, alerts[:MOST_ALERTS], timezone.now()),
        "is_flapping": flapping.is_flapping(incident),
        "may_silence": not incident.is_test and silences.may_manage(request.user, incident.team_id),
        "payload": payload,
        "body": readable_body(payload) if payload else "",
    }
    if request.htmx:  # type: ignore[attr-defined]
        return render(request, "alertsources/_incident_alerts.html", context)
    return render(request, "alertsources/incident_alerts.html", context)


@require_POST
def silence_incident(request: HttpRequest, pk: int) -> HttpResponse:
    """Mute new alerts like those of this incident for some hours; the incident itself pages on."""
    assert isinstance(request.user, User)  # noqa: S101  LoginRequiredMiddleware sees to it
    incident = get_object_or_404(Incident.objects.visible_to(request.user).distinct(), pk=pk)
    if not silences.may_manage(request.user, incident.team_id):
        raise PermissionDenied
    try:
        hours = int(request.POST.get("hours", ""))
    except ValueError:
        hours = 0
    if hours not in HOURS:
        messages.error(request, f"Give one of {', '.join(map(str, HOURS))} hours.")
    else:
        silences.for_incident(incident, hours=hours, by=request.user, now=timezone.now())
        messages.success(request, f"New alerts like those of #{pk} are muted for {hours} h.")
    return redirect("incidents:detail", pk)


@require_POST
def end_silence(request: HttpRequest, pk: int) -> HttpResponse:
    """End a silence before its time, and go back to where the button was."""
    assert isinstance(request.user, User)  # noqa: S101  LoginRequiredMiddleware sees to it
    silence = get_object_or_404(Silence, pk=pk)
    if not silences.may_manage(request.user, silence.team_id):
        raise PermissionDenied
    silences.end(pk, str(request.user), now=timezone.now())
    messages.success(request, "The silence is over: what it muted and still fires pages now.")
    back = request.POST.get("next", "")
    is_ours = url_has_allowed_host_and_scheme(back, allowed_hosts=None)
    return redirect(back if is_ours else "dashboard")
