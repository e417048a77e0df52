"""Gaps to come: times in which a rotation that a policy pages would page nobody, by mistake."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

from django.db import transaction
from django.db.models import Exists, OuterRef
from django.urls import reverse
from django.utils.translation import gettext, gettext_noop

from incidents.models import EscalationStep
from notifications import outbox
from notifications.models import Notification, Urgency
from notifications.outbox import Note
from schedules import oncall
from schedules.models import Membership, Rotation, Team, User
from schedules.oncall import PlannedShift
from schedules.shifts import resolve_local
from schedules.transactions import repeat_on_conflict

log = logging.getLogger(__name__)

SHOWN_DAYS = 30
TOLD_DAYS = 7
A_DAY = timedelta(days=1)
PREFIX = "gaps:"

REASONS = {
    "empty": gettext_noop("Nobody is on call: the rotation has no members."),
    "before": gettext_noop("Nobody is on call: the first shift has not begun."),
    "after": gettext_noop("Nobody is on call: the rotation has ended."),
}
NOBODY = gettext_noop("Nobody is on call.")
SWITCHED_OFF = gettext_noop(
    "Nobody is on call: the rotation is switched off, but a policy pages it."
)


@dataclass(frozen=True)
class Gap:
    """From, until, nobody would be paged by this rotation; `why` in a sentence.

    `ends_at` is None where no end is in sight. `people` are on call then, but no message can
    reach them.
    """

    rotation: Rotation
    starts_at: datetime
    ends_at: datetime | None
    why: str
    people: list[User] = field(default_factory=list)
    is_now: bool = False  # it has begun

    @property
    def cover_path(self) -> str:
        """Where somebody can be put on call for it."""
        times = f"from={self.starts_at:%Y-%m-%dT%H:%M:%SZ}"
        if self.ends_at:
            times += f"&until={self.ends_at:%Y-%m-%dT%H:%M:%SZ}"
        return f"{reverse('schedules:cover')}?rotation={self.rotation.pk}&{times}"


def coming(teams: Iterable[Team], now: datetime, days: int = SHOWN_DAYS) -> list[Gap]:
    """The gaps of these teams in the next days, the nearest first; not those made on purpose.

    A constant number of queries.
    """
    rotations = _paged(teams)
    if not rotations:
        return []
    end = now + timedelta(days=days)
    plans = oncall.plans([one for one in rotations if one.is_active], now, end)
    stretches = [stretch for listed in plans.values() for stretch in listed]
    people = {stretch.person.pk for stretch in stretches if stretch.person}
    reachable = outbox.reachable(people, Urgency.HIGH)
    found: list[Gap] = []
    for stretch in stretches:
        if gap := _gap(stretch, reachable):
            _add(found, gap)
    found += [Gap(one, now, end, gettext(SWITCHED_OFF)) for one in rotations if not one.is_active]
    seen = [_as_seen(gap, now, end) for gap in found]
    return sorted(seen, key=lambda gap: (gap.starts_at, str(gap.rotation)))


def _as_seen(gap: Gap, now: datetime, end: datetime) -> Gap:
    """What has begun begins now, to the minute; what the plan only cuts off has no end."""
    if gap.starts_at <= now:
        gap = replace(gap, starts_at=now.replace(second=0, microsecond=0), is_now=True)
    return replace(gap, ends_at=None) if gap.ends_at == end else gap


def _paged(teams: Iterable[Team]) -> list[Rotation]:
    """The rotations of these teams that a policy of any active team pages."""
    steps = EscalationStep.objects.filter(rotations=OuterRef("pk"), policy__team__is_active=True)
    rotations = Rotation.objects.filter(Exists(steps), team__in=teams, team__is_active=True)
    return list(rotations.select_related("team"))


def _gap(stretch: PlannedShift, reachable: set[int]) -> Gap | None:
    if stretch.person is None:
        why = _why_nobody(stretch) if stretch.is_gap else ""
        return Gap(stretch.rotation, stretch.starts_at, stretch.ends_at, why) if why else None
    if stretch.person.pk in reachable:
        return None
    text = gettext("%(who)s is on call, but has no working contact method.")
    why = text % {"who": stretch.person}
    return Gap(stretch.rotation, stretch.starts_at, stretch.ends_at, why, [stretch.person])


def _why_nobody(stretch: PlannedShift) -> str:
    if stretch.why != "off":
        return gettext(REASONS.get(stretch.why, NOBODY))
    who = gettext(" and ").join(str(user) for user in stretch.instead_of)
    return gettext("Nobody is on call: %(who)s is switched off.") % {"who": who}


def _add(found: list[Gap], gap: Gap) -> None:
    """As one with the last, where that goes on for the same reason."""
    last = found[-1] if found else gap
    if (last.rotation, last.ends_at, last.why) == (gap.rotation, gap.starts_at, gap.why):
        found[-1] = replace(last, ends_at=gap.ends_at)
    else:
        found.append(gap)


# --- Told to those who can mend them --------------------------------------------------------------
def tell_leads(now: datetime) -> None:
    """Tell the leads of each team once a day, from its hours' start on, of gaps within 7 days."""
    teams = [team for team in Team.objects.filter(is_active=True) if _is_time(team, now)]
    untold = _without_the_told(teams, now)
    soon = now + timedelta(days=TOLD_DAYS)
    gaps = [gap for gap in coming(untold, now) if gap.starts_at < soon] if untold else []
    for team in untold:
        listed = [gap for gap in gaps if gap.rotation.team_id == team.pk]
        if not listed:
            continue
        try:
            repeat_on_conflict(lambda team=team, listed=listed: _tell(team, listed, now))  # type: ignore[misc]
        except Exception:
            log.exception("nobody can be told of the gaps of %s", team)


