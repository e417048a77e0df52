"""Incidents, for programs: the list with its filters, one of them, its timeline, a new one."""

from __future__ import annotations

import secrets
from datetime import datetime
from typing import Any, Literal

from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from ninja import Query, Router, Schema, Status
from pydantic import Field

from incidents import acts, asking, list_views, listing, raising, situation
from incidents.models import Incident, TimelineEntry
from incidents.raise_form import RaiseForm
from schedules.api.fields import (
    Body,
    Id,
    Ids,
    Line,
    Listing,
    Named,
    Page,
    Words,
    named,
    one,
    page,
    person,
    wrong,
)
from schedules.api.problems import Problem
from schedules.models import User

router = Router(tags=["incidents"])
Severity = Literal["critical", "high", "warning", "info"]


class IncidentOut(Schema):
    id: int
    title: str
    state: str
    severity: str
    urgency: str
    team: Named
    owner: Named | None
    source: str
    is_test: bool
    is_noise: bool
    merged_into: int | None
    opened_at: datetime
    acknowledged_at: datetime | None
    resolved_at: datetime | None
    snoozed_until: datetime | None
    revision: int
    url: str


class NextCall(Schema):
    at: datetime
    who: list[str]
    label: str


class IncidentWhole(IncidentOut):
    detail: str
    labels: dict[str, Any]
    links: list[dict[str, str]]
    policy: Named | None
    paging: list[str] = Field(description="Whom it calls now.")
    next: list[NextCall] = Field(description="Whom it calls next, if nobody answers.")
    acts: list[str] = Field(description="What makes sense now, and you may do.")


class Raised(IncidentOut):
    """Without whom it will page: that is not yet known, or takes a look of its own."""

    acts: list[str] = Field(description="What makes sense now.")


class EntryOut(Schema):
    id: int
    at: datetime
    kind: str
    text: str
    actor: Named | None
    via: str


class ToldLine(Schema):
    id: int
    channel: str
    address: str
    state: str
    outcome: str
    at: datetime
    count: int
    can_go_again: bool


class Recipient(Schema):
    who: str
    messages: list[ToldLine]


class Deliveries(Schema):
    items: list[Recipient]


class IncidentsAsked(Listing):
    show: Literal["open", "mine", "resolved", "all"] = "open"
    team: Line = ""
    severity: Line = ""
    source: Line = ""
    starts_on: Line = Field("", description="Opened on this day or later, by your clock.")
    ends_on: Line = Field("", description="Opened on this day or earlier.")
    tests: Line = Field("", description="`no` leaves tests out, `only` shows nothing else.")
    q: Line = Field("", description="Words in title, labels or detail; `#412` is a number.")


class IncidentNew(Body):
    team: Id
    title: Line
    detail: Words = ""
    severity: Severity = Field("high", description="Left out: high.")
    policy: Id | None = Field(None, description="Left out: the team's default.")
    people: Ids = Field([], description="Paged at once, besides whom the policy pages.")


@router.get("", response=Page[IncidentOut], summary="List incidents")
def list_incidents(request: HttpRequest, asked: Query[IncidentsAsked]) -> Any:
    """Open ones first, by urgency; the others from the newest on."""
    user = person(request)
    filters = read(user, asked)
    place = listing.place_of(asked.after)
    if asked.after and place is None:
        raise Problem(422, "after: take it from `next` of the page before.")
    visible = Incident.objects.visible_to(user)
    found = list_views.in_tab(visible.filter(filters.condition()), asked.show, user)
    listed = listing.page(
        found,
        filters,
        place,
        has_open=asked.show != "resolved",
        has_resolved=asked.show in {"resolved", "all"},
        size=asked.limit,
    )
    following = str(listed.following) if listed.following else None
    return {"items": [brief(row) for row in listed.incidents], "next": following}


def read(user: User, asked: Any) -> asking.Asked:
    """As the list's page reads them; what a page leaves out with a word is a mistake here."""
    params = {
        "team": asked.team,
        "severity": asked.severity,
        "source": asked.source,
        "from": asked.starts_on,
        "to": asked.ends_on,
        "tests": asked.tests,
        "q": asked.q,
    }
    filters = asking.read(params, list_views.teams_of(user))
    if filters.notices:
        raise Problem(422, " ".join(filters.notices))
    return filters


