"""Where a setting is used, and what would change there without it: read before it goes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from django.db.models import Model
from django.urls import reverse
from django.utils import timezone

from alertsources.models import AlertSource, RoutingRule
from incidents.models import EscalationPolicy, EscalationStep, Incident
from notifications.models import TeamChannel
from schedules import people
from schedules.models import Override, Rotation, Team, User

PASSED_OVER = "it finds nobody there; if it names nobody else, the next step follows at once"


@dataclass(frozen=True)
class Use:
    """One place that names it, its page, and what would be different there."""

    where: str
    address: str
    then: str


def of(thing: Model) -> list[Use]:
    find = FINDERS.get(type(thing))
    return list(find(thing)) if find else []


def _page(thing: Model) -> str:
    meta = thing._meta
    return reverse(f"admin:{meta.app_label}_{meta.model_name}_change", args=[thing.pk])


def _steps(steps: Any, then: str) -> Iterator[Use]:
    for step in steps.select_related("policy__team"):
        yield Use(f"{step} of the policy {step.policy}", _page(step.policy), then)


def _of_rotation(rotation: Rotation) -> Iterator[Use]:
    yield from _steps(EscalationStep.objects.filter(rotations=rotation), PASSED_OVER)
    coming = Override.objects.not_over(timezone.now()).filter(rotation=rotation)
    for override in coming.select_related("user", "rotation__team"):
        yield Use(str(override), _page(override), "it covers nothing any more")


def _of_policy(policy: EscalationPolicy) -> Iterator[Use]:
    default = EscalationPolicy.objects.filter(team=policy.team_id, is_default=True)
    other = default.exclude(pk=policy.pk).first()
    runs = f"runs {other}" if other else "has no policy: the fallback people and leads are paged"
    for source in AlertSource.objects.filter(policy=policy).select_related("team"):
        yield Use(f"the source {source}", _page(source), runs)
    if policy.is_default:
        silent = AlertSource.objects.filter(team=policy.team_id, policy=None, is_active=True)
        for source in silent.select_related("team"):
            yield Use(f"the source {source}, as its team's default", _page(source), runs)
    for rule in RoutingRule.objects.filter(policy=policy).select_related("source__team"):
        yield Use(f"{rule} of the source {rule.source}", _page(rule.source), runs)
    for incident in Incident.objects.open().filter(policy=policy):
        then = "goes on with the fallback people and leads"
        yield Use(f"open incident #{incident.pk} {incident.title}", _page(incident), then)


def _of_channel(channel: TeamChannel) -> Iterator[Use]:
    then = "this room is told nothing"
    yield from _steps(EscalationStep.objects.filter(channels=channel), then)


def _of_source(source: AlertSource) -> Iterator[Use]:
    opened = Incident.objects.open().filter(alerts__source=source).distinct()
    for incident in opened:
        where = f"open incident #{incident.pk} {incident.title}"
        yield Use(where, _page(incident), "pages on until somebody resolves it")


def _of_team(team: Team) -> Iterator[Use]:
    for rotation in team.rotations.filter(is_active=True).select_related("team"):
        yield Use(f"the rotation {rotation}", _page(rotation), "nobody is shown on call in it")
    for source in team.sources.filter(is_active=True).select_related("team"):
        yield Use(f"the source {source}", _page(source), "switch it off first")
    for rule in RoutingRule.objects.filter(team=team).select_related("source__team"):
        where = f"{rule} of the source {rule.source}"
        yield Use(where, _page(rule.source), "pages the source's own team")
    for incident in Incident.objects.open().filter(team=team):
        where = f"open incident #{incident.pk} {incident.title}"
        yield Use(where, _page(incident), "resolve it first")


def _of_person(user: User) -> Iterator[Use]:
    for place in people.where_scheduled(user, now=timezone.now()):
        then = "whoever is asked for next takes over, or the order closes up"
        yield Use(f"the rotation {place.rotation}", _page(place.rotation), then)
    yield from _steps(EscalationStep.objects.filter(people=user), "they are not paged")
    for team in user.fallback_for.all():
        yield Use(f"the fallback people of {team}", _page(team), "they are not paged")
    for incident in Incident.objects.open().filter(owner=user):
        where = f"open incident #{incident.pk} {incident.title}, which is theirs"
        yield Use(where, _page(incident), "it pages anew")


FINDERS: dict[type[Model], Callable[[Any], Iterator[Use]]] = {
    Rotation: _of_rotation,
    EscalationPolicy: _of_policy,
    TeamChannel: _of_channel,
    AlertSource: _of_source,
    Team: _of_team,
    User: _of_person,
}
