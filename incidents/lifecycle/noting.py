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

    return on_locked(incident_id, act, itself=True)


def mark_noise(incident_id: int, by: Actor, *, is_noise: bool, now: datetime) -> Moved:
    """Say that it need not have paged anybody, or take that back; paging goes on as it does."""

    def act(incident: Incident) -> Moved:
        said = "noise" if is_noise else "no noise"
        if incident.is_noise == is_noise:
            return Moved(False, incident, f"#{incident.pk} is marked as {said} already.")
        incident.is_noise = is_noise
        write(incident, Kind.NOISE, f"{by.label} marked it as {said}.", by, now)
        incident.save(update_fields=["is_noise", "revision"])
        return Moved(True, incident, f"#{incident.pk} is marked as {said}.")

    return on_locked(incident_id, act, itself=True)
