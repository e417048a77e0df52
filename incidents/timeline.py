"""Writes an incident's history; the caller holds the incident's lock."""

from __future__ import annotations

from datetime import datetime

from incidents.models import Incident, TimelineEntry
from schedules.inserts import insert
from schedules.models import User

LONGEST = 1000


def write(
    incident: Incident,
    kind: str,
    text: str,
    *,
    at: datetime,
    actor: User | None = None,
    via: str = "",
) -> None:
    """Add one entry and raise the incident's revision in memory; the caller saves `revision`."""
    insert(
        TimelineEntry(
            incident=incident, kind=kind, text=text[:LONGEST], actor=actor, via=via, at=at
        )
    )
    incident.revision += 1
