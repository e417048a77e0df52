"""Writes what became of an attempt: taken, tried again, given up, cancelled, or never heard of."""

from __future__ import annotations

import itertools
import logging
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import InterfaceError, OperationalError, connection, transaction
from django.db.models import Q
from django.db.models.functions import Coalesce

from notifications import awaiting, breaker, outbox, providers, tries
from notifications.channels.base import Message, Receipt, Report, SendError
from notifications.channels.texts import one_line
from notifications.kicks import SEND_DUE, kick
from notifications.models import (
    FULL_TRIES,
    TAKEN,
    UNFINISHED,
    Bundle,
    DeliveryEvent,
    Notification,
    TeamChannel,
)
from notifications.signals import notification_settled, still_wanted, threads_touched
from schedules.counting import Due
from schedules.inserts import insert
from schedules.transactions import repeat_on_conflict

log = logging.getLogger(__name__)
State = Notification.State
Purpose = Notification.Purpose
Kind = DeliveryEvent.Kind

# What is said once lets the address that stands in for it finish first: both do not say it.
GIVE_WAY_FOR = timedelta(seconds=30)
ALL = Q()
LEASED = Due(Notification, "lease_until", "state = 'sending'")
LAPSED = "no result: the process that sent it has died, so it may have arrived"


@dataclass(frozen=True)
class Result:
    """What one attempt came to: a receipt, an error, void, or held by safe mode (none of them)."""

    message: Message
    receipt: Receipt | None = None
    error: SendError | None = None
    void: str = ""  # why it was not said: it is not true any more
    was_called: bool = False  # the provider was; else nothing left the house


@dataclass
class _Rows:
    """The attempt's own row and what else waits for this person under the same ref, locked."""

    mine: Notification
    others: list[Notification]
    now: datetime
    tells: bool = True


def settle(attempt: Notification, result: Result, *, now: datetime, patience: float = 1.0) -> None:
    """Write the result, unless the row has been taken from this attempt in the meantime.

    A result that is not written is a message sent twice: while the database does not answer it is
    tried for `patience` seconds.
    """
    ends = time.monotonic() + patience
    while True:
        try:
            _settle_and_tell(attempt, result, now)
            return
        except (OperationalError, InterfaceError):
            if connection.in_atomic_block or time.monotonic() >= ends:
                raise  # the lease will lapse
            connection.close_if_unusable_or_obsolete()
            time.sleep(0.2)


def settle_members(results: Sequence[tuple[Notification, Result]], *, now: datetime) -> None:
    """Write what became of some that went with another, in one transaction; else one by one."""

    def together() -> None:
        with transaction.atomic():
            _touch_all([attempt for attempt, _ in results])
            for attempt, result in results:
                _settle(attempt, result, now, tells=True)

    try:
        repeat_on_conflict(together)
    except Exception:
        log.exception("settling %s notifications at once failed; one by one now", len(results))
        for attempt, result in results:
            settle(attempt, result, now=now)


def _settle_and_tell(attempt: Notification, result: Result, now: datetime) -> None:
    try:
        repeat_on_conflict(lambda: _settle(attempt, result, now, tells=True))
    except (OperationalError, InterfaceError):
        raise
    except Exception:
        # Whoever listens has failed. The row must not: it would be sent again and again.
        log.exception("settling notification %s failed; writing the row alone", attempt.pk)
        repeat_on_conflict(lambda: _settle(attempt, result, now, tells=False))


def _settle(attempt: Notification, result: Result, now: datetime, *, tells: bool) -> None:
    with transaction.atomic():
        _touch(attempt, tells)
        if result.was_called and attempt.lead_id is None:
            _note_provider(attempt.provider or attempt.channel, result, now)
        rows = _lock(attempt, now, tells, others=ALL if result.error else _touched_by_success(now))
        mine = rows.mine if rows else None
        if rows is None or mine is None:
            return
        if mine.state != State.SENDING or mine.attempts != attempt.attempts:
            return
        _write(rows, result)


def _write(rows: _Rows, result: Result) -> None:
    mine, error = rows.mine, result.error
    if result.receipt is not None:
        _taken(rows, State.SENT, Kind.SENT, result)
    elif mine.cancelled_at is not None:
        _cancelled(rows, error.text if error else "")
    elif result.void:
        _void(rows, result.void)
    elif error is None:
        _taken(rows, State.HELD, Kind.HELD, result)
    elif mine.lead_id is not None and error.permanent and result.was_called:
        _part(rows, error.text)
    else:
        _failed(rows, error, was_called=result.was_called)


