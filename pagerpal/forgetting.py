"""Deletes what was kept for as long as the settings say, a little at a time.

Never of an open incident, and never while anything is due. Incidents, their alerts and pages, and
what people did stay for good: the figures of the log are made of them. What goes is what the
machine wrote beside: messages with their deliveries, and the lines of the timeline about them.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from django.conf import settings
from django.contrib.sessions.models import Session
from django.db import connection, transaction
from django.db.models import Exists, OuterRef, QuerySet
from django_q.models import Task

from alertsources.keeping import is_anything_due
from incidents.models import Incident, Round, TimelineEntry
from notifications import inbound
from notifications.models import UNFINISHED, Bundle, DeliveryEvent, Notification
from pagerpal import throttle
from pagerpal.models import GivenAnswer, SignIn, TryCount
from schedules.transactions import repeat_on_conflict
from schedules.turns import turn

# In one transaction; and how many are looked at to find them. `make bench` says what a batch takes.
MOST_ROWS, LOOK_AT = 25, 250
# No new batch is begun later than this after the first (seconds).
TAKE_FOR = 1.0
RESULTS_KEPT = timedelta(days=30)
# What only says how far a walk has come is due at no time.
NEVER = datetime(9999, 1, 1, tzinfo=UTC)

Kind = TimelineEntry.Kind
# What the machine did. What people did, and the incident's own life, stay.
MACHINES_LINES = frozenset(
    {Kind.ALERT, Kind.PAGED, Kind.NOT_PAGED, Kind.DELIVERY, Kind.ASKED, Kind.TROUBLE}
)


@dataclass(frozen=True)
class Batch:
    """Rows that can go; `reached` is the last one looked at, where a walk goes on from it."""

    pks: list[Any]
    delete: Callable[[list[Any]], None]
    looked_at: int
    walk: str = ""
    reached: int = 0


def forget(now: datetime) -> int:
    """Delete what is too old, as long as nothing is due; says how many rows."""
    begun, deleted = time.monotonic(), 0
    for find in (messages, lines, *map(_finder, _expired(now))):
        while (batch := find(now)).looked_at:
            if is_anything_due(now) or time.monotonic() - begun > TAKE_FOR:
                return deleted
            take(batch)
            deleted += len(batch.pks)
    return deleted


def take(batch: Batch) -> None:
    """Delete it and remember how far that went, as one transaction."""
    with turn():
        repeat_on_conflict(partial(_take, batch))


def _take(batch: Batch) -> None:
    with transaction.atomic():
        if batch.pks:
            batch.delete(batch.pks)
        if batch.walk:
            walked = Round(name=batch.walk, reached=batch.reached, next_at=NEVER)
            Round.objects.bulk_create(
                [walked], update_conflicts=True, unique_fields=["name"], update_fields=["reached"]
            )


def start_anew(now: datetime) -> None:
    """Look at all of it again: what belonged to an open incident may be over by now."""
    Round.objects.filter(name__in=("walk messages", "walk lines")).update(reached=0)


# --- What is of incidents: walked through by primary key -----------------------------------------
def messages(now: datetime) -> Batch:
    """The next ones that ended long ago, whatever they were about, unless that is open."""
    before = now - timedelta(days=settings.KEEP_MESSAGES_DAYS)
    stored = Notification.objects.filter(pk__gt=_reached("walk messages")).order_by("pk")
    fields = ("pk", "created_at", "thread", "state", "settled_at")
    rows = _older(list(stored.values_list(*fields)[:LOOK_AT]), before)
    open_threads = _open_of({thread for _, _, thread, _, _ in rows})
    pks = [
        pk
        for pk, _, thread, state, settled_at in rows
        if state not in UNFINISHED and settled_at < before and thread not in open_threads
    ]
    return _next("walk messages", rows, pks, _delete_messages)


def lines(now: datetime) -> Batch:
    """The next lines that the machine wrote about what has long been resolved."""
    before = now - timedelta(days=settings.KEEP_TIMELINE_DAYS)
    stored = TimelineEntry.objects.filter(pk__gt=_reached("walk lines")).order_by("pk")
    fields = ("pk", "at", "kind", "incident__resolved_at", "incident__state")
    rows = _older(list(stored.values_list(*fields)[:LOOK_AT]), before)
    pks = [
        pk
        for pk, _, kind, resolved_at, state in rows
        if kind in MACHINES_LINES and state == Incident.State.RESOLVED and resolved_at < before
    ]
    return _next("walk lines", rows, pks, partial(_delete_of, TimelineEntry))


def _older(rows: list[Any], before: datetime) -> list[Any]:
    """Up to the first that is not: rows are numbered as they are made."""
    return next((rows[:place] for place, row in enumerate(rows) if row[1] >= before), rows)


def _next(walk: str, rows: list[Any], pks: list[int], delete: Callable[[list[Any]], None]) -> Batch:
    """As many as one transaction may delete; what is behind the last of them comes next."""
    if len(pks) > MOST_ROWS:
        pks = pks[:MOST_ROWS]
        return Batch(pks, delete, len(rows), walk, pks[-1])
    return Batch(pks, delete, len(rows), walk, rows[-1][0] if rows else 0)


def _open_of(threads: set[str]) -> set[str]:
    """Those of these threads that are open incidents."""
    numbers = [thread.removeprefix("incident:") for thread in threads if "incident:" in thread]
    found = Incident.objects.open().filter(pk__in=[int(n) for n in numbers if n.isdigit()])
    return {f"incident:{pk}" for pk in found.order_by().values_list("pk", flat=True)}


def _reached(walk: str) -> int:
    return Round.objects.filter(name=walk).values_list("reached", flat=True).first() or 0


def _delete_messages(pks: list[int]) -> None:
    """With all that hangs on them; not those that somebody has just sent again."""
    stored = Notification.objects.select_for_update().filter(pk__in=pks).order_by("pk")
    found = list(stored.exclude(state__in=UNFINISHED).values_list("pk", flat=True))
    if not found:
        return
    Notification.objects.filter(lead__in=found).update(lead=None)
    _execute(Bundle, "lead_id", found)
    _execute(DeliveryEvent, "notification_id", found)
    _execute(Notification, "id", found)


# --- What has an end of its own ------------------------------------------------------------------
def _expired(now: datetime) -> list[QuerySet[Any]]:
    """Of each other table: what is over, the oldest first."""
    session = Session.objects.filter(session_key=OuterRef("session_key"))
    signed_in_before = now - timedelta(seconds=settings.SESSION_COOKIE_AGE)
    return [
        Session.objects.filter(expire_date__lt=now).order_by("expire_date"),
        SignIn.objects.filter(~Exists(session), seen_at__lt=signed_in_before).order_by("pk"),
        TryCount.objects.filter(began_at__lt=now - throttle.KEPT).order_by("began_at"),
        GivenAnswer.objects.filter(at__lt=now - GivenAnswer.KEPT).order_by("at"),
        inbound.forgettable(now).order_by("received_at"),
        Task.objects.filter(stopped__lt=now - RESULTS_KEPT).order_by("stopped"),
    ]


def _finder(old: QuerySet[Any]) -> Callable[[datetime], Batch]:
    def find(now: datetime) -> Batch:
        pks = list(old.values_list("pk", flat=True)[:MOST_ROWS])
        return Batch(pks, partial(_delete_of, old.model), len(pks))

    return find


def _delete_of(model: Any, pks: list[Any]) -> None:
    _execute(model, model._meta.pk.column, pks)


def _execute(model: Any, column: str, pks: list[Any]) -> None:
    """Not by the ORM, which would read all of them first."""
    marks = ", ".join(["%s"] * len(pks))
    statement = f'DELETE FROM "{model._meta.db_table}" WHERE "{column}" IN ({marks})'  # noqa: S608
    with connection.cursor() as cursor:
        cursor.execute(statement, pks)
