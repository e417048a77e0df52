"""What people do to incidents, for programs: the same acts as the buttons, by the same rules."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from django.http import HttpRequest
from django.utils import timezone
from ninja import Router, Schema
from pydantic import Field

from incidents import acts, lifecycle, resending
from incidents.api.incidents import IncidentOut as Brief
from incidents.api.incidents import Severity, actable, brief, incident_of, incidents_shown
from incidents.lifecycle import Actor, Moved
from incidents.wishes import Wish, text_of
from schedules.api.fields import Body, Id, Nothing, Said, Words, person, wrong

router = Router(tags=["incidents"])
# How the timeline says they came.
VIA = "api"


class Done(Said):
    """`incident` is the one that was acted on: of a merged one, the one it was merged into."""

    incident: Brief


class Acknowledgement(Body):
    again: Literal["30", "60", "120", "morning"] | None = Field(
        None, description="Ask me again after so many minutes, or in the morning."
    )


class Note(Body):
    text: Words


class Resolution(Body):
    text: Words = ""


class Snooze(Body):
    minutes: Annotated[int, Field(ge=1, le=99_999)] | None = None
    until: Annotated[str, Field(max_length=40)] | None = Field(
        None, description="A time such as 2026-11-24T08:00, by your clock; or `morning`."
    )


class Receiver(Body):
    to: Id


class Called(Body):
    user: Id | None = None
    team: Id | None = None


class Severer(Body):
    severity: Severity


class Target(Body):
    into: Annotated[int, Field(ge=1, le=999_999_999)]


class Noise(Body):
    is_noise: bool = True


class Several(Body):
    act: Literal["acknowledge", "resolve"]
    incidents: Annotated[list[Id], Field(min_length=1, max_length=200)]


class SeveralDone(Schema):
    text: str
    refused: list[str]
    not_yours: list[int]


@router.post("/acts", response=SeveralDone, summary="Acknowledge or resolve several")
def act_on_several(request: HttpRequest, body: Several) -> Any:
    """Each by itself: what is refused for one changes nothing for the others."""
    user = person(request)
    found = incidents_shown(user).filter(pk__in=set(body.incidents)).order_by("pk")
    ids = [incident.pk for incident in found if acts.may_act(user, incident)]
    by = Actor.person(user, VIA)
    text, refused = acts.perform_each(body.act, ids, by=by, now=timezone.now())
    left = sorted(set(body.incidents) - set(ids))
    return {"text": text, "refused": refused, "not_yours": left}


@router.post("/{int:pk}/acknowledge", response=Done, summary="Acknowledge")
def acknowledge(request: HttpRequest, pk: Id, body: Acknowledgement) -> Any:
    return _act(request, "acknowledge", pk, {"again": body.again or ""})


@router.post("/{int:pk}/unacknowledge", response=Done, summary="Give it back: it pages anew")
def unacknowledge(request: HttpRequest, pk: Id, body: Nothing) -> Any:
    return _act(request, "unacknowledge", pk)


@router.post("/{int:pk}/resolve", response=Done, summary="Resolve")
def resolve(request: HttpRequest, pk: Id, body: Resolution) -> Any:
    return _act(request, "resolve", pk, {"text": body.text})


@router.post("/{int:pk}/reopen", response=Done, summary="Reopen")
def reopen(request: HttpRequest, pk: Id, body: Nothing) -> Any:
    return _act(request, "reopen", pk)


@router.post("/{int:pk}/escalate", response=Done, summary="Page the next step now")
def escalate(request: HttpRequest, pk: Id, body: Nothing) -> Any:
    return _act(request, "escalate", pk)


@router.post("/{int:pk}/snooze", response=Done, summary="Snooze")
def snooze(request: HttpRequest, pk: Id, body: Snooze) -> Any:
    if (body.minutes is None) == (body.until is None):
        raise wrong([("until", "Say either `minutes` or `until`.")])
    if body.minutes is not None:
        return _act(request, "snooze", pk, {"for": str(body.minutes)})
    until = body.until or ""
    wish = {"for": "morning"} if until == "morning" else {"until": until}
    return _act(request, "snooze", pk, wish)


@router.post("/{int:pk}/reassign", response=Done, summary="Give it to somebody")
def reassign(request: HttpRequest, pk: Id, body: Receiver) -> Any:
    return _act(request, "reassign", pk, {"to": str(body.to)})


@router.post("/{int:pk}/page", response=Done, summary="Page a person or a team")
def page(request: HttpRequest, pk: Id, body: Called) -> Any:
    if (body.user is None) == (body.team is None):
        raise wrong([("user", "Say either `user` or `team`.")])
    whom = f"user:{body.user}" if body.user else f"team:{body.team}"
    return _act(request, "page", pk, {"whom": whom})


@router.post("/{int:pk}/severity", response=Done, summary="Change its severity")
def severity(request: HttpRequest, pk: Id, body: Severer) -> Any:
    return _act(request, "severity", pk, {"severity": body.severity})


@router.post("/{int:pk}/merge", response=Done, summary="Merge it into another")
def merge(request: HttpRequest, pk: Id, body: Target) -> Any:
    return _act(request, "merge", pk, {"into": str(body.into)})


@router.post("/{int:pk}/split", response=Done, summary="Split it off again")
def split(request: HttpRequest, pk: Id, body: Nothing) -> Any:
    return _act(request, "split", pk)


@router.post("/{int:pk}/noise", response=Done, summary="Mark it as noise, or not")
def noise(request: HttpRequest, pk: Id, body: Noise) -> Any:
    return _act(request, "noise", pk, {"noise": "1" if body.is_noise else "0"})


@router.post("/{int:pk}/notes", response={201: Done}, summary="Write a note on its timeline")
def note(request: HttpRequest, pk: Id, body: Note) -> Any:
    incident = actable(person(request), pk)
    text = text_of({"text": body.text})
    if not text:
        raise wrong([("text", "The note is empty: write something first.")])
    by = Actor.person(person(request), VIA)
    return _done(request, lifecycle.add_note(incident.pk, by, text, now=timezone.now()))


@router.post(
    "/{int:pk}/deliveries/{int:message}/again", response=Done, summary="Send a message again"
)
def send_again(request: HttpRequest, pk: Id, message: Id) -> Any:
    user = person(request)
    incident = actable(user, pk)
    return _done(request, resending.send_again(incident.pk, message, user, now=timezone.now()))


def _act(request: HttpRequest, word: str, pk: int, wish: Wish = acts.NOTHING) -> dict[str, Any]:
    user = person(request)
    incident = actable(user, pk)
    by = Actor.person(user, VIA)
    moved = acts.perform(word, incident.pk, by=by, now=timezone.now(), wish=wish)
    return _done(request, moved)


def _done(request: HttpRequest, moved: Moved) -> dict[str, Any]:
    incident = incident_of(person(request), moved.incident.pk)
    return {"changed": moved.changed, "text": moved.text, "incident": brief(incident)}
