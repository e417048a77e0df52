"""Silences in the API: the calls of `silence_api`, which also take the key of a source."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from ninja import Router, Schema

from alertsources import silence_api
from alertsources.models import Silence
from schedules.api import set_up
from schedules.api.fields import Body, Clock, Id, Line, Moment, one, person
from schedules.api.problems import answer
from schedules.api.teams import UNSET

router = Router(tags=["silences"])


class WeeklyOut(Schema):
    days: list[str]
    opens: str
    closes: str
    zone: str


class SilenceOut(Schema):
    id: int
    state: str
    reason: str
    team: str | None
    source: str | None
    severities: list[str]
    labels: list[Any]
    title: str
    starts_at: datetime
    ends_at: datetime | None
    weekly: WeeklyOut | None
    created_by: str
    ended_at: datetime | None
    ended_by: str


class Silences(Schema):
    silences: list[SilenceOut]


class SilenceChange(Body):
    reason: Line = UNSET
    title: Line = UNSET
    starts_at: Moment = UNSET
    ends_at: Moment | None = None
    severities: list[Line] = UNSET
    labels: Line = UNSET
    days: list[Line] = UNSET
    opens: Clock | None = None
    closes: Clock | None = None
    zone: Line = UNSET


NEW = {
    "requestBody": {
        "required": True,
        "content": {
            "application/json": {
                "schema": {
                    "type": "object",
                    "additionalProperties": False,
                    "required": ["reason"],
                    "properties": {
                        "reason": {"type": "string"},
                        "team": {"anyOf": [{"type": "string"}, {"type": "integer"}]},
                        "source": {"anyOf": [{"type": "string"}, {"type": "integer"}]},
                        "severities": {"type": "array", "items": {"type": "string"}},
                        "severity": {"type": "string"},
                        "labels": {
                            "anyOf": [
                                {"type": "object", "additionalProperties": {"type": "string"}},
                                {"type": "array", "items": {"type": "object"}},
                            ]
                        },
                        "title": {"type": "string"},
                        "starts_at": {"type": "string"},
                        "ends_at": {"type": "string"},
                        "minutes": {"type": "integer", "minimum": 1, "maximum": 525600},
                        "weekly": {"type": "object"},
                    },
                }
            }
        },
    }
}


@router.get("", response=Silences, summary="List silences")
def list_silences(request: HttpRequest, state: str = "") -> Any:
    """What holds or is planned; `state=over`: what is past."""
    return _told(silence_api.silence_list(request))


@router.post("", response={201: SilenceOut}, summary="Silence alerts", openapi_extra=NEW)
def make_silence(request: HttpRequest) -> Any:
    return _told(silence_api.silence_list(request))


@router.get("/{int:pk}", response=SilenceOut, summary="Show a silence")
def show_silence(request: HttpRequest, pk: Id) -> Any:
    return _told(silence_api.silence_detail(request, pk))


@router.patch("/{int:pk}", response=SilenceOut, summary="Change a silence")
def change_silence(request: HttpRequest, pk: Id, body: SilenceChange) -> Any:
    """As in the admin: for leads of its team and admins. What it mutes is judged anew."""
    one(silence_api.Caller(person(request), None).seen(), pk, "silence")
    set_up.save(request, Silence, pk, body.given())
    return silence_api.as_json(Silence.objects.get(pk=pk), timezone.now())


@router.delete("/{int:pk}", response=SilenceOut, summary="End a silence")
def end_silence(request: HttpRequest, pk: Id) -> Any:
    return _told(silence_api.silence_detail(request, pk))


@router.post("/{int:pk}/end", response=SilenceOut, summary="End a silence")
def end_silence_too(request: HttpRequest, pk: Id) -> Any:
    return _told(silence_api.silence_end(request, pk))


def _told(response: HttpResponse) -> HttpResponse:
    """As it is, and what it refuses as a problem, whose `error` it had before."""
    if response.status_code < 400:
        return response
    said = json.loads(response.content)["error"]
    kept = {name: response[name] for name in ("Allow", "WWW-Authenticate") if name in response}
    return answer(response.status_code, said, headers=kept, error=said)