@router.post("", response={200: Raised, 201: Raised}, summary="Raise an incident")
def raise_incident(request: HttpRequest, body: IncidentNew) -> Any:
    user, now = person(request), timezone.now()
    teams = list(raising.teams_for(user))
    form = RaiseForm(
        {
            "form": secrets.token_urlsafe(24),
            "team": str(body.team),
            "title": body.title,
            "detail": body.detail,
            "severity": body.severity,
            "policy": str(body.policy or ""),
            "people": [str(pk) for pk in body.people if pk != user.pk],
        },
        teams=teams,
        people=raising.people_to_page() if body.people else [],
        me=user,
    )
    if body.people and "people" not in form.fields:
        raise wrong([("people", "There is nobody else who could be paged.")])
    if not teams:
        raise Problem(403, "You answer for no team: a responder, a lead or an admin raises.")
    if not form.is_valid():
        raise wrong((name, str(texts[0])) for name, texts in form.errors.items())
    moved = raising.raise_incident(form.wish, by=user, now=now)
    raised = brief(moved.incident) | {"acts": acts.offered(moved.incident, user)}
    return Status(201 if moved.changed else 200, raised)


@router.get("/{int:pk}", response=IncidentWhole, summary="Show an incident")
def show_incident(request: HttpRequest, pk: Id) -> Any:
    user = person(request)
    return whole(incident_of(user, pk), user)


@router.get("/{int:pk}/timeline", response=Page[EntryOut], summary="What happened, newest first")
def show_timeline(request: HttpRequest, pk: Id, asked: Query[Listing]) -> Any:
    found = incident_of(person(request), pk).timeline.select_related("actor")
    return page(found, asked, entry, newest=True)


@router.get(
    "/{int:pk}/deliveries", response=Deliveries, summary="Who was told, and what came of it"
)
def show_deliveries(request: HttpRequest, pk: Id) -> Any:
    told = situation.told(incident_of(person(request), pk))
    return {"items": [{"who": one.who, "messages": [_line(m) for m in one.lines]} for one in told]}


def incidents_shown(user: User) -> QuerySet[Incident]:
    return Incident.objects.visible_to(user).select_related("team", "owner", "policy")


def incident_of(user: User, pk: int) -> Incident:
    return one(incidents_shown(user), pk, "incident")


def actable(user: User, pk: int) -> Incident:
    incident = incident_of(user, pk)
    if not acts.may_act(user, incident):
        raise Problem(
            403,
            f"You are an observer of {incident.team}: observers look, they do not act. "
            "A lead or an admin can make you a responder.",
        )
    return incident


def brief(incident: Incident) -> dict[str, Any]:
    return {
        "id": incident.pk,
        "title": incident.title,
        "state": incident.state,
        "severity": incident.severity,
        "urgency": incident.urgency,
        "team": named(incident.team),
        "owner": named(incident.owner),
        "source": incident.source_label,
        "is_test": incident.is_test,
        "is_noise": incident.is_noise,
        "merged_into": incident.merged_into_id,
        "opened_at": incident.opened_at,
        "acknowledged_at": incident.acknowledged_at,
        "resolved_at": incident.resolved_at,
        "snoozed_until": incident.snoozed_until,
        "revision": incident.revision,
        "url": incident.get_absolute_url(),
    }


def whole(incident: Incident, user: User) -> dict[str, Any]:
    now = situation.situation(incident, timezone.now())
    return {
        **brief(incident),
        "detail": incident.detail,
        "labels": incident.labels,
        "links": situation.web_links(incident),
        "policy": named(incident.policy),
        "paging": [str(one) for one in now.paging.called] if now.paging else [],
        "next": [{"at": one.at, "who": one.who, "label": one.label} for one in now.coming],
        "acts": acts.offered(incident, user) if acts.may_act(user, incident) else [],
    }


def entry(row: TimelineEntry) -> dict[str, Any]:
    return {
        "id": row.pk,
        "at": row.at,
        "kind": row.kind,
        "text": row.text,
        "actor": named(row.actor),
        "via": row.via,
    }


def _line(line: situation.Line) -> dict[str, Any]:
    return {
        "id": line.last.pk,
        "channel": line.channel,
        "address": line.address,
        "state": line.state,
        "outcome": line.outcome,
        "at": line.at,
        "count": line.count,
        "can_go_again": line.can_go_again,
    }
