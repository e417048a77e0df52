"""What a person can do to an incident, in the words that buttons, links and the admin use."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from incidents import calling, lifecycle, wishes
from incidents.lifecycle import Actor, Moved, Refused
from incidents.models import ASKED, Incident
from incidents.wishes import Wish
from schedules import roles
from schedules.models import Team, User

# What needs nothing but the word.
LABELS = {
    "acknowledge": "Acknowledge",
    "resolve": "Resolve",
    "reopen": "Reopen",
    "escalate": "Escalate now",
}
# What somebody fills in more for, or does on the incident's own page only.
MORE = {
    "unacknowledge": "Give it back",
    "snooze": "Snooze",
    "reassign": "Reassign",
    "page": "Page someone",
    "severity": "Change severity",
    "merge": "Merge",
    "split": "Split off",
    "noise": "Noise",
}
# What an act did, and what is said of those that it left as they were.
DONE = {
    "acknowledge": ("acknowledged", "had already been"),
    "resolve": ("resolved", "had already been"),
    "reopen": ("reopened", "had been open"),
    "escalate": ("escalated", "could not be"),
    "unacknowledge": ("given back", "nobody had"),
    "noise": ("marked as noise", "had already been"),
    "merge": ("merged", "had already been"),
}
NOTHING: Wish = {}


def perform(act: str, incident_id: int, *, by: Actor, now: datetime, wish: Wish = NOTHING) -> Moved:
    """Do it through lifecycle. Raises KeyError for a word that is no act, and lifecycle.Refused."""
    return ACTS[act](incident_id, by, wish, now)


def perform_each(
    act: str, ids: Sequence[int], *, by: Actor, now: datetime, wish: Wish = NOTHING
) -> tuple[str, list[str]]:
    """Do it to each in a transaction of its own.

    Says in one sentence how many changed and how many had no need to, empty if all were refused;
    and why those were.
    """
    changed: list[bool] = []
    refused: list[str] = []
    for pk in ids:
        try:
            changed.append(perform(act, pk, by=by, now=now, wish=wish).changed)
        except Refused as refusal:
            refused.append(f"#{pk}: {refusal.message}")
    return _report(act, changed), refused


def _report(word: str, changed: list[bool]) -> str:
    """ "7 acknowledged, 1 had already been." """
    if not changed:
        return ""
    done, already = DONE[word]
    text = f"{sum(changed)} {done}"
    if left := len(changed) - sum(changed):
        text += f", {left} {already}"
    return f"{text}."


def _acknowledge(pk: int, by: Actor, wish: Wish, now: datetime) -> Moved:
    promise = wishes.promise_of(wish, by.user, now)
    if promise is None:
        return lifecycle.acknowledge(pk, by, now=now)
    return lifecycle.acknowledge(pk, by, now=now, promise=promise)


def _resolve(pk: int, by: Actor, wish: Wish, now: datetime) -> Moved:
    return lifecycle.resolve(pk, by, now=now, note=wishes.text_of(wish))


def _escalate(pk: int, by: Actor, wish: Wish, now: datetime) -> Moved:
    return lifecycle.escalate_now(pk, by, now=now, had=wish.get("had"))


def _unacknowledge(pk: int, by: Actor, wish: Wish, now: datetime) -> Moved:
    return lifecycle.unacknowledge(pk, by, now=now, had=wish.get("had"))


def _snooze(pk: int, by: Actor, wish: Wish, now: datetime) -> Moved:
    return lifecycle.snooze(pk, by, wishes.end_of_snooze(wish, by.user, now), now=now)


def _reassign(pk: int, by: Actor, wish: Wish, now: datetime) -> Moved:
    return calling.reassign(pk, by, wishes.receiver_of(wish, by.user), now=now)


def _page(pk: int, by: Actor, wish: Wish, now: datetime) -> Moved:
    called = wishes.called_of(wish)
    if isinstance(called, Team):
        return calling.page_team(pk, by, called, now=now)
    return calling.page_people(pk, by, [called], now=now)


def _severity(pk: int, by: Actor, wish: Wish, now: datetime) -> Moved:
    return lifecycle.change_severity(pk, by, wish.get("severity", ""), now=now)


def _merge(pk: int, by: Actor, wish: Wish, now: datetime) -> Moved:
    """Raises Refused for a target that this person may not act on, as if there were none."""
    into = wishes.number(wish.get("into", ""))
    user = by.user
    if user is not None:
        target = Incident.objects.visible_to(user).filter(pk=into).first()
        if target is None or not may_act(user, target):
            raise Refused(f"There is no incident #{into} that you could merge this into.")
    return lifecycle.merge(pk, into, by, now=now)


def _noise(pk: int, by: Actor, wish: Wish, now: datetime) -> Moved:
    return lifecycle.mark_noise(pk, by, is_noise=wish.get("noise", "1") != "0", now=now)


# Looked up when they are called, so that a test can put another in their place.
ACTS: dict[str, Callable[[int, Actor, Wish, datetime], Moved]] = {
    "acknowledge": _acknowledge,
    "resolve": _resolve,
    "reopen": lambda pk, by, wish, now: lifecycle.reopen(pk, by, now=now),
    "escalate": _escalate,
    "unacknowledge": _unacknowledge,
    "snooze": _snooze,
    "reassign": _reassign,
    "page": _page,
    "severity": _severity,
    "merge": _merge,
    "split": lambda pk, by, wish, now: lifecycle.split(pk, by, now=now),
    "noise": _noise,
}


def offered(incident: Incident, user: User | None = None) -> list[str]:
    """The acts that make sense now, to this person; the first is the next one, on the big button.

    None for what was merged into another.
    """
    if incident.merged_into_id is not None:
        return []
    if not incident.is_open:
        return ["reopen"]
    acts = ["resolve"]
    if incident.state == Incident.State.TRIGGERED or (user and awaits(incident, user)):
        acts.insert(0, "acknowledge")
    if incident.urgency != Incident.Urgency.NONE:
        acts.append("escalate")
    return acts


def awaits(incident: Incident, user: User) -> bool:
    """Whether this person's word is waited for although somebody has it: asked, or called."""
    if incident.state != Incident.State.ACKNOWLEDGED:
        return False
    if incident.owner_id == user.pk:
        return incident.asked_at is not None
    called = incident.pages.filter(user=user, step=ASKED, answered_at=None)
    return called.filter(created_at__gte=incident.acknowledged_at).exists()


def label_of(act: str, incident: Incident, user: User | None = None) -> str:
    """What the button says."""
    if act == "acknowledge" and incident.state == Incident.State.ACKNOWLEDGED:
        return "Still mine" if user and incident.owner_id == user.pk else "I am coming"
    return LABELS[act]


def observed_teams(user: User) -> set[int]:
    """The teams in which this person may look but not act."""
    return roles.only_observed(user)


def may_act(user: User, incident: Incident) -> bool:
    """Whether this person, who can see the incident, may answer it: whoever is paged may."""
    if incident.team_id not in observed_teams(user) or incident.owner_id == user.pk:
        return True
    return incident.pages.filter(user=user).exists()
