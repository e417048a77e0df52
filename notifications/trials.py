"""Tries how a person is reached: one message to one address, or their rules from end to end."""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.core import signing
from django.db import transaction
from django.db.models import Q
from django.urls import reverse
from django.utils.translation import gettext

from notifications import limits, outbox
from notifications.channels.base import kind_of
from notifications.kicks import SEND_DUE, kick
from notifications.limits import AN_HOUR, Refused
from notifications.models import (
    TAKEN,
    UNFINISHED,
    ContactMethod,
    Notification,
    TeamChannel,
    Urgency,
)
from notifications.outbox import Note, Written
from schedules.models import User
from schedules.transactions import repeat_on_conflict

Purpose = Notification.Purpose

USEFUL_FOR = timedelta(minutes=10)
MOST_RUNS_AN_HOUR = 6
RUN = "test-run:"
GOT_IT = "you got it"
# How long what was sent alone, and how long a run, stay on the page.
SHOWN_FOR = timedelta(minutes=15)
RUN_SHOWN_FOR = AN_HOUR
# Behind whatever is wrong for real.
RANK = 2
_signer = signing.Signer(salt="notifications.trials", sep=".")


@dataclass(frozen=True)
class Progress:
    """What became of the last run and of what was tried lately; `seen` stands for all of it."""

    rows: list[dict[str, Any]]
    is_under_way: bool
    is_running: bool
    seen: str


def try_address(method: ContactMethod, *, now: datetime) -> None:
    """Send one test message there, verified or not. Raises Refused."""

    def attempt() -> None:
        with transaction.atomic():
            limits.check(method, Purpose.TEST, now=now)
            if not ContactMethod.objects.filter(pk=method.pk, is_on=True).exists():
                raise Refused("It is switched off: nothing is sent to it.")
            note = Note(
                purpose=Purpose.TEST,
                thread=f"person:{method.user_id}",
                ref=f"test:{method.pk}/{secrets.token_hex(6)}",
                team_id=None,
                context={"trial": "address"},
                due_at=now,
                void_at=now + USEFUL_FOR,
            )
            outbox.tell_address(method, note, now=now)
            kick(SEND_DUE)

    repeat_on_conflict(attempt)


def try_channel(channel: TeamChannel, *, now: datetime) -> Written:
    """Send one test message to a team's channel; nothing is written when that is off."""
    note = Note(
        purpose=Purpose.TEST,
        thread=f"team:{channel.team_id}",
        ref=f"test:channel/{channel.pk}/{secrets.token_hex(6)}",
        team_id=channel.team_id,
        context={"trial": "channel"},
        due_at=now,
        void_at=now + USEFUL_FOR,
    )
    with transaction.atomic():
        written = outbox.tell_channel(channel, note, now=now)
        kick(SEND_DUE, due=written.rows)
    return written


def page_now(user: User, *, now: datetime) -> Written:
    """Run the person's rules for high urgency, marked as a test. Raises Refused.

    One run of a person at a time: their row is locked while it is looked for and written.
    """

    def attempt() -> Written:
        with transaction.atomic():
            User.objects.select_for_update(no_key=True).get(pk=user.pk)
            _check_runs(user, now)
            number = secrets.token_hex(6)
            written = outbox.page_person(
                user,
                purpose=Purpose.TEST,
                thread=_thread(user),
                ref=f"{_thread(user)}/{number}",
                team_id=None,
                urgency=Urgency.HIGH,
                rank=RANK,
                context=_facts(user, number),
                now=now,
            )
            if not written.rows:
                raise Refused("There is no contact method that is on.")
            kick(SEND_DUE)
            return written

    return repeat_on_conflict(attempt)


