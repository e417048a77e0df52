"""The alerts of an incident, for programs, and silencing what is like them."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from django.core.exceptions import PermissionDenied
from django.http import HttpRequest
from django.utils import timezone
from ninja import Query, Router, Schema

from alertsources import silences
from alertsources.api.silencing import SilenceOut
from alertsources.models import Alert
from alertsources.silence_api import as_json
from incidents.api.incidents import incident_of
from schedules.api.fields import Body, Id, Listing, Named, Page, named, page, person

router = Router(tags=["incidents"])


class AlertOut(Schema):
    id: int
    source: Named
    title: str
    status: str
    severity: str
    key: str
    labels: dict[str, Any]
    count: int
    started_at: datetime | None
    first_at: datetime
    last_at: datetime
    resolved_at: datetime | None
    muted_reason: str
    is_test: bool


class SilenceFor(Body):
    hours: Literal[1, 2, 8, 24]


@router.get("/{int:pk}/alerts", response=Page[AlertOut], summary="Its alerts")
def list_alerts(request: HttpRequest, pk: Id, asked: Query[Listing]) -> Any:
    found = incident_of(person(request), pk).alerts.select_related("source")
    return page(found, asked, shown, newest=True)


@router.post("/{int:pk}/silence", response={201: SilenceOut}, summary="Mute new alerts like its")
def silence(request: HttpRequest, pk: Id, body: SilenceFor) -> Any:
    """For some hours; the incident itself pages on."""
    user, now = person(request), timezone.now()
    incident = incident_of(user, pk)
    if not silences.may_manage(user, incident.team_id):
        raise PermissionDenied("You may not silence the alerts of this team.")
    made = silences.for_incident(incident, hours=body.hours, by=user, now=now)
    return as_json(made, now)


def shown(alert: Alert) -> dict[str, Any]:
    return {
        "id": alert.pk,
        "source": named(alert.source),
        "title": alert.title,
        "status": alert.status,
        "severity": alert.severity,
        "key": alert.key,
        "labels": alert.labels,
        "count": alert.count,
        "started_at": alert.started_at,
        "first_at": alert.first_at,
        "last_at": alert.last_at,
        "resolved_at": alert.resolved_at,
        "muted_reason": alert.muted_reason,
        "is_test": alert.is_test,
    }
