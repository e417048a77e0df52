"""The facts of a message about an incident, stored with it and put into words when it is sent."""

from __future__ import annotations

from typing import Any

from django.urls import reverse

from incidents.answers import token_for
from incidents.models import Incident
from notifications.channels.inbound import texts_are_read
from schedules.models import User


def facts_for(incident: Incident, user: User) -> dict[str, Any]:
    """What a message to this person says; with the link that answers as them."""
    answer_path = reverse("answer", args=[token_for(incident.pk, user.pk)])
    # What to text back, where that is read.
    reply = {"reply": f"{incident.pk}a"} if texts_are_read() else {}
    return {**facts_of(incident), "answer_path": answer_path, **reply}


def facts_of(incident: Incident) -> dict[str, Any]:
    """What anybody may be told: plain JSON values, times in ISO 8601 UTC."""
    return {
        "number": incident.pk,
        "title": incident.title,
        "detail": incident.detail[:2000],
        "severity": incident.severity,
        "urgency": incident.urgency,
        "team": incident.team.name,
        "source": incident.source_label,
        "opened_at": incident.opened_at.isoformat(),
        "links": incident.links[:5],
        "is_test": incident.is_test,
        "open_path": incident.get_absolute_url(),
        "discreet": incident.team.is_discreet,
    }