def put_off(pk: int, *, until: datetime, now: datetime) -> None:
    """A row came due while its provider's breaker is open: that is a failed first attempt.

    The person's next method is pulled forward. No try is used; it waits for the next probe.
    """
    row = Notification.objects.select_related("user", "team_channel").filter(pk=pk).first()
    if row is None:
        return
    if row.first_tried_at and (tries.goes_on(row) or now - row.first_tried_at < tries.TRY_FOR):
        Notification.objects.due(now).filter(pk=pk, cancelled_at=None).update(due_at=until)
        return
    repeat_on_conflict(lambda: _put_off(row, until, now))


def _put_off(row: Notification, until: datetime, now: datetime) -> None:
    with transaction.atomic():
        _touch(row)
        rows = _lock(row, now)
        if rows is None or rows.mine.state != State.PENDING or rows.mine.due_at > now:
            return
        words = f"{row.channel} does not answer"
        if rows.mine.first_tried_at is not None:
            _give_up(rows, SendError(words))
            return
        rows.mine.first_tried_at = now
        _pull_forward(rows, words)
        _wait(rows, until, Kind.RETRY, f"{words}; next try in a moment")


def reset_lapsed(now: datetime) -> int:
    """Rows whose sender died or hangs are due again at once; says how many.

    The same key goes out again, so a provider that knows keys drops the double.
    """
    if not LEASED.count(now, most=1):
        return 0
    lapsed = Notification.objects.lapsed(now).order_by(Coalesce("lead", "pk"), "pk")[:200]
    number = 0
    for _, rows in itertools.groupby(lapsed, key=lambda row: row.lead_id or row.pk):
        group = list(rows)
        number += len(group)
        try:
            _reset_together(group, now)
        except Exception:
            log.exception("resetting notification %s failed", group[0].pk)
    if number:
        kick(SEND_DUE, due=number)
    return number


def _reset_together(group: Sequence[Notification], now: datetime) -> None:
    """What went as one message is due again at one moment, else it is repeated in pieces."""

    def together() -> None:
        with transaction.atomic():
            if len(group) > 1:
                _touch_all(group)
            for row in group:
                _reset(row, now)

    try:
        repeat_on_conflict(together)
    except Exception:
        if len(group) == 1:
            raise
        log.exception("resetting %s notifications at once failed; one by one now", len(group))
        for row in group:
            _reset_together([row], now)


def _reset(row: Notification, now: datetime) -> None:
    with transaction.atomic():
        _touch(row)
        rows = _lock(row, now)
        if rows is None or rows.mine.state != State.SENDING:
            return
        mine = rows.mine
        if mine.lease_until is None or mine.lease_until >= now:
            return
        if result := _of_lead(mine):
            is_held = result.receipt is None
            _taken(rows, *((State.HELD, Kind.HELD) if is_held else (State.SENT, Kind.SENT)), result)
            return
        if mine.cancelled_at is not None:
            _cancelled(rows, LAPSED)
            return
        # It may have arrived: said once means that no other address says it as well.
        if mine.attempts == 1 and not mine.is_said_once:
            _pull_forward(rows, LAPSED)
        if tries.is_exhausted(mine, now):
            _give_up(rows, SendError(LAPSED))
        else:
            _wait(rows, now, Kind.LAPSED, LAPSED)


def _of_lead(mine: Notification) -> Result | None:
    """The result of the message it went with, where that was written before its sender died."""
    taken = Notification.objects.filter(state__in=TAKEN, settled_at__lte=mine.lease_until)
    lead = taken.filter(pk=mine.lead_id).first() if mine.lead_id else None
    if lead is None or lead.rendered is None:
        return None
    receipt = Receipt(provider_id=lead.provider_id, text=lead.outcome)
    message = Message(key=Bundle.PREFIX, thread=mine.thread, **lead.rendered)
    return Result(message, receipt=None if lead.state == State.HELD else receipt)


def reported(row: Notification, report: Report, *, now: datetime) -> bool:
    """Write what the provider says later of a message it took: False when that changes nothing.

    What was delivered stays so, whatever else comes; what has failed goes on as after a failed try.
    """
    return repeat_on_conflict(lambda: _reported(row, report, now))


