"""Tests of a source: they page one person, and no policy is run for them."""

from __future__ import annotations

from datetime import datetime

from incidents import timeline
from incidents.facts import facts_for
from incidents.models import Incident, TimelineEntry
from notifications import outbox
from notifications.kicks import SEND_DUE, kick
from notifications.models import Notification, Urgency
from schedules.models import User


def page(incident: Incident, person: User, *, now: datetime) -> None:
    """Page this person, and only them, about a test; inside the transaction that opens it."""
    written = outbox.page_person(
        person,
        purpose=Notification.Purpose.PAGE,
        thread=incident.thread,
        ref=f"trial:{incident.pk}/{incident.episode}",
        team_id=incident.team_id,
        urgency=Urgency.HIGH,
        rank=incident.rank,
        context=facts_for(incident, person),
        now=now,
    )
    kind, text = TimelineEntry.Kind.PAGED, f"Paging {person}, and nobody else."
    if written.rows:
        kick(SEND_DUE)
    else:
        kind = TimelineEntry.Kind.NOT_PAGED
        text = f"{person} could not be paged: no working contact method."
    timeline.write(incident, kind, text, at=now, via="engine")
    incident.save(update_fields=["revision"])