def _tell(team: Team, gaps: list[Gap], now: datetime) -> None:
    with transaction.atomic():  # all of them or none: who was told is asked of the team
        for person in who_can_mend(team):
            outbox.tell(person, _note(team, person, gaps, now), now=now)


def _today(team: Team, now: datetime) -> date:
    return now.astimezone(ZoneInfo(team.time_zone)).date()


def _is_time(team: Team, now: datetime) -> bool:
    return now >= resolve_local(_today(team, now), team.hours_start, team.time_zone)


def _ref(team: Team, now: datetime) -> str:
    return f"{PREFIX}{team.pk}/{_today(team, now)}"


def _without_the_told(teams: list[Team], now: datetime) -> list[Team]:
    threads = {_ref(team, now): team for team in teams}
    told = Notification.objects.filter(
        thread__in=threads, purpose=Notification.Purpose.NOTICE
    ).values_list("thread", flat=True)
    return [team for thread, team in threads.items() if thread not in set(told)]


def who_can_mend(team: Team) -> list[User]:
    """The leads; where none of them can be reached, the admins."""
    people = User.objects.filter(is_active=True)
    of_team = {"memberships__team": team, "memberships__role": Membership.Role.LEAD}
    for group in (people.filter(**of_team), people.filter(is_superuser=True)):
        found = list(group.order_by("pk"))
        reachable = outbox.reachable([user.pk for user in found], Urgency.LOW)
        if reachable:
            return [user for user in found if user.pk in reachable]
    return []


def _note(team: Team, person: User, gaps: list[Gap], now: datetime) -> Note:
    listed = [
        {
            "starts_at": None if gap.is_now else gap.starts_at.isoformat(),
            "ends_at": gap.ends_at.isoformat() if gap.ends_at else None,
            "why": f"{gap.rotation.name}: {gap.why}",
        }
        for gap in gaps
    ]
    return Note(
        purpose=Notification.Purpose.NOTICE,
        thread=_ref(team, now),
        ref=f"{PREFIX}{team.pk}/{person.pk}/{_today(team, now)}",
        team_id=team.pk,
        context={
            "team": team.name,
            "gaps": listed,
            "open_path": f"{reverse('schedules:calendar')}?team={team.pk}",
        },
        due_at=now,
        void_at=now + A_DAY,
    )
