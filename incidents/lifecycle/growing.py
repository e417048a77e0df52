"""What more alerts and another severity mean for an incident that is open."""

from __future__ import annotations

from datetime import datetime, timedelta

from incidents import timeline
from incidents.facts import facts_for
from incidents.lifecycle.acting import Actor, Moved, Refused, on_locked, standing, write
from incidents.lifecycle.opening import urgency_of
from incidents.lifecycle.paging import release, start_episode, stop_paging
from incidents.models import SEVERITY_RANK, Incident, TimelineEntry
from notifications import outbox
from notifications.kicks import SEND_DUE, kick
from notifications.models import Notification

State = Incident.State
Kind = TimelineEntry.Kind
Purpose = Notification.Purpose

# An owner is told of new alerts at most this often, unless the severity rises.
GROWTH_PAUSE = timedelta(minutes=10)


def join(
    incident: Incident, *, title: str, severity: str, urgency: str, is_new: bool, now: datetime
) -> None:
    """A new alert, or a higher severity of an old one, joins an open incident.

    The caller has locked the row. A higher severity raises the incident's; a raised urgency on a
    triggered incident, and any news of a held one, starts paging anew; an owner is told
    once more, at most every 10 minutes unless the severity rises. An urgent incident whose owner
    cannot be told is paged for anew. Lower severities change nothing.
    """
    what = "New alert" if is_new else "Severity raised"
    timeline.write(incident, Kind.ALERT, f"{what}: {title} ({severity}).", at=now, via="monitor")
    rises = SEVERITY_RANK[severity] < SEVERITY_RANK[incident.severity]
    # No worse than it was known to be, it keeps the urgency that somebody or a rule gave it.
    wakes = urgency if rises else incident.urgency
    gather(incident, severity=severity, urgency=wakes, news=f"{what}: {title}", now=now)


def gather(
    incident: Incident,
    *,
    severity: str,
    urgency: str,
    news: str,
    now: datetime,
    by: Actor | None = None,
) -> None:
    """What `join` does but for its line; without `news`, and if they did it, no owner is told."""
    rises = SEVERITY_RANK[severity] < SEVERITY_RANK[incident.severity]
    changed = ["revision"]
    urgency_rises = _urgency_rank(urgency) < _urgency_rank(incident.urgency)
    if rises:
        incident.severity = severity
        changed.append("severity")
    if urgency_rises:
        incident.urgency = urgency
        changed.append("urgency")
    if incident.state == State.TRIGGERED and (urgency_rises or incident.held_at):
        why = "its urgency rose" if urgency_rises else "it was held, and there is news"
        changed += start_episode(incident, now=now, why=why)
    elif incident.held_at:
        incident.held_at = None
        changed.append("held_at")
    knows = not news or (by is not None and by.user is not None and by.user == incident.owner)
    tells = (
        not knows
        and incident.state == State.ACKNOWLEDGED
        and _owner_should_know(incident, rises, now)
    )
    if tells:
        incident.grown_at = now
        changed.append("grown_at")
    incident.save(update_fields=changed)
    if tells:
        _tell_owner(incident, news, now=now)


def change_severity(incident_id: int, by: Actor, severity: str, *, now: datetime) -> Moved:
    """Say how bad it is; the urgency follows, and never the other way.

    A raised urgency starts paging anew, or tells the owner; a lowered one is shown and wakes
    nobody; info ends the paging.
    """
    if severity not in SEVERITY_RANK:
        raise Refused(f"Unknown severity. Expected one of: {', '.join(SEVERITY_RANK)}.")

    def act(incident: Incident) -> Moved:
        if not incident.is_open:
            return Moved(False, incident, standing(incident, by))
        if incident.severity == severity:
            return Moved(False, incident, f"#{incident.pk} is {severity} already.")
        before, urgency = incident.severity, urgency_of(severity)
        text = f"{by.label} changed the severity from {before} to {severity}."
        write(incident, Kind.SEVERITY, text, by, now)
        if SEVERITY_RANK[severity] < SEVERITY_RANK[before]:
            gather(incident, severity=severity, urgency=urgency, news=text, by=by, now=now)
        else:
            _lower(incident, severity, urgency, by, now)
        return Moved(True, incident, f"#{incident.pk} is {severity} now.")

    return on_locked(incident_id, act)


def _lower(incident: Incident, severity: str, urgency: str, by: Actor, now: datetime) -> None:
    incident.severity = severity
    changed = ["severity", "revision"]
    if _urgency_rank(urgency) > _urgency_rank(incident.urgency):
        incident.urgency = urgency
        changed.append("urgency")
        if urgency == Incident.Urgency.NONE:
            changed += stop_paging(incident, now=now, why=f"{by.label} made it {severity}")
    incident.save(update_fields=changed)


def owner_was_not_told(incident: Incident, why: str, *, now: datetime) -> None:
    """An acknowledged incident grew and its owner does not know: say so; if urgent, page anew.

    The row is locked. Without this nobody at all would hear of the new alert.
    """
    text = f"{incident.owner or 'Its owner'} could not be told of the new alert: {why}."
    timeline.write(incident, Kind.NOT_PAGED, text, at=now, via="engine")
    incident.save(update_fields=["revision"])
    if incident.urgency == Incident.Urgency.HIGH:
        release(incident, now=now, why="its owner could not be told")


def _owner_should_know(incident: Incident, severity_rises: bool, now: datetime) -> bool:
    if incident.urgency == Incident.Urgency.NONE:
        return False
    return severity_rises or incident.grown_at is None or now - incident.grown_at >= GROWTH_PAUSE


def _tell_owner(incident: Incident, news: str, *, now: datetime) -> None:
    owner = incident.owner
    if owner is None:
        owner_was_not_told(incident, "nobody is named as its owner", now=now)
        return
    written = outbox.page_person(
        owner,
        purpose=Purpose.GROWTH,
        thread=incident.thread,
        ref=f"growth:{incident.pk}/{incident.revision}",
        team_id=incident.team_id,
        urgency=incident.urgency,
        rank=incident.rank,
        context=facts_for(incident, owner) | {"news": news},
        now=now,
    )
    if written.rows:
        kick(SEND_DUE)
    else:
        owner_was_not_told(incident, "no working contact method", now=now)


def _urgency_rank(urgency: str) -> int:
    return {"high": 0, "low": 1}.get(urgency, 2)
