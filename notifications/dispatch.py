"""Sends what is due: claim one row, call its provider once, write down what came of it."""

from __future__ import annotations

import itertools
import logging
import time
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, connections, transaction
from django.db.models import OuterRef, Subquery

from notifications import breaker, messages, providers, settling
from notifications.channels.base import (
    Deadline,
    Message,
    SendError,
    kind_of,
    missing_for,
    remedy,
)
from notifications.models import Notification
from notifications.settling import Result, reset_lapsed
from schedules.models import Team
from schedules.transactions import repeat_on_conflict
from schedules.turns import turn

__all__ = ["reset_lapsed", "send_best_due", "send_one"]

log = logging.getLogger(__name__)
State = Notification.State

# Longer than any call can take: a row whose lease has ended was left by a dead process.
LEASE = timedelta(seconds=30)
# Written out: every message takes this step, and building it costs the ORM ten times its run.
CLAIM = """
    UPDATE notifications_notification
    SET state = 'sending', provider = %s, attempts = attempts + 1, lease_until = %s,
        first_tried_at = COALESCE(first_tried_at, %s)
    WHERE id = %s AND state = 'pending' AND due_at <= %s AND cancelled_at IS NULL AND (
        SELECT count(*) FROM notifications_notification under_way
        WHERE COALESCE(NULLIF(under_way.provider, ''), under_way.channel) = %s
            AND under_way.state = 'sending'
            AND under_way.lease_until >= %s
    ) < %s
    RETURNING attempts
"""
# A minute less than the day for which WhatsApp takes an answer in free words.
CONVERSATION = timedelta(hours=23, minutes=59)
# How often to look anew when others were faster with every row found.
LOOKS = 3

# When each team was served last, in this process: one team's storm does not starve another.
_turns: dict[int | None, int] = {}
_turn = itertools.count(1)


@dataclass(frozen=True)
class _Head:
    """The best row of one team."""

    rank: int
    team_id: int | None
    pk: int
    channel: str
    provider: str


@dataclass(frozen=True)
class _Claim:
    """`row` is claimed by us; else, with `open_until`, the provider's breaker is open."""

    row: Notification | None = None
    open_until: datetime | None = None


def send_one(pk: int, *, now: datetime, seconds: float) -> bool:
    """Send this row, if it can be claimed; False when it cannot. Takes `seconds` at most."""
    if not settings.NOTIFICATION_RETRY_WORKER_ENABLED:
        return False
    carried = Notification.objects.filter(pk=pk).values_list("channel", "provider").first()
    if carried is None:
        return False
    with turn():
        claim = _claim_or_put_off(pk, *carried, now)
    if claim.row is None:
        return False
    _carry_out(claim.row, now=now, seconds=seconds)
    return True


def send_best_due(now: datetime, *, seconds: float) -> bool:
    """Send the best due row: worst severity first, fair between teams, newest first.

    False when nothing is due, every provider of what is due is at its limit, or other workers
    are at all of it.
    """
    if not settings.NOTIFICATION_RETRY_WORKER_ENABLED:
        return False
    for _ in range(LOOKS):
        with turn():
            heads = _heads(now)
            claim = _claim_first(heads, now)
        if not heads:
            return False
        if claim.row is not None:
            _carry_out(claim.row, now=now, seconds=seconds)
        if claim.row is not None or claim.open_until is not None:
            return True
    return False


def _claim_first(heads: Iterable[_Head], now: datetime) -> _Claim:
    """Claim the first of these that can be, or put it off."""
    for head in heads:
        claim = _claim_or_put_off(head.pk, head.channel, head.provider, now)
        if claim.row is not None:
            _turns[head.team_id] = next(_turn)
        if claim.row is not None or claim.open_until is not None:
            return claim
    return _Claim()


def _heads(now: datetime) -> list[_Head]:
    """Each team's best due row whose provider has room, in the order to try them."""
    due = Notification.objects.due(now)
    if full := _full_providers(now):
        due = due.exclude(providers.waiting_for(full, now))
    best = due.order_by("rank", "-pk").values("pk")
    of_teams = Team.objects.order_by().values_list(
        Subquery(best.filter(team=OuterRef("pk"))[:1]), flat=True
    )
    pks = {*of_teams, best.filter(team=None).values_list("pk", flat=True).first()} - {None}
    found = Notification.objects.filter(pk__in=pks)
    columns = "rank", "team_id", "pk", "channel", "provider"
    return sorted((_Head(*row) for row in found.values_list(*columns)), key=_order)


def _order(head: _Head) -> tuple[int, int, int]:
    return head.rank, _turns.get(head.team_id, 0), -head.pk


def _limit() -> int:
    """One worker is always free for the other providers."""
    return max(1, settings.WORKERS - 1)