def _reported(row: Notification, report: Report, now: datetime) -> bool:
    with transaction.atomic():
        _touch(row)
        rows = _lock_sent(row, now)
        if rows is None:
            return False
        rows.mine.look_at = None
        if report.is_delivered:
            _put_back(rows)
            _close(rows, State.DELIVERED, Kind.DELIVERED, report.text)
        else:
            _undelivered(rows, report.text)
    return True


def no_receipt(row: Notification, *, now: datetime) -> None:
    """The time for a receipt is up: it may have arrived, but the person's next method is used."""
    repeat_on_conflict(lambda: _no_receipt(row, now))


def _no_receipt(row: Notification, now: datetime) -> None:
    with transaction.atomic():
        _touch(row)
        rows = _lock_sent(row, now)
        if rows is not None:
            _event(rows.mine, Kind.SILENT, "no receipt in time, so it may not have arrived", now)
            _pull_forward(rows, "no receipt in time")


def _lock_sent(row: Notification, now: datetime) -> _Rows | None:
    """None when it is not that message of the provider's any more."""
    rows = _lock(row, now)
    if rows is None or rows.mine.state != State.SENT:
        return None
    return rows if rows.mine.provider_id == row.provider_id else None


def _undelivered(rows: _Rows, text: str) -> None:
    """Taken, and failed later: another provider, else the person's next method.

    What this floor holds is no longer cancelled by an answer once it is sent, so it asks above.
    """
    mine, now = rows.mine, rows.now
    if mine.cancelled_at is not None or not _is_still_wanted(mine):
        _close(rows, State.FAILED, Kind.FAILED, text)
        return
    mine.settled_at = None
    other = "" if tries.is_exhausted(mine, now) else providers.at_once_after(mine)
    if other:
        _wait(rows, now, Kind.REFUSED, text, provider=other)
        kick(SEND_DUE)
        return
    _pull_forward(rows, text)
    _give_up(rows, SendError(text))


def _is_still_wanted(mine: Notification) -> bool:
    answers: list[tuple[Any, Any]] = still_wanted.send(sender=Notification, notification=mine)
    return all(answer is not False for _, answer in answers)


def _taken(rows: _Rows, state: str, kind: str, result: Result) -> None:
    mine = rows.mine
    receipt = result.receipt or Receipt(text="safe mode: nothing was sent")
    mine.provider_id = one_line(receipt.provider_id)[:200]
    # A code is kept nowhere.
    mine.rendered = None if mine.purpose == Purpose.VERIFY else _shown(result.message)
    # What went out as one is looked for once.
    if state == State.SENT and mine.provider_id and mine.lead_id is None:
        mine.look_at = awaiting.next_look(mine.provider, rows.now, rows.now)
    if mine.purpose == Purpose.PAGE:
        _drop_late_repeats(rows)
    if mine.is_said_once:
        _end_others(rows, f"reached by {mine.channel}")
    else:
        _put_back(rows)
    _close(rows, state, kind, receipt.text)
    says_more = result.message.key.startswith(Bundle.PREFIX)
    if state == State.SENT and mine.cancelled_at is not None and not says_more:
        _clear(mine, rows.now)


def _failed(rows: _Rows, error: SendError, *, was_called: bool = True) -> None:
    """Another provider at once; without one the person's next method, and another try later."""
    mine, now = rows.mine, rows.now
    kind = Kind.REFUSED if error.permanent else Kind.RETRY
    may_turn = (was_called or not error.permanent) and not tries.is_exhausted(mine, now)
    other = providers.at_once_after(mine) if may_turn else ""
    # Where time was lost already, the next method need not wait for the other provider.
    pulls = (error.timed_out or not other) and _is_first_round(mine)
    has_pulled = pulls and _pull_forward(rows, error.text)
    if other:
        _wait(rows, now, kind, error.text, provider=other)
        kick(SEND_DUE)
        return
    other = providers.in_a_while_after(mine, refused=error.permanent) if may_turn else ""
    due_at = now + tries.pause(mine, error.retry_after)
    if has_pulled and mine.is_said_once:
        due_at = max(due_at, now + GIVE_WAY_FOR)
    if not other or tries.is_exhausted(mine, due_at):
        _give_up(rows, error)
    else:
        _wait(rows, due_at, kind, error.text, provider=other)


def _part(rows: _Rows, text: str) -> None:
    """What was refused may be another of those that went together: it is tried by itself."""
    rows.mine.goes_alone = True
    _wait(rows, rows.now, Kind.RETRY, f"{text}; it went with others, and is tried by itself now")
    kick(SEND_DUE)


