"""Reads what the planner needs from the database: a policy, its team, who can be reached."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from incidents.models import EscalationPolicy, EscalationStep
from incidents.planner import Hours, OnCall, Policy, Step
from notifications import outbox
from notifications.models import TeamChannel
from schedules import oncall
from schedules.models import Membership, Override, Rotation, RotationMember, Team, User
from schedules.shifts import Window


class Outdated(Exception):
    """Somebody has come on call since the people were read: read them anew."""


@dataclass(frozen=True)
class Directory:
    """Plain values for the planner, and the people behind the ids."""

    policy: Policy
    users: dict[int, User]
    reachable: set[int]
    on_call: OnCall
    channels: dict[int, TeamChannel] = field(default_factory=dict)
    urgency: str = "high"
    _calls: dict[int, list[outbox.Call]] = field(default_factory=dict)

    def calls_of(self, people: Iterable[int]) -> dict[int, list[outbox.Call]]:
        """How these are called, each read once: in a storm they are the same every time."""
        ids = list(people)
        if missing := [self.users[person] for person in ids if person not in self._calls]:
            self._calls.update(outbox.calls_of(missing, self.urgency))
        return {person: self._calls[person] for person in ids}


def read(policy: EscalationPolicy | None, team: Team, *, urgency: str, now: datetime) -> Directory:
    """The policy as it stands now. Without one there are no steps, only the team's people."""
    targets = ("rotations__team", "people", "channels__team")
    rows = list(policy.steps.prefetch_related(*targets)) if policy else []
    channels = {channel.pk: channel for row in rows for channel in row.channels.all()}
    rotations = {rotation.pk: rotation for row in rows for rotation in row.rotations.all()}
    memberships = list(team.memberships.all())
    fallback = tuple(team.fallback_people.values_list("pk", flat=True))
    admins = tuple(
        User.objects.filter(is_superuser=True, is_active=True).values_list("pk", flat=True)
    )
    people = {user.pk for row in rows for user in row.people.all()}
    people |= {m.user_id for m in memberships} | set(fallback) | set(admins)
    people |= _people_of_rotations(rotations, now)
    people |= {one.kept_user_id for one in rotations.values() if one.kept_user_id}
    users = User.objects.in_bulk(people)
    plain = Policy(
        steps=tuple(_step(row) for row in rows),
        repeats=policy.repeats if policy else 0,
        repeat_after=policy.repeat_after if policy else Policy.repeat_after,
        team=_members(memberships, Membership.Role.LEAD, Membership.Role.RESPONDER),
        leads=_members(memberships, Membership.Role.LEAD),
        fallback=fallback,
        admins=admins,
        hours=_hours(team),
        rotation_names={pk: str(rotation) for pk, rotation in rotations.items()},
        names={pk: str(user) for pk, user in users.items()},
        channel_names={pk: str(channel) for pk, channel in channels.items()},
        channels_on=frozenset(pk for pk, channel in channels.items() if channel.is_on),
    )
    reachable = outbox.reachable(users, urgency)
    on_call = _on_call_look_up(rotations, users)
    return Directory(plain, users, reachable, on_call, channels, urgency)


def _hours(team: Team) -> Hours:
    days = frozenset(range(7 if team.hours_weekends else 5))
    return Hours((Window(days, team.hours_start, team.hours_end),), team.time_zone)


def _step(row: EscalationStep) -> Step:
    return Step(
        id=row.pk,
        delay=row.delay,
        rotations=tuple(rotation.pk for rotation in row.rotations.all()),
        people=tuple(user.pk for user in row.people.all()),
        whole_team=row.whole_team,
        channels=tuple(channel.pk for channel in row.channels.all()),
        only_urgency=row.only_urgency,
        only_hours=row.only_hours,
    )


def _members(memberships: list[Membership], *roles: str) -> tuple[int, ...]:
    return tuple(m.user_id for m in memberships if m.role in roles)


def _people_of_rotations(rotations: Iterable[int], now: datetime) -> set[int]:
    """Everybody who is or will be on call in them, so that forecasts know them too."""
    ids = list(rotations)
    if not ids:
        return set()
    places = RotationMember.objects.filter(rotation__in=ids).values_list("user_id", flat=True)
    covers = Override.objects.filter(
        rotation__in=ids, ends_at__gt=now, user__isnull=False
    ).values_list("user_id", flat=True)
    return {user for user in [*places, *covers] if user is not None}


def _on_call_look_up(rotations: dict[int, Rotation], users: dict[int, User]) -> OnCall:
    """Asks at the time of each step; Outdated when it names somebody who is not among `users`."""
    known: dict[datetime, dict[int, Any]] = {}

    def on_call(rotation: int, at: datetime) -> int | None:
        if at not in known:
            known[at] = oncall.on_call_ids(list(rotations), at)
        found: int | None = known[at].get(rotation)
        if found is not None and found not in users:
            raise Outdated
        return found

    return on_call
