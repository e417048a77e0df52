"""What more alerts and another severity mean for an incident that is open."""

from __future__ import annotations

from datetime import datetime, timedelta

from incidents import timeline
from incidents.facts import facts_for
from incidents.lifecycle.paging import release, start_episode
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
    triggered incident starts paging anew; an owner is told once more, at most every 10 minutes
    unless the severity rises. An urgent incident whose owner cannot be told is paged for anew.
    Lower severities change nothing.
    """
    rises = SEVERITY_RANK[severity] < SEVERITY_RANK[incident.severity]
    changed = ["revision"]
    what = "New alert" if is_new else "Severity raised"
    timeline.write(incident, Kind.ALERT, f"{what}: {title} ({severity}).", at=now, via="monitor")
    urgency_rises = rises and _urgency_rank(urgency) < _urgency_rank(incident.urgency)
    if rises:
        incident.severity = severity
        changed.append("severity")
    if urgency_rises:
        incident.urgency = urgency
        changed.append("urgency")
    if incident.state == State.TRIGGERED and urgency_rises:
        changed += start_episode(incident, now=now, why="its urgency rose")
    tells = incident.state == State.ACKNOWLEDGED and _owner_should_know(incident, rises, now)
    if tells:
        incident.grown_at = now
        changed.append("grown_at")
    incident.save(update_fields=changed)
    if tells:
        tell_owner(incident, f"{what}: {title}", now=now)


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


def tell_owner(incident: Incident, news: str, *, now: datetime) -> None:
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