def _is_first_round(mine: Notification) -> bool:
    """Whether not every provider has had its turn before."""
    return mine.is_said_once or mine.attempts <= len(providers.order(mine.channel))


def _cancelled(rows: _Rows, text: str) -> None:
    """Ended by somebody while the call was under way, and not taken."""
    _close(rows, State.CANCELLED, Kind.CANCELLED, text)


def _void(rows: _Rows, why: str) -> None:
    """Its time is over: end it, and whatever else would still say it."""
    rows.mine.cancelled_at = rows.now
    _end_others(rows, why)
    _close(rows, State.CANCELLED, Kind.CANCELLED, why)


def _end_others(rows: _Rows, why: str) -> None:
    """One under way at this moment keeps its state and is not tried again."""
    outbox.cancel_rows([row.pk for row in rows.others], now=rows.now, reason=why)


def _give_up(rows: _Rows, error: SendError) -> None:
    """Fail the row, unless nothing else could wake anybody: then it is tried without end."""
    mine, now = rows.mine, rows.now
    if error.permanent:
        _fail_repeats(rows, error.text)
    if error.is_gone:
        _switch_off(mine, error.text, now)
    if tries.is_last_hope(mine):
        mine.attempts = max(mine.attempts, FULL_TRIES)
        text = f"{error.text}; nobody else was reached, so it is tried each minute"
        _wait(rows, now + tries.LAST_HOPE_EVERY, Kind.RETRY, text, provider=providers.in_turn(mine))
    else:
        _close(rows, State.FAILED, Kind.FAILED, error.text)


def _switch_off(mine: Notification, why: str, now: datetime) -> None:
    """Its receiver asked never to be written to again."""
    if mine.team_channel_id is None:
        return
    on = TeamChannel.objects.filter(pk=mine.team_channel_id, is_on=True)
    on.update(is_on=False, off_reason=f"{now:%d %b %Y %H:%M} UTC: {one_line(why)}"[:200])


def _pull_forward(rows: _Rows, why: str) -> bool:
    """The person's next method is due now, unless something has reached them already."""
    mine, now = rows.mine, rows.now
    untried = [
        row
        for row in rows.others
        if (row.channel, row.address) != (mine.channel, mine.address) and not row.first_tried_at
    ]
    following = min(untried, key=lambda row: (row.due_at, row.pk), default=None)
    if following is None or following.due_at <= now:
        return False
    same = Notification.objects.filter(ref=mine.ref, user=mine.user_id).exclude(key=mine.key)
    if same.taken().exists():
        return False
    following.due_before_pull = following.due_before_pull or following.due_at
    following.due_at = now
    following.save(update_fields=["due_at", "due_before_pull"])
    _event(following, Kind.PULLED, f"{mine.channel}: {why}", now)
    kick(SEND_DUE)
    return True


def _drop_late_repeats(rows: _Rows) -> None:
    """The address has it: what waits for it since an outage would only ring again at once."""
    mine, now = rows.mine, rows.now
    late = {
        row.pk
        for row in rows.others
        if (row.channel, row.address) == (mine.channel, mine.address)
        and (row.due_at <= now or row.first_tried_at is not None)
        and "again_by" not in row.context  # somebody asked for that one
    }
    if not late:
        return
    Notification.objects.filter(pk__in=late).update(
        state=State.CANCELLED,
        cancelled_at=now,
        settled_at=now,
        outcome="a later one speaks for it",
    )
    rows.others = [row for row in rows.others if row.pk not in late]


def _put_back(rows: _Rows) -> None:
    """The person is reached: what was pulled forward and has not gone out keeps its own time."""
    for row in rows.others:
        if row.due_before_pull is not None:
            row.due_at, row.due_before_pull = max(row.due_at, row.due_before_pull), None
            row.save(update_fields=["due_at", "due_before_pull"])


def _fail_repeats(rows: _Rows, why: str) -> None:
    """An address that refuses for good refuses the repeats too: the next step need not wait."""
    mine, now = rows.mine, rows.now
    for row in rows.others:
        if (row.channel, row.address) == (mine.channel, mine.address) and not row.first_tried_at:
            row.state, row.settled_at = State.FAILED, now
            row.outcome = f"not tried, an earlier one was refused: {one_line(why)}"[:500]
            row.save(update_fields=["state", "settled_at", "outcome"])
            _event(row, Kind.FAILED, row.outcome, now)


