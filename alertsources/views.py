"""What an incident's page shows of its alerts, fetched by address: the floor below knows none."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, render
from django.views.decorators.http import require_GET

from alertsources.models import ReceivedPayload
from alertsources.showing import readable_body
from incidents.models import Incident
from schedules.models import User

MOST_ALERTS = 100


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
        "payload": payload,
        "body": readable_body(payload) if payload else "",
    }
    if request.htmx:  # type: ignore[attr-defined]
        return render(request, "alertsources/_incident_alerts.html", context)
    return render(request, "alertsources/incident_alerts.html", context)