def _full_providers(now: datetime) -> set[str]:
    calls = Notification.objects.filter(state=State.SENDING, lease_until__gte=now).order_by()
    carried = calls.values_list("provider", "channel")
    counted = Counter(provider or channel for provider, channel in carried)
    return {provider for provider, number in counted.items() if number >= _limit()}


def _claim_or_put_off(pk: int, kind: str, wanted: str, now: datetime) -> _Claim:
    """Claim the row for the first provider that answers; put it off when none does."""
    claim = _Claim()
    for _ in providers.order(kind):
        provider = providers.choose(kind, wanted, now)
        claim = repeat_on_conflict(lambda name=provider: _claim(pk, name, now))  # type: ignore[misc]
        if claim.open_until is None:
            return claim
    if claim.open_until is not None:
        settling.put_off(pk, until=claim.open_until, now=now)
    return claim


def _claim(pk: int, carrier: str, now: datetime) -> _Claim:
    """Take the row for this worker, by one UPDATE that only one of many can win.

    Who has answered meanwhile has set `cancelled_at` on the row, so no claim can follow a stored
    acknowledgement; no other table is asked.
    """
    with transaction.atomic():
        provider = breaker.lock(carrier)
        is_probe = settings.NOTIFICATION_SENDING_ENABLED and provider.is_open
        if is_probe and provider.probe_at is not None and provider.probe_at > now:
            return _Claim(open_until=provider.probe_at)
        attempt = _take(pk, carrier, now)
        if not attempt:
            return _Claim()
        if is_probe:
            breaker.take_probe(provider, now)
    # Read after the commit, which keeps every other writer waiting on SQLite. Should the lease
    # have lapsed in between, the attempt is somebody else's.
    claimed = Notification.objects.select_related("user", "contact_method", "team_channel__team")
    return _Claim(claimed.filter(pk=pk, attempts=attempt, state=State.SENDING).first())


def _take(pk: int, carrier: str, now: datetime) -> int:
    """Run the claiming UPDATE: the number of this attempt, or 0 when it was not won."""
    database = connections[DEFAULT_DB_ALIAS]
    at, until = map(database.ops.adapt_datetimefield_value, (now, now + LEASE))
    with database.cursor() as cursor:
        cursor.execute(CLAIM, [carrier, until, at, pk, at, carrier, at, _limit()])
        won = cursor.fetchone()
    return int(won[0]) if won else 0


def _carry_out(row: Notification, *, now: datetime, seconds: float) -> None:
    """Call the provider of a claimed row, outside any transaction, and write the result."""
    began = time.monotonic()
    result = _attempt(row, now, seconds)
    took = time.monotonic() - began
    # `now` was before the call; whole seconds are enough for what is planned from here on.
    ended = now + timedelta(seconds=round(took))
    with turn():
        settling.settle(row, result, now=ended, patience=max(1.0, seconds - took))


def _attempt(row: Notification, now: datetime, seconds: float) -> Result:
    message = _message(row, now)
    if row.void_at is not None and row.void_at <= now:
        return Result(message, void="too late: its time is over")
    if obstacle := _obstacle(row):
        return Result(message, error=SendError(obstacle, permanent=True))
    if not settings.NOTIFICATION_SENDING_ENABLED:
        return Result(message)
    try:
        receipt = providers.channel_of(row.provider).send(message, row.address, Deadline(seconds))
    except SendError as error:
        return Result(message, error=error, was_called=True)
    except Exception as error:
        log.exception("channel %s failed on notification %s", row.provider, row.pk)
        text = f"PagerPal's {row.provider} channel failed ({type(error).__name__}); see the log"
        return Result(message, error=SendError(text), was_called=True)
    return Result(message, receipt=receipt, was_called=True)


def _message(row: Notification, now: datetime) -> Message:
    message, key = messages.render(row), row.key
    if row.provider_id:
        # A provider took it and has said since that it failed: it would know the key.
        key = f"{key}/after:{row.provider_id}"
    heard_at = row.contact_method.heard_at if row.contact_method else None
    is_reply = heard_at is not None and now - heard_at < CONVERSATION
    return replace(message, key=key, is_reply=is_reply)


def _obstacle(row: Notification) -> str:
    """Why this row must not be sent, whatever the provider would say; empty when it may."""
    kind = kind_of(row.channel)
    if kind is None:
        return f"PagerPal has no channel called {row.channel}"
    if row.user is not None and not row.user.is_active:
        return f"{row.user} is switched off"
    if row.team_channel is not None and not row.team_channel.is_on:
        return f"{row.team_channel} is switched off"
    if row.contact_method is not None and not row.contact_method.is_on:
        return "this address was switched off"
    if settling.is_needless(row):
        return "not needed: another page has been taken"
    missing = missing_for(row.channel) if settings.NOTIFICATION_SENDING_ENABLED else []
    return f"{kind.label} is off: {remedy(missing)}" if missing else ""