def _check_runs(user: User, now: datetime) -> None:
    runs = Notification.objects.filter(thread=_thread(user), purpose=Purpose.TEST)
    if _running(user).exists():
        raise Refused("A test is running already. End it first.")
    lately = runs.filter(created_at__gt=now - AN_HOUR).order_by()
    if lately.values("ref").distinct().count() >= MOST_RUNS_AN_HOUR:
        raise Refused(f"{MOST_RUNS_AN_HOUR} tests within an hour are enough. Try again later.")


def _facts(user: User, number: str) -> dict[str, Any]:
    return {
        "title": gettext("Would this have woken you?"),
        "urgency": Urgency.HIGH,
        "is_test": True,
        "open_path": reverse("notifications:me"),
        "answer_path": reverse("notifications:got_it", args=[_signer.sign(f"{user.pk}-{number}")]),
    }


def _thread(user: User) -> str:
    return f"{RUN}{user.pk}"


def _running(user: User) -> Any:
    rows = Notification.objects.filter(thread=_thread(user), purpose=Purpose.TEST)
    return rows.filter(state__in=UNFINISHED, cancelled_at=None)


def stop(user: User, *, now: datetime) -> int:
    """End what is left of the person's run, and take it off the phones; says how much was left."""

    def attempt() -> int:
        with transaction.atomic():
            ended = outbox.cancel(_thread(user), purposes=[Purpose.TEST], now=now, reason=GOT_IT)
            if ended and outbox.clear_taken(_thread(user), now=now):
                kick(SEND_DUE)
            return ended

    return repeat_on_conflict(attempt)


def was_answered(user: User) -> bool:
    """Whether they ever ended a run by saying that they got it."""
    rows = Notification.objects.filter(thread=_thread(user), purpose=Purpose.TEST)
    return rows.filter(outcome__endswith=GOT_IT).exists()


def read_token(token: str) -> User | None:
    """Whose run a message's link is of, while that is their last one."""
    try:
        pk, _, number = _signer.unsign(token).partition("-")
        user = User.objects.filter(pk=int(pk), is_active=True).first()
    except (signing.BadSignature, ValueError):
        return None
    return user if user and _last_run(user) == f"{_thread(user)}/{number}" else None


def _last_run(user: User) -> str:
    rows = Notification.objects.filter(thread=_thread(user), purpose=Purpose.TEST)
    return rows.order_by("-pk").values_list("ref", flat=True).first() or ""


def progress(user: User, *, now: datetime) -> Progress:
    """Each message of the last run and of the codes and tests just sent, as it stands."""
    alone = Q(thread=f"person:{user.pk}", created_at__gt=now - SHOWN_FOR)
    of_run = Q(ref=_last_run(user) or "-", created_at__gt=now - RUN_SHOWN_FOR)
    rows = list(
        Notification.objects.filter(alone | of_run, purpose__in=(Purpose.TEST, Purpose.VERIFY))
        .select_related("contact_method")
        .order_by("due_at", "pk")
    )
    open_rows = [row for row in rows if row.state in UNFINISHED and row.cancelled_at is None]
    said = [(row.pk, row.state, row.due_at, row.outcome, row.cancelled_at) for row in rows]
    return Progress(
        rows=[_shown(row) for row in rows],
        is_under_way=bool(open_rows),
        is_running=any(row.thread == _thread(user) for row in open_rows),
        seen=hashlib.blake2s(repr(said).encode(), digest_size=8).hexdigest(),
    )


def _shown(row: Notification) -> dict[str, Any]:
    kind = kind_of(row.channel)
    method = row.contact_method
    what = "code" if row.purpose == Purpose.VERIFY else "test"
    number = row.context.get("repeat")
    # From the moment it was asked for until a provider had it.
    after = row.settled_at - row.created_at if row.settled_at and row.state in TAKEN else None
    return {
        "label": kind.label if kind else row.channel,
        "address": method.masked_address if method else "",
        "what": f"again {number}" if number else what,
        "state": row.state,
        "at": row.settled_at or row.due_at,
        "after": after,
        "outcome": row.outcome,
    }
