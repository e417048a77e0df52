"""Which alert sources a person may look at, and which they look after."""

from __future__ import annotations

from collections.abc import Collection

from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import Http404, HttpRequest

from alertsources.models import AlertSource
from incidents.models import Incident
from schedules import roles
from schedules.models import Team, User


def person_of(request: HttpRequest) -> User:
    # LoginRequiredMiddleware let nobody else through.
    user: User = request.user  # type: ignore[assignment]
    return user


def sources_of(user: User) -> QuerySet[AlertSource]:
    """Admins see all, everybody else those of their teams."""
    related = ("team", "policy", "test_person", "test_awaited_by")
    sources = AlertSource.objects.select_related(*related)
    return roles.seen(user, sources)


def teams_led(user: User) -> QuerySet[Team]:
    """The teams whose sources this person sets up: leads their own, admins all."""
    return roles.teams_led(user)


def may_change(user: User, source: AlertSource) -> bool:
    return roles.led(user, AlertSource.objects.filter(pk=source.pk)).exists()


def visible(request: HttpRequest, pk: int) -> AlertSource:
    source = sources_of(person_of(request)).filter(pk=pk).first()
    if source is None:
        raise Http404
    return source


def changeable(request: HttpRequest, pk: int) -> AlertSource:
    """The source, or the page that says who may change it."""
    source = visible(request, pk)
    if not may_change(person_of(request), source):
        raise PermissionDenied(
            f"Leads of {source.team} and admins set its sources up. An admin can make you a lead."
        )
    return source


def visible_incidents(user: User, pks: Collection[int]) -> dict[int, Incident]:
    """Those of these incidents that this person may open; a rule may page another team."""
    found = Incident.objects.visible_to(user).filter(pk__in=pks).distinct()
    return {incident.pk: incident for incident in found}
