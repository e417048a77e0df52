"""Pages as incidents would have them written, without an incident; and sending them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from notifications import claims, dispatch, outbox
from notifications.models import DeliveryEvent, Notification
from notifications.outbox import Written
from pagerpal.testing import NOON
from schedules.models import User

FACTS: dict[str, Any] = {
    "number": 412,
    "title": "Disk full on db-6",
    "detail": "97 % of /var",
    "severity": "critical",
    "urgency": "high",
    "team": "Platform",
    "source": "Alertmanager",
    "opened_at": "2026-11-23T11:58:00+00:00",
    "alerts": 3,
    "step": "step 1",
    "next": {"at": "2026-11-23T12:05:00+00:00", "who": "bob"},
    "is_test": False,
    "open_path": "/incidents/412",
    "answer_path": "/a/t0ken",
}


def page(
    user: User,
    *,
    ref: str = "page:981",
    purpose: str = "page",
    thread: str = "thing:412",
    urgency: str = "high",
    now: datetime = NOON,
    team_id: int | None = None,
    rank: int = 0,
    context: dict[str, Any] | None = None,
) -> Written:
    return outbox.page_person(
        user,
        purpose=purpose,
        thread=thread,
        ref=ref,
        team_id=team_id,
        urgency=urgency,
        rank=rank,
        context={**FACTS, "urgency": urgency} if context is None else context,
        now=now,
    )


def first(user: User, **fields: Any) -> Notification:
    """The first row of a page to this person."""
    pk = page(user, **fields).first_pk
    assert pk is not None
    return Notification.objects.get(pk=pk)


def rows(**filters: Any) -> list[Notification]:
    return list(Notification.objects.filter(**filters).order_by("pk"))


def stored(row: Notification) -> Notification:
    return Notification.objects.select_related("user").get(pk=row.pk)


def send(row: Notification, *, now: datetime = NOON) -> bool:
    return dispatch.send_one(row.pk, now=now, seconds=8)


def send_all(now: datetime) -> int:
    sent = 0
    while dispatch.send_best_due(now, seconds=8):
        sent += 1
    return sent


def events(row: Notification) -> list[str]:
    return list(DeliveryEvent.objects.filter(notification=row).values_list("kind", flat=True))


def claim(row: Notification, *, now: datetime = NOON) -> Notification:
    """As a worker that dies in mid-call leaves it."""
    (head,) = claims.heads(Notification.objects.filter(pk=row.pk))
    claimed = dispatch._claim(head, row.channel, now).row
    assert claimed is not None
    return claimed


def try_until_settled(row: Notification, *, most: int = 12) -> datetime:
    """Send at each due time until the row is settled; says when that was."""
    now = row.due_at
    for _ in range(most):
        now = max(now, stored(row).due_at)
        send(row, now=now)
        if stored(row).state != "pending":
            break
    return now


def cancel(row: Notification) -> None:
    outbox.cancel(row.thread, purposes=["page"], now=NOON, reason="alice has it")
