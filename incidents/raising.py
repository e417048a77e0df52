"""Raising an incident by hand: what no monitor saw, or not yet."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from django.db import IntegrityError, transaction
from django.db.models import QuerySet

from incidents import engine, lifecycle, timeline
from incidents.lifecycle import Actor, Moved, Opening, Refused, urgency_of
from incidents.models import ASKED, EscalationPolicy, Incident, Page, TimelineEntry
from notifications import outbox
from notifications.kicks import SEND_DUE, kick
from notifications.models import Urgency
from schedules import roles
from schedules.models import Team, User
from schedules.transactions import repeat_on_conflict

# More is no choice but a mistake.
MOST_PEOPLE = 20
Kind = TimelineEntry.Kind


@dataclass(frozen=True)
class Wish:
    """What is to be raised, and by which form; `people` are paged besides the policy's."""

    team: Team
    title: str
    form: str
    detail: str = ""
    severity: str = "high"
    policy: EscalationPolicy | None = None
    people: Collection[User] = field(default_factory=tuple)


def teams_for(user: User) -> QuerySet[Team]:
    """Admins raise for every team, leads and responders for their own, observers for none."""
    return roles.teams_answered(user)


def people_to_page() -> list[User]:
    """Whoever answers in any team, or is an admin, and can be reached.

    Of all teams: what somebody raises by hand is often another team's to know, whose people their
    own policy would not page. The timeline says who asked for whom.
    """
    active = User.objects.filter(is_active=True)
    answering = active.filter(
        memberships__role__in=roles.ANSWERING, memberships__team__is_active=True
    ) | active.filter(is_superuser=True)
    found = list(answering.distinct())
    reachable = outbox.reachable([user.pk for user in found], Urgency.HIGH)
    return [user for user in found if user.pk in reachable]


def default_policy(team: Team) -> EscalationPolicy | None:
    return EscalationPolicy.objects.filter(team=team, is_default=True).first()


def raise_incident(wish: Wish, *, by: User, now: datetime) -> Moved:
    """Open the incident and page the people who were chosen; the policy's follow by its clock.

    The same form of the same person raises once: whoever sends it again, or twice at the same
    moment, is told which incident it made. Raises Refused for whoever may not, or may not any more.
    """
    key = hashlib.sha256(f"{by.pk}:{wish.form}".encode()).hexdigest()
    try:
        return _raised_before(key) or repeat_on_conflict(lambda: _raise(wish, key, by, now))
    except IntegrityError:
        moved = _raised_before(key)
        if moved is None:
            raise
        return moved


def _raised_before(key: str) -> Moved | None:
    incident = Incident.objects.filter(raised_key=key).first()
    if incident is None:
        return None
    text = f"This form has raised #{incident.pk} already: nothing else was opened."
    return Moved(False, incident, text)


def _raise(wish: Wish, key: str, by: User, now: datetime) -> Moved:
    with transaction.atomic():
        people = _still_on(by, wish)
        actor = Actor.person(by, "page")
        incident = lifecycle.open_incident(
            Opening(
                team=wish.team,
                title=wish.title,
                detail=wish.detail,
                severity=wish.severity,
                urgency=urgency_of(wish.severity),
                source_label=actor.label,
                policy=wish.policy,
                by=actor,
                raised_key=key,
            ),
            now=now,
        )
        if people:
            page_by_hand(incident, people, now=now, why=f"asked for by {actor.label}")
            incident.save(update_fields=["revision"])
    return Moved(True, incident, f"#{incident.pk} is raised.")


def page_by_hand(
    incident: Incident, people: Sequence[User], *, now: datetime, why: str
) -> outbox.Written:
    """Call these people about a triggered incident at once, besides whomever its policy calls.

    The caller has locked the row, saves its revision, and says `why` in words. What answers the
    incident ends these calls as any other; that they reach somebody does not count for the policy.
    """
    names = ", ".join(str(user) for user in people)
    said = why[:1].upper() + why[1:]
    timeline.write(incident, Kind.PAGED, f"{said}: paging {names}.", at=now, via="engine")
    calls = outbox.calls_of(people, incident.urgency)
    total = outbox.Written(0, None, None)
    for user in people:
        page = Page(
            incident=incident,
            episode=incident.episode,
            round=incident.round,
            step=ASKED,
            user=user,
            label=why[:80],
            created_at=now,
        )
        written = engine.page_one(incident, page, {"step": why}, now, calls[user.pk])
        if not written.rows:
            text = f"{user} has no working contact method."
            timeline.write(incident, Kind.NOT_PAGED, text, at=now, via="engine")
        total = total.plus(written)
    if total.rows:
        kick(SEND_DUE, due=total.rows)
    return total


def _still_on(by: User, wish: Wish) -> list[User]:
    """Those of the chosen people who are on, locked before any incident, as leaving locks them."""
    asked = {user.pk for user in wish.people} | {by.pk}
    locked = User.objects.select_for_update(no_key=True).filter(pk__in=asked, is_active=True)
    found = {user.pk: user for user in locked.order_by("pk")}
    if by.pk not in found or not teams_for(found[by.pk]).filter(pk=wish.team.pk).exists():
        raise Refused(f"You can no longer raise incidents of {wish.team}.")
    return [found[user.pk] for user in wish.people if user.pk in found]
