"""What a person can do to an incident, in the words that buttons, links and the admin use."""

from __future__ import annotations

from datetime import datetime

from incidents import lifecycle
from incidents.lifecycle import Actor, Moved
from incidents.models import Incident
from schedules import roles
from schedules.models import User

LABELS = {
    "acknowledge": "Acknowledge",
    "resolve": "Resolve",
    "reopen": "Reopen",
    "escalate": "Escalate now",
}


def perform(act: str, incident_id: int, *, by: Actor, now: datetime) -> Moved:
    """Do it through lifecycle. Raises KeyError for a word that is no act, and lifecycle.Refused."""
    acts = {
        "acknowledge": lifecycle.acknowledge,
        "resolve": lifecycle.resolve,
        "reopen": lifecycle.reopen,
        "escalate": lifecycle.escalate_now,
    }
    return acts[act](incident_id, by, now=now)


def offered(incident: Incident) -> list[str]:
    """The acts that make sense now; the first is the next one, on the big button."""
    if not incident.is_open:
        return ["reopen"]
    acts = ["resolve"]
    if incident.state == Incident.State.TRIGGERED:
        acts.insert(0, "acknowledge")
    if incident.urgency != Incident.Urgency.NONE:
        acts.append("escalate")
    return acts


def observed_teams(user: User) -> set[int]:
    """The teams in which this person may look but not act."""
    return roles.only_observed(user)


def may_act(user: User, incident: Incident) -> bool:
    """Whether this person, who can see the incident, may answer it: whoever is paged may."""
    if incident.team_id not in observed_teams(user) or incident.owner_id == user.pk:
        return True
    return incident.pages.filter(user=user).exists()
