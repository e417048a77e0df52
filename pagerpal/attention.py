"""What the dashboard and the admin's first page ask somebody to look after.

Gaps to come, people whom nothing would reach, and alert sources of which nothing comes any more.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.db.models import Q

from alertsources.models import AlertSource
from alertsources.silent import SilentSource, silent_sources
from incidents import gaps
from incidents.gaps import Gap
from incidents.models import EscalationStep
from schedules import sight, troubles
from schedules.models import Override, Rotation, RotationMember, User

log = logging.getLogger(__name__)

# The calendar has the rest.
MOST = 8


@dataclass(frozen=True)
class Unreached:
    """Somebody who is or may come on call, and why no message would reach them."""

    person: User
    why: str


@dataclass(frozen=True)
class Attention:
    """The nearest gaps and how many more there are; in which teams this person may close them."""

    gaps: list[Gap] = field(default_factory=list)
    more: int = 0
    may_cover: set[int] = field(default_factory=set)
    has_failed: bool = False
    # The longest silent first, up to MOST, and how many more.
    silent: list[SilentSource] = field(default_factory=list)
    more_silent: int = 0
    # Those whom no gap names already.
    unreached: list[Unreached] = field(default_factory=list)
    more_unreached: int = 0


def of(user: User, now: datetime) -> Attention:
    """Of the person's teams. Never raises: it must not take the page along."""
    silent = _silent(user, now)
    quiet: dict[str, Any] = {"silent": silent[:MOST], "more_silent": max(0, len(silent) - MOST)}
    try:
        found = gaps.coming(sight.teams_of(user), now)
        teams = {gap.rotation.team_id for gap in found}
        may_cover = sight.may_cover(user, teams)
        quiet |= _unreached(user, found, now)
        return Attention(found[:MOST], max(0, len(found) - MOST), may_cover, **quiet)
    except Exception:
        log.exception("the gaps to come cannot be told")
        return Attention(has_failed=True, **quiet)


def _unreached(user: User, found: list[Gap], now: datetime) -> dict[str, Any]:
    """People in the rotations, covers and policies of the person's teams, and who stand in."""
    rotations = Rotation.objects.filter(team__in=sight.teams_of(user), is_active=True)
    steps = EscalationStep.objects.filter(policy__team__in=sight.teams_of(user))
    covers = Override.objects.not_over(now).filter(rotation__in=rotations)
    places = RotationMember.objects.filter(rotation__in=rotations)
    in_line = Q(pk__in=places.values("user")) | Q(pk__in=covers.values("user"))
    in_line |= Q(steps__in=steps) | Q(fallback_for__in=sight.teams_of(user))
    people = list(User.objects.filter(in_line, is_active=True).distinct())
    named = {person for gap in found for person in gap.people}
    why = troubles.of_people(person for person in people if person not in named)
    listed = [Unreached(person, why[person.pk]) for person in people if person.pk in why]
    return {"unreached": listed[:MOST], "more_unreached": max(0, len(listed) - MOST)}


def _silent(user: User, now: datetime) -> list[SilentSource]:
    try:
        return silent_sources(now, AlertSource.objects.filter(team__in=sight.teams_of(user)))
    except Exception:
        log.exception("which sources are silent cannot be told")
        return []
