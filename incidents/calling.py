"""People whom somebody calls to an incident by hand, or gives it to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime

from django.db import transaction

from incidents import engine, lifecycle
from incidents.lifecycle import Actor, Moved, Refused
from incidents.models import ASKED, GIVEN, Incident, Page
from incidents.raising import page_by_hand
from notifications import outbox
from notifications.kicks import SEND_DUE, kick
from notifications.models import Urgency
from schedules import oncall
from schedules.models import Membership, Rotation, Team, User
from schedules.transactions import repeat_on_conflict

ANSWERING = (Membership.Role.LEAD, Membership.Role.RESPONDER)


def page_people(incident_id: int, by: Actor, people: Sequence[User], *, now: datetime) -> Moved:
    """Call these people at once, besides whomever the policy calls; whoever has it keeps it.

    They answer as to any page. Whoever is being called by hand already is not called twice.
    """

    def act(incident: Incident) -> Moved:
        if not incident.is_open:
            return Moved(False, incident, f"#{incident.pk} is resolved: nobody was paged.")
        called = incident.pages.filter(step=ASKED, episode=incident.episode)
        known = set(called.filter(round=incident.round).values_list("user", flat=True))
        new = [user for user in people if user.pk not in known]
        if not new:
            names = ", ".join(str(user) for user in people)
            return Moved(False, incident, f"{names}: paged by hand already. Send it again below.")
        written = page_by_hand(incident, new, now=now, why=f"asked for by {by.label}")
        incident.save(update_fields=["revision"])
        names = ", ".join(str(user) for user in new)
        if not written.rows:
            return Moved(False, incident, f"{names} cannot be paged: no working contact method.")
        return Moved(True, incident, f"{names}: being paged.")

    return _with(people, incident_id, act)


def page_team(incident_id: int, by: Actor, team: Team, *, now: datetime) -> Moved:
    """Call whoever of this team is on call and can be reached; if nobody is, all who answer."""
    people = whom_to_call(team, now)
    if not people:
        raise Refused(f"Nobody of {team} has a working contact method.")
    return page_people(incident_id, by, people, now=now)


def whom_to_call(team: Team, now: datetime) -> list[User]:
    rotations = Rotation.objects.filter(team=team, is_active=True).values_list("pk", flat=True)
    on_call = set(oncall.on_call_ids(list(rotations), now).values()) - {None}
    members = team.memberships.filter(role__in=ANSWERING).values_list("user", flat=True)
    for group in (on_call, set(members)):
        reachable = outbox.reachable([pk for pk in group if pk is not None], Urgency.HIGH)
        if reachable:
            return list(User.objects.filter(pk__in=reachable).order_by("name", "pk"))
    return []


def reassign(incident_id: int, by: Actor, to: User, *, now: datetime) -> Moved:
    """Give the incident to this person: they are paged, and nobody has it until they take it.

    Should they not within 5 minutes, or should no message reach them, its policy is run. Who gives
    it to themselves has it at once. Raises Refused when the person cannot be paged at all.
    """
    if by.user == to:
        return lifecycle.take_over(incident_id, by, now=now)

    def act(incident: Incident) -> Moved:
        if not incident.is_open:
            return Moved(False, incident, f"#{incident.pk} is resolved: there is nothing to give.")
        if incident.owner_id == to.pk:
            return Moved(False, incident, f"{to} has it already.")
        if _is_theirs_to_take(incident, to):
            return Moved(False, incident, f"{to} was given it already, and is being paged.")
        lifecycle.give(incident, to, by, now=now)
        written = _page(incident, to, by, now)
        if not written.rows:
            raise Refused(f"{to} has no working contact method: nothing was changed.")
        lifecycle.put_off(incident, written.earliest_due or now, now=now)
        kick(SEND_DUE)
        return Moved(True, incident, f"{to} is being paged, and has it once they acknowledge.")

    return _with([to], incident_id, act)


def _is_theirs_to_take(incident: Incident, to: User) -> bool:
    waiting = incident.pages.filter(episode=incident.episode, step=GIVEN, user=to)
    return incident.state == Incident.State.TRIGGERED and waiting.exists()


def _page(incident: Incident, to: User, by: Actor, now: datetime) -> outbox.Written:
    why = f"given by {by.label}"
    page = Page(
        incident=incident,
        episode=incident.episode,
        round=incident.round,
        step=GIVEN,
        user=to,
        label=why[:80],
        created_at=now,
    )
    written = engine.page_one(incident, page, {"step": why}, now)
    incident.save(update_fields=["revision"])
    return written


def _with(people: Sequence[User], incident_id: int, act: Callable[[Incident], Moved]) -> Moved:
    """Do it while nobody of them can be switched off; raises Refused if somebody has been."""

    def attempt() -> Moved:
        with transaction.atomic():
            on = lifecycle.are_on(people)
            if gone := [str(user) for user in people if user.pk not in on]:
                raise Refused(f"{', '.join(gone)} was switched off: nothing was changed.")
            return lifecycle.on_locked(incident_id, act)

    return repeat_on_conflict(attempt)
