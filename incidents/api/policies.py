"""Escalation policies with their steps, and what they would do, for programs."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any, Literal

from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from ninja import Query, Router, Schema
from pydantic import Field

from incidents import policy_words
from incidents.models import EscalationPolicy, EscalationStep
from incidents.policy_admin import MOST_STEPS
from schedules import roles
from schedules.api import set_up
from schedules.api.fields import (
    Body,
    Id,
    Ids,
    Line,
    Listing,
    Minutes,
    Moment,
    Named,
    Page,
    all_named,
    named,
    one,
    page,
    person,
)
from schedules.models import User

router = Router(tags=["escalation policies"])
UNSET: Any = None


class StepOut(Schema):
    id: int
    rotations: list[Named]
    people: list[Named]
    whole_team: bool
    channels: list[Named]
    wait_minutes: float
    only_urgency: str
    only_hours: str


class PolicyOut(Schema):
    id: int
    team: Named
    name: str
    is_default: bool
    repeats: int
    repeat_minutes: float
    steps: list[StepOut]
    notes: list[str]


class StepIn(Body):
    """With `id`, the step that is there; its fields that are left out stay."""

    id: Id | None = None
    rotations: Ids = UNSET
    people: Ids = UNSET
    whole_team: bool = UNSET
    channels: Ids = UNSET
    wait_minutes: Minutes = UNSET
    only_urgency: Literal["", "high", "low"] = UNSET
    only_hours: Literal["", "inside", "outside"] = UNSET


class PolicyChange(Body):
    name: Line = UNSET
    is_default: bool = UNSET
    repeats: Annotated[int, Field(ge=0, le=32767)] = UNSET
    repeat_minutes: Minutes = UNSET
    steps: Annotated[list[StepIn], Field(max_length=MOST_STEPS)] = Field(
        UNSET, description="All of them, in their order; one that is not named goes."
    )


class PolicyNew(PolicyChange):
    team: Id
    name: Line


class PredictedCall(Schema):
    at: datetime
    who: list[str]
    label: str
    reasons: list[str]


class Prediction(Schema):
    urgency: str
    summary: str
    calls: list[PredictedCall]
    reasons: list[str]


class Predictions(Schema):
    at: datetime
    items: list[Prediction]


@router.get("", response=Page[PolicyOut], summary="List escalation policies")
def list_policies(request: HttpRequest, asked: Query[Listing], team: Id | None = None) -> Any:
    found = policies_shown(person(request))
    return page(found.filter(team=team) if team else found, asked, lambda row: shown(row))


@router.post("", response={201: PolicyOut}, summary="Make an escalation policy")
def make_policy(request: HttpRequest, body: PolicyNew) -> Any:
    return _shown_whole(_saved(request, None, body).row)


@router.get("/{int:pk}", response=PolicyOut, summary="Show an escalation policy")
def show_policy(request: HttpRequest, pk: Id) -> Any:
    return _shown_whole(policy_of(request, pk))


@router.patch("/{int:pk}", response=PolicyOut, summary="Change an escalation policy")
def change_policy(request: HttpRequest, pk: Id, body: PolicyChange) -> Any:
    policy_of(request, pk)
    return _shown_whole(_saved(request, pk, body).row)


@router.delete("/{int:pk}", response={204: None}, summary="Delete an escalation policy")
def delete_policy(request: HttpRequest, pk: Id) -> Any:
    """What uses it goes on by its team's default."""
    policy = policy_of(request, pk)
    set_up.delete(request, EscalationPolicy, policy.pk)
    return None


@router.get("/{int:pk}/prediction", response=Predictions, summary="What it would do")
def predict(request: HttpRequest, pk: Id, at: Moment | None = None) -> Any:
    """Whom an incident would page that opened then; now, if no time is given or it has passed."""
    policy = policy_of(request, pk)
    now = timezone.now()
    moment = max(at, now) if at else now
    return {"at": moment, "items": [_ahead(one) for one in policy_words.ahead(policy, moment)]}


def policies_shown(user: User) -> QuerySet[EscalationPolicy]:
    found = EscalationPolicy.objects.select_related("team").prefetch_related(
        "steps__rotations", "steps__people", "steps__channels"
    )
    return roles.seen(user, found)


def policy_of(request: HttpRequest, pk: int) -> EscalationPolicy:
    return one(policies_shown(person(request)), pk, "escalation policy")


def _saved(request: HttpRequest, pk: int | None, body: PolicyChange) -> set_up.Saved:
    given = body.given()
    rows: dict[type[Model], Any] = {}
    if "steps" in given:
        steps = [_row(place, step) for place, step in enumerate(given.pop("steps"))]
        rows[EscalationStep] = steps
    if "repeat_minutes" in given:
        given["repeat_after"] = timedelta(minutes=given.pop("repeat_minutes"))
    return set_up.save(request, EscalationPolicy, pk, given, rows=rows)


def _row(place: int, step: StepIn) -> Mapping[str, Any]:
    given = step.given()
    if "wait_minutes" in given:
        given["delay"] = timedelta(minutes=given.pop("wait_minutes"))
    return {**given, "position": place}


def _shown_whole(policy: EscalationPolicy) -> dict[str, Any]:
    fresh = EscalationPolicy.objects.select_related("team").get(pk=policy.pk)
    return shown(fresh) | {"notes": policy_words.warnings(fresh)}


def shown(policy: EscalationPolicy) -> dict[str, Any]:
    return {
        "id": policy.pk,
        "team": named(policy.team),
        "name": policy.name,
        "is_default": policy.is_default,
        "repeats": policy.repeats,
        "repeat_minutes": policy.repeat_after.total_seconds() / 60,
        "steps": [
            {
                "id": step.pk,
                "rotations": all_named(step.rotations.all()),
                "people": all_named(step.people.all()),
                "whole_team": step.whole_team,
                "channels": all_named(step.channels.all()),
                "wait_minutes": step.delay.total_seconds() / 60,
                "only_urgency": step.only_urgency,
                "only_hours": step.only_hours,
            }
            for step in policy.steps.all()
        ],
        "notes": [],
    }


def _ahead(ahead: policy_words.Ahead) -> dict[str, Any]:
    return {
        "urgency": ahead.urgency,
        "summary": ahead.summary,
        "calls": [
            {"at": one.at, "who": one.who, "label": one.label, "reasons": list(one.reasons)}
            for one in ahead.predicted
        ],
        "reasons": list(ahead.reasons),
    }
