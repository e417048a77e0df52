"""Who may do what in a team, and to which objects: the rules that pages, admin and API ask.

Admins may do everything, everywhere. Everybody else has one role in each of their teams:
observers see what is the team's, responders also answer and cover, leads also set it up.
Who was paged about an incident, or owns it, may answer it too: `Incident.objects.visible_to`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from django.db.models import QuerySet

from schedules.models import Membership, Team, User

Role = Membership.Role
SEEING = (Role.LEAD, Role.RESPONDER, Role.OBSERVER)
ANSWERING = (Role.LEAD, Role.RESPONDER)
LEADING = (Role.LEAD,)


class Rule(NamedTuple):
    """What leads may do with a model, and the path from an object to the team it belongs to."""

    acts: tuple[str, ...]
    path: str


LOOK = ("view",)
CHANGE = ("view", "change")
SET_UP = ("view", "add", "change", "delete")

# Each model is an admin's alone unless it is named here, so a new one is closed until somebody
# opens it on purpose. Whether anything is deleted at all, the model's own admin decides.
OF_TEAMS: Mapping[str, Rule] = {
    "schedules.team": Rule(CHANGE, "pk"),
    "schedules.user": Rule(LOOK, "teams"),
    "schedules.rotation": Rule(SET_UP, "team"),
    "schedules.override": Rule(SET_UP, "rotation__team"),
    "schedules.settingchange": Rule(LOOK, "team"),
    "incidents.incident": Rule(LOOK, "team"),
    "incidents.escalationpolicy": Rule(SET_UP, "team"),
    "notifications.teamchannel": Rule(SET_UP, "team"),
    "alertsources.alertsource": Rule(SET_UP, "team"),
    "alertsources.silence": Rule(SET_UP, "team"),
    "alertsources.alert": Rule(LOOK, "source__team"),
    "alertsources.receivedpayload": Rule(LOOK, "source__team"),
    # Edited inside one of the above.
    "schedules.membership": Rule(SET_UP, "team"),
    "schedules.rotationmember": Rule(SET_UP, "rotation__team"),
    "schedules.rotationwindow": Rule(SET_UP, "rotation__team"),
    "incidents.escalationstep": Rule(SET_UP, "policy__team"),
    "incidents.timelineentry": Rule(LOOK, "incident__team"),
    "alertsources.routingrule": Rule(SET_UP, "source__team"),
}


def is_admin(user: User) -> bool:
    return user.is_active and user.is_superuser


def teams_seen(user: User) -> QuerySet[Team]:
    """The teams whose incidents, calendars and sources this person may look at."""
    return _teams(user, SEEING)


def teams_answered(user: User) -> QuerySet[Team]:
    """Those for which they may raise and answer incidents, cover shifts and silence alerts."""
    return _teams(user, ANSWERING)


def teams_led(user: User) -> QuerySet[Team]:
    """Those that they set up: people, rotations, policies, channels, sources."""
    return _teams(user, LEADING)


def teams_kept(user: User) -> QuerySet[Team]:
    """Those of `teams_seen`, and those switched off since: what happened there is still theirs."""
    if is_admin(user):
        return Team.objects.all()
    return user.teams.all() if user.is_active else Team.objects.none()


def seen(user: User, objects: QuerySet[Any]) -> QuerySet[Any]:
    """Those of these objects, of a model in the table, that are of teams this person sees."""
    return _of(user, objects, SEEING)


def led(user: User, objects: QuerySet[Any]) -> QuerySet[Any]:
    """Those that this person sets up, or may look at because they lead the team."""
    return _of(user, objects, LEADING)


def may_see(user: User, team_id: int) -> bool:
    return bool(_among(user, [team_id], SEEING))


def may_answer(user: User, team_id: int) -> bool:
    return bool(answered_among(user, [team_id]))


def may_lead(user: User, team_id: int) -> bool:
    return bool(_among(user, [team_id], LEADING))


def answered_among(user: User, team_ids: Collection[int]) -> set[int]:
    """In which of these teams this person answers, switched off or not: one query for many."""
    return _among(user, team_ids, ANSWERING)


def only_observed(user: User) -> set[int]:
    """The teams in which this person may look but not act."""
    if is_admin(user):
        return set()
    observed = user.memberships.filter(role=Role.OBSERVER)
    return set(observed.values_list("team_id", flat=True))


def _teams(user: User, roles: Collection[Role]) -> QuerySet[Team]:
    if not user.is_active:
        return Team.objects.none()
    teams = Team.objects.filter(is_active=True)
    if is_admin(user):
        return teams
    return teams.filter(memberships__user=user, memberships__role__in=roles)


def _of(user: User, objects: QuerySet[Any], roles: Collection[Role]) -> QuerySet[Any]:
    if is_admin(user):
        return objects
    label = objects.model._meta.label_lower
    if label not in OF_TEAMS:
        return objects.none()
    # Apart from the rest of the query: a path that leads to many would double rows.
    path = f"{OF_TEAMS[label].path}__in"
    own = objects.model._base_manager.filter(**{path: _teams(user, roles).values("pk")})
    return objects.filter(pk__in=own.values("pk"))


def _among(user: User, team_ids: Collection[int], roles: Collection[Role]) -> set[int]:
    if not user.is_active:
        return set()
    if is_admin(user):
        return set(team_ids)
    seats = user.memberships.filter(team__in=team_ids, role__in=roles)
    return set(seats.values_list("team_id", flat=True))
