"""The log of what was sent, for programs; and sending a message again."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone
from ninja import Query, Router, Schema

from notifications import outbox
from notifications.admin import speaks
from notifications.models import UNFINISHED, Notification
from schedules import roles
from schedules.api import set_up
from schedules.api.fields import (
    Id,
    Line,
    Listing,
    Named,
    Page,
    Said,
    named,
    one,
    page,
    person,
)
from schedules.api.problems import Problem
from schedules.models import User

router = Router(tags=["notifications"])
State = Notification.State


class NotificationOut(Schema):
    id: int
    purpose: str
    state: str
    thread: str
    recipient: str
    user: Named | None
    team: Named | None
    channel: str
    address: str
    due_at: datetime
    settled_at: datetime | None
    outcome: str
    attempts: int
    provider: str


class EventOut(Schema):
    at: datetime
    kind: str
    attempt: int
    provider: str
    text: str


class NotificationWhole(NotificationOut):
    title: str
    text: str
    answer_url: str | None
    events: list[EventOut]


class NotificationsAsked(Listing):
    state: Literal["", "pending", "sending", "sent", "delivered", "failed", "cancelled", "held"] = (
        ""
    )
    channel: Line = ""
    team: Id | None = None
    user: Id | None = None
    incident: Id | None = None


@router.get("", response=Page[NotificationOut], summary="List notifications")
def list_notifications(request: HttpRequest, asked: Query[NotificationsAsked]) -> Any:
    """Admins see all, leads those about their teams, everybody those to themselves."""
    found = notifications_shown(person(request))
    for name in ("state", "channel", "team", "user"):
        if value := getattr(asked, name):
            found = found.filter(**{name: value})
    if asked.incident:
        found = found.filter(thread=f"incident:{asked.incident}")
    return page(found, asked, shown, newest=True)


@router.get("/{int:pk}", response=NotificationWhole, summary="Show a notification")
def show_notification(request: HttpRequest, pk: Id) -> Any:
    user = person(request)
    row = one(notifications_shown(user), pk, "notification")
    said = row.rendered or {}
    is_code = row.purpose == Notification.Purpose.VERIFY
    is_theirs = user.is_superuser or (row.user_id == user.pk and not is_code)
    is_held = row.state == State.HELD and is_theirs
    return {
        **shown(row),
        # Answer links are for whoever the message is to; a code proves that it came somewhere else.
        "title": str(said.get("title", "")) if is_theirs else "",
        "text": str(said.get("body", "")) if is_theirs else "",
        "answer_url": str(said.get("answer_url", "")) or None if is_held else None,
        "events": [
            {
                "at": event.at,
                "kind": event.kind,
                "attempt": event.attempt,
                "provider": event.provider,
                "text": event.text,
            }
            for event in row.events.order_by("pk")[:200]
        ],
    }


@router.post("/{int:pk}/retry", response=Said, summary="Send it again")
def retry(request: HttpRequest, pk: Id) -> Any:
    """For admins, as in the admin; of an incident's messages whoever may act on it can do so."""
    user = person(request)
    row = one(notifications_shown(user), pk, "notification")
    if not set_up.page_of(Notification).has_send_permission(request):
        raise Problem(
            403, "Admins send any message again; you can those of an incident, at its deliveries."
        )
    if row.state in UNFINISHED or not speaks(row):
        return {"changed": False, "text": "It is still under way, or there is nothing to read."}
    outbox.send_again(row, user, now=timezone.now())
    return {"changed": True, "text": "It will be sent again."}


def notifications_shown(user: User) -> QuerySet[Notification]:
    found = Notification.objects.select_related(
        "user", "team", "contact_method", "team_channel__team"
    )
    if user.is_superuser:
        return found
    led = roles.teams_led(user).values("pk")
    return found.filter(user=user) | found.filter(team__in=led)


def shown(row: Notification) -> dict[str, Any]:
    method = row.contact_method or row.team_channel
    return {
        "id": row.pk,
        "purpose": row.purpose,
        "state": row.state,
        "thread": row.thread,
        "recipient": row.recipient,
        "user": named(row.user),
        "team": named(row.team),
        "channel": row.channel,
        "address": method.masked_address if method else "",
        "due_at": row.due_at,
        "settled_at": row.settled_at,
        "outcome": row.outcome,
        "attempts": row.attempts,
        "provider": row.provider,
    }
