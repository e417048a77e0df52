"""Who may do what in a team: the rules that the pages, the admin and the API ask.

Admins may do everything, everywhere. Everybody else has one role in each of their teams:
observers see what is the team's, responders also answer and cover, leads also set it up.
"""

from __future__ import annotations

from collections.abc import Collection

from django.db.models import QuerySet

from schedules.models import Membership, Team, User

Role = Membership.Role
SEEING = (Role.LEAD, Role.RESPONDER, Role.OBSERVER)
ANSWERING = (Role.LEAD, Role.RESPONDER)
LEADING = (Role.LEAD,)


def teams_seen(user: User) -> QuerySet[Team]:
    """The teams whose incidents, calendars and sources this person may look at."""
    return _teams(user, SEEING)


def teams_answered(user: User) -> QuerySet[Team]:
    """Those for which they may raise and answer incidents, cover shifts and silence alerts."""
    return _teams(user, ANSWERING)


def teams_led(user: User) -> QuerySet[Team]:
    """Those that they set up: people, rotations, policies, channels, sources."""
    return _teams(user, LEADING)


def may_answer(user: User, team_id: int) -> bool:
    return bool(answered_among(user, [team_id]))


def may_lead(user: User, team_id: int) -> bool:
    return bool(_among(user, [team_id], LEADING))


def answered_among(user: User, team_ids: Collection[int]) -> set[int]:
    """In which of these teams this person answers, switched off or not: one query for many."""
    return _among(user, team_ids, ANSWERING)


def only_observed(user: User) -> set[int]:
    """The teams in which this person may look but not act."""
    if user.is_superuser:
        return set()
    observed = user.memberships.filter(role=Role.OBSERVER)
    return set(observed.values_list("team_id", flat=True))


def _teams(user: User, roles: Collection[Role]) -> QuerySet[Team]:
    if not user.is_active:
        return Team.objects.none()
    teams = Team.objects.filter(is_active=True)
    if user.is_superuser:
        return teams
    return teams.filter(memberships__user=user, memberships__role__in=roles)


def _among(user: User, team_ids: Collection[int], roles: Collection[Role]) -> set[int]:
    if not user.is_active:
        return set()
    if user.is_superuser:
        return set(team_ids)
    seats = user.memberships.filter(team__in=team_ids, role__in=roles)
    return set(seats.values_list("team_id", flat=True))
