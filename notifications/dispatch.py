"""Sends what is due: claim one row, call its provider once, write down what came of it."""

from __future__ import annotations

import itertools
import logging
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from django.conf import settings
from django.db import transaction
from django.db.models import OuterRef, Q, Subquery

from notifications import (
    address_limits,
    breaker,
    bundles,
    claims,
    messages,
    providers,
    settling,
    tries,
)
from notifications.channels.base import (
    Deadline,
    Message,
    SendError,
    kind_of,
    missing_for,
    remedy,
)
from notifications.claims import Head
from notifications.models import Notification
from notifications.settling import Result, reset_lapsed
from schedules.about import about
from schedules.models import Team
from schedules.transactions import repeat_on_conflict
from schedules.turns import turn

__all__ = ["reset_lapsed", "send_best_due", "send_one"]

log = logging.getLogger(__name__)
State = Notification.State

# A minute less than the day for which WhatsApp takes an answer in free words.
CONVERSATION = timedelta(hours=23, minutes=59)
# Not so many that others wait long for the database.
SETTLED_AT_ONCE = 10
# How often to look anew when others were faster with every row found.
LOOKS = 3

# When each team was served last, in this process: one team's storm does not starve another.
_turns: dict[int | None, int] = {}
_turn = itertools.count(1)


@dataclass(frozen=True)
class _Claim:
    """`row` is claimed by us, with `members` that go with it; else it may have been put off: the
    provider's breaker is open, or the address has had enough."""

    row: Notification | None = None
    members: tuple[Notification, ...] = ()
    open_until: datetime | None = None
    is_held_back: bool = False

    @property
    def did_something(self) -> bool:
        return self.row is not None or self.open_until is not None or self.is_held_back


def send_one(pk: int, *, now: datetime, seconds: float) -> bool:
    """Send this row, if it can be claimed; False when it cannot. Takes `seconds` at most."""
    if not settings.NOTIFICATION_RETRY_WORKER_ENABLED:
        return False
    found = claims.heads(Notification.objects.filter(pk=pk, state=State.PENDING))
    if not found:
        return False
    with turn():
        claim = _claim_or_put_off(found[0], now)
    if claim.row is None:
        return False
    _carry_out(claim, now=now, seconds=seconds)
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
            _carry_out(claim, now=now, seconds=seconds)
        if claim.did_something:
            return True
    return False


def _claim_first(heads: Iterable[Head], now: datetime) -> _Claim:
    """Claim the first of these that can be, or put it off."""
    for head in heads:
        claim = _claim_or_put_off(head, now)
        if claim.row is not None:
            _turns[head.team_id] = next(_turn)
        if claim.did_something:
            return claim
    return _Claim()


def _heads(now: datetime) -> list[Head]:
    """Each team's best due row whose provider has room, in the order to try them."""
    due = Notification.objects.due(now)
    if full := _full_providers(now):
        due = due.exclude(providers.waiting_for(full, now))
    best = due.order_by("rank", "-pk").values("pk")
    of_teams = Team.objects.order_by().values_list(
        Subquery(best.filter(team=OuterRef("pk"))[:1]), flat=True
    )
    pks = {*of_teams, best.filter(team=None).values_list("pk", flat=True).first()} - {None}
    return sorted(claims.heads(Notification.objects.filter(pk__in=pks)), key=_order)


def _order(head: Head) -> tuple[int, int, int]:
    return head.rank, _turns.get(head.team_id, 0), -head.pk


def _full_providers(now: datetime) -> set[str]:
    calls = Notification.objects.filter(state=State.SENDING, lease_until__gte=now)
    carried = calls.filter(lead=None).order_by().values_list("provider", "channel")
    counted = Counter(provider or channel for provider, channel in carried)
    return {provider for provider, number in counted.items() if number >= claims.most_in_flight()}


