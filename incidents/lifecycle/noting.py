"""What people write down about an incident."""

from __future__ import annotations

from datetime import datetime, timedelta

from incidents.lifecycle.acting import Actor, Moved, on_locked, write
from incidents.models import Incident, TimelineEntry

Kind = TimelineEntry.Kind
# Two taps on one button, or the way back to a form and the same words once more.
A_MOMENT = timedelta(minutes=1)


def add_note(incident_id: int, by: Actor, text: str, *, now: datetime) -> Moved:
    """Keep a person's words on the timeline, in any state; said twice in a moment, once."""

    def act(incident: Incident) -> Moved:
        if not keep_note(incident, by, text, now):
            return Moved(False, incident, "That note is there already.")
        incident.save(update_fields=["revision"])
        return Moved(True, incident, "Note added.")

    return on_locked(incident_id, act, itself=True)


def keep_note(incident: Incident, by: Actor, text: str, now: datetime) -> bool:
    """Write it down, unless they wrote the same a moment ago. The row is locked."""
    said = incident.timeline.filter(kind=Kind.NOTE, actor=by.user, via=by.via, text=text)
    if said.filter(at__gt=now - A_MOMENT).exists():
        return False
    write(incident, Kind.NOTE, text, by, now)
    return True


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
