"""What people write down about an incident."""

from __future__ import annotations

from datetime import datetime

from incidents.lifecycle.acting import Actor, Moved, on_locked, write
from incidents.models import Incident, TimelineEntry

Kind = TimelineEntry.Kind


def add_note(incident_id: int, by: Actor, text: str, *, now: datetime) -> Moved:
    """Keep a person's words on the timeline, in any state."""

    def act(incident: Incident) -> Moved:
        write(incident, Kind.NOTE, text, by, now)
        incident.save(update_fields=["revision"])
        return Moved(True, incident, "Note added.")

    return on_locked(incident_id, act)