def _claim_or_put_off(head: Head, now: datetime) -> _Claim:
    """Claim the row for the first provider that answers; put it off when none does."""
    claim = _Claim()
    for _ in providers.order(head.channel):
        provider = providers.choose(head.channel, head.provider, now)
        claim = repeat_on_conflict(lambda name=provider: _claim(head, name, now))  # type: ignore[misc]
        if claim.open_until is None:
            return claim
    if claim.open_until is not None:
        settling.put_off(head.pk, until=claim.open_until, now=now)
    return claim


def _claim(head: Head, carrier: str, now: datetime) -> _Claim:
    """Take the row for this worker, by one UPDATE that only one of many can win, and what else is
    due for its address by another.

    Who has answered meanwhile has set `cancelled_at` on the row, so no claim can follow a stored
    acknowledgement; no other table is asked.
    """
    with transaction.atomic():
        provider = breaker.lock(carrier)
        is_probe = settings.NOTIFICATION_SENDING_ENABLED and provider.is_open
        if is_probe and provider.probe_at is not None and provider.probe_at > now:
            return _Claim(open_until=provider.probe_at)
        if _is_held_back(head, now):
            return _Claim(is_held_back=True)
        attempt = claims.take(head.pk, carrier, now)
        if not attempt:
            return _Claim()
        claims.take_along(head, carrier, now)
        if is_probe:
            breaker.take_probe(provider, now)
    return _claimed(head.pk, attempt)


def _is_held_back(head: Head, now: datetime) -> bool:
    """Whether its address has had enough for now, and all that waits for it was put off."""
    if not head.is_one_of_many:
        return False
    wait = address_limits.wait_for(head.channel, head.address, now)
    if wait is None or claims.is_first(head):
        return False
    claims.hold_back(head, wait.until, wait.why, now)
    return True


def _claimed(pk: int, attempt: int) -> _Claim:
    """Read after the commit, which keeps every other writer waiting on SQLite.

    Should the lease have lapsed in between, the attempt is somebody else's.
    """
    ours = Q(pk=pk, attempts=attempt) | Q(lead=pk)
    rows = Notification.objects.select_related("user", "contact_method", "team_channel__team")
    found = {row.pk: row for row in rows.filter(ours, state=State.SENDING).order_by("pk")}
    lead = found.pop(pk, None)
    return _Claim(lead, tuple(found.values()) if lead else ())


def _carry_out(claim: _Claim, *, now: datetime, seconds: float) -> None:
    """Call the provider for a claimed row, outside any transaction, and write the result to it
    and its members."""
    row = claim.row
    assert row is not None  # noqa: S101  the caller has looked
    began = time.monotonic()
    with about(row.thread):
        result = _attempt(row, claim.members, now, seconds)
    took = time.monotonic() - began
    # `now` was before the call; whole seconds are enough for what is planned from here on.
    ended = now + timedelta(seconds=round(took))
    with turn():
        settling.settle(row, result, now=ended, patience=max(1.0, seconds - took))
    results = [(one, _of_member(one, result)) for one in claim.members]
    for place in range(0, len(results), SETTLED_AT_ONCE):
        with turn():
            settling.settle_members(results[place : place + SETTLED_AT_ONCE], now=ended)


def _of_member(member: Notification, result: Result) -> Result:
    """What kept the lead from being sent need not be true of the others."""
    if result.was_called or result.error is None:
        return result
    own = _obstacle(member)
    return replace(result, error=SendError(own or result.error.text, permanent=bool(own)))


def _attempt(
    row: Notification, members: Sequence[Notification], now: datetime, seconds: float
) -> Result:
    message = _message(row, members, now)
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


def _message(row: Notification, members: Sequence[Notification], now: datetime) -> Message:
    message = bundles.render(row, members) if members else messages.render(row)
    key = message.key
    if row.provider_id and not members:
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
    if tries.is_needless(row):
        return "not needed: another page has been taken"
    missing = missing_for(row.channel) if settings.NOTIFICATION_SENDING_ENABLED else []
    return f"{kind.label} is off: {remedy(missing)}" if missing else ""
