"""Which steps of the set-up are done: read from what exists, so nothing can disagree with it."""

from __future__ import annotations

from dataclasses import dataclass

from alertsources.models import AlertSource
from incidents.models import EscalationPolicy
from notifications.models import ContactMethod
from schedules.models import Membership, Rotation, Team, User

TEAM, PHONE, TURNS, SOURCE, TEST = "team", "phone", "turns", "source", "test"
TITLES = {
    TEAM: "Your team",
    PHONE: "Your phone",
    TURNS: "Who is paged",
    SOURCE: "Your monitor",
    TEST: "A test page",
}
ORDER = tuple(TITLES)
ANSWERS = (Membership.Role.LEAD, Membership.Role.RESPONDER)


@dataclass(frozen=True)
class Found:
    """What the person's set-up has so far."""

    team: Team | None = None
    method: ContactMethod | None = None
    rotation: Rotation | None = None
    policy: EscalationPolicy | None = None
    source: AlertSource | None = None

    def is_done(self, step: str) -> bool:
        return {
            TEAM: self.team is not None,
            PHONE: self.method is not None,
            TURNS: self.rotation is not None and self.policy is not None,
            SOURCE: self.source is not None,
            TEST: False,  # it can be done again and again
        }[step]

    @property
    def next(self) -> str:
        """The first step that is not done."""
        return next(step for step in ORDER if not self.is_done(step))


def found(user: User) -> Found:
    """The first team in which this person answers, and what it has."""
    team = (
        Team.objects.filter(is_active=True, memberships__user=user, memberships__role__in=ANSWERS)
        .order_by("memberships__pk")
        .first()
    )
    # Push first: it is what the step is about.
    methods = sorted(
        user.contact_methods.filter(is_on=True).order_by("pk"),
        key=lambda one: one.channel != "ntfy",
    )
    method = methods[0] if methods else None
    if team is None:
        return Found(method=method)
    manned = team.rotations.filter(is_active=True, members__isnull=False)
    policies = team.policies.filter(is_default=True, steps__isnull=False)
    return Found(
        team=team,
        method=method,
        rotation=manned.order_by("position", "pk").first(),
        policy=policies.first(),
        source=team.sources.filter(is_active=True).order_by("pk").first(),
    )


def people_of(team: Team, first: User) -> list[User]:
    """Who takes turns: those who answer in the team, `first` before all others."""
    answering = User.objects.filter(
        is_active=True, memberships__team=team, memberships__role__in=ANSWERS
    )
    return sorted(answering.order_by("name", "pk"), key=lambda person: person != first)