def _clear(mine: Notification, now: datetime) -> None:
    """It went out although somebody has answered: take it off the phone again."""
    if mine.purpose not in {Purpose.PAGE, Purpose.GROWTH}:
        return
    if mine.channel in outbox.CLEARING_CHANNELS:
        order = outbox.clearing(mine, mine.key, now=now)
        Notification.objects.bulk_create([order], ignore_conflicts=True)
        kick(SEND_DUE)


def _touch(row: Notification, tells: bool = True) -> None:
    if tells and _is_heard(row):
        threads_touched.send(sender=Notification, threads=[row.thread])


def _touch_all(rows: Iterable[Notification]) -> None:
    if threads := sorted({row.thread for row in rows if _is_heard(row)}):
        threads_touched.send(sender=Notification, threads=threads)


def _is_heard(row: Notification) -> bool:
    """An order to take a message off a phone is no news for anybody."""
    return "clears" not in row.context


def _lock(row: Notification, now: datetime, tells: bool = True, *, others: Q = ALL) -> _Rows | None:
    """The row and this person's other pending ones with its ref, locked ascending, as stored.

    Of what is said once all that are unfinished: they end together.
    """
    which = Q(pk=row.pk)
    if row.ref and row.is_said_once:
        which |= Q(ref=row.ref, user=row.user_id, state__in=UNFINISHED)
    elif row.ref:
        which |= Q(ref=row.ref, user=row.user_id, state=State.PENDING) & others
    locked = Notification.objects.select_for_update(no_key=True).filter(which).order_by("pk")
    found = {one.pk: one for one in locked}
    mine = found.pop(row.pk, None)
    if mine is None:
        return None
    mine.user, mine.team_channel = row.user, row.team_channel
    return _Rows(mine, list(found.values()), now, tells)


def _touched_by_success(now: datetime) -> Q:
    """Of the person's other rows: what was pulled forward, and what its time has come for."""
    return Q(due_before_pull__isnull=False) | Q(due_at__lte=now) | Q(first_tried_at__isnull=False)


def _wait(rows: _Rows, due_at: datetime, kind: str, text: str, *, provider: str = "") -> None:
    """Try again when it is due, by this provider if one is named."""
    mine = rows.mine
    before, mine.outcome = mine.outcome, one_line(text)[:500]
    mine.state, mine.due_at, mine.lease_until, mine.lead = State.PENDING, due_at, None, None
    _event(mine, kind, mine.outcome, rows.now)
    mine.provider = provider or mine.provider
    mine.save(
        update_fields=[
            *("state", "due_at", "lease_until", "outcome"),
            *("first_tried_at", "attempts", "provider", "settled_at", "look_at"),
            *("lead", "goes_alone"),
        ]
    )
    # A last hope fails each minute, perhaps all night: that is news once.
    if mine.attempts <= FULL_TRIES or mine.outcome != before:
        _tell(rows)


def _close(rows: _Rows, state: str, kind: str, text: str) -> None:
    mine = rows.mine
    mine.state, mine.lease_until, mine.settled_at = state, None, rows.now
    mine.outcome = one_line(text)[:500]
    mine.lead_id = mine.lead_id if state in TAKEN else None
    mine.save(
        update_fields=[
            *("state", "lease_until", "settled_at", "cancelled_at", "lead"),
            *("outcome", "provider_id", "rendered", "look_at"),
        ]
    )
    _event(mine, kind, mine.outcome, rows.now)
    _tell(rows)


def _tell(rows: _Rows) -> None:
    if rows.tells and _is_heard(rows.mine):
        notification_settled.send(sender=Notification, notification=rows.mine, now=rows.now)


def _event(row: Notification, kind: str, text: str, now: datetime) -> None:
    insert(
        DeliveryEvent(
            notification=row,
            kind=kind,
            attempt=row.attempts,
            provider=row.provider,
            text=one_line(text)[:500],
            at=now,
        )
    )


def _note_provider(provider: str, result: Result, now: datetime) -> None:
    if result.error is not None:
        breaker.note_error(provider, result.error, now)
    else:
        breaker.note_taken(provider, now)


def _shown(message: Message) -> dict[str, Any]:
    """What the history keeps of a message."""
    return {
        "title": message.title,
        "body": message.body,
        "priority": message.priority,
        "open_url": message.open_url,
        "answer_url": message.answer_url,
        "clears": message.clears,
    }
