"""What to send, written as Notification rows by a person's rules; and taking it back."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import DEFAULT_DB_ALIAS, OperationalError, connections, transaction
from django.db.models import Count, Q

from notifications import bundles, due_times
from notifications.channels.base import carrier, kind_of, providers_of
from notifications.channels.links import LONGEST as LONGEST_ADDRESS
from notifications.channels.texts import clean, clean_json, one_line
from notifications.kicks import SEND_DUE, kick
from notifications.models import (
    FULL_TRIES,
    TAKEN,
    ContactMethod,
    DeliveryEvent,
    Notification,
    NotificationRule,
    TeamChannel,
    Urgency,
)
from schedules import quiet
from schedules.counting import Due
from schedules.inserts import insert
from schedules.models import Team, User

log = logging.getLogger(__name__)
State = Notification.State
Purpose = Notification.Purpose

# When a person has no rules: how long after the page each kind of address is used. A kind that
# is not listed is used at once.
DEFAULT_DELAYS = {
    "ntfy": timedelta(0),
    "sms": timedelta(minutes=2),
    "whatsapp": timedelta(minutes=2),
    "email": timedelta(minutes=5),
}
# A phone rings once per message: a page of high urgency comes again, as a new message.
DEFAULT_REPEATS = {"ntfy": 5}
DEFAULT_REPEAT_EVERY = timedelta(seconds=60)
# Nobody knows yet whether anything arrives at an unverified address: it comes this long after the
# last verified one of its person.
AFTER_VERIFIED = timedelta(minutes=1)
# A test runs the rules as they are.
DUE = Due(Notification, "due_at", "state = 'pending'")
REPEATED = (Purpose.PAGE, Purpose.TEST)

CLEARS_PREFIX = "clear:"
# Channels that can take a message off the screen again.
CLEARING_CHANNELS = ("ntfy",)

# One statement, as a row may go from one state to the other while this waits for it. Written out:
# every answer takes this step, and building it costs the ORM many times its run.
CANCEL = """
    UPDATE notifications_notification
    SET cancelled_at = %s,
        state = CASE WHEN state = 'pending' THEN 'cancelled' ELSE state END,
        settled_at = CASE WHEN state = 'pending' THEN %s ELSE settled_at END,
        outcome = CASE WHEN state = 'pending' THEN %s ELSE outcome END
    WHERE state IN ('pending', 'sending') AND cancelled_at IS NULL
"""


@dataclass(frozen=True)
class Written:
    """What was written to be sent: how many rows, the one to send first, when the first is due."""

    rows: int
    first_pk: int | None
    earliest_due: datetime | None

    def plus(self, other: Written) -> Written:
        if not self.rows:
            return other
        if not other.rows:
            return self
        due = [at for at in (self.earliest_due, other.earliest_due) if at is not None]
        return Written(self.rows + other.rows, self.first_pk, min(due) if due else None)


@dataclass(frozen=True)
class Outcome:
    """What became of some messages; one that was tried 5 times in vain counts as failed."""

    taken: int
    unfinished: int
    failed: int


@dataclass(frozen=True)
class Call:
    """Use this address after `delay`, and `repeats` more times."""

    method: ContactMethod
    delay: timedelta
    repeats: int = 0
    repeat_every: timedelta = DEFAULT_REPEAT_EVERY
    rule_id: int | None = None


@dataclass(frozen=True)
class Note:
    """One thing to say, once, to one person or channel; `ref` names both and is written once."""

    purpose: str
    thread: str
    ref: str
    team_id: int | None
    context: dict[str, Any]
    due_at: datetime
    void_at: datetime  # from then on it would say nothing true any more


@dataclass(frozen=True)
class _Message:
    """What all rows of one call to `page_person` share."""

    user: User
    purpose: str
    thread: str
    ref: str
    team_id: int | None
    rank: int
    context: dict[str, Any]
    now: datetime
    is_urgent: bool


def page_person(
    user: User,
    *,
    purpose: str,
    thread: str,
    ref: str,
    team_id: int | None,
    urgency: str,
    rank: int,
    context: dict[str, Any],
    now: datetime,
    calls: list[Call] | None = None,
) -> Written:
    """Write the messages that the person's rules (or the defaults) ask for, in their order.

    `calls` are what `calls_of` said before the transaction, which should be short. What is not of
    high urgency is due at the end of the quiet hours that the person is in, or would be by then.

    Renders and sends nothing. An address that errors becomes a failed row with its reason and
    keeps no other from being used. `Written` counts what can still be sent: nothing, when the
    person is switched off or has no address that is on. Writing the same `ref` again adds nothing.
    """
    if not user.is_active:
        return Written(0, None, None)
    facts, is_urgent = clean_json(context), urgency == Urgency.HIGH
    message = _Message(user, purpose, thread, ref, team_id, rank, facts, now, is_urgent)
    rows: list[Notification] = []
    for call in calls_of([user], urgency)[user.pk] if calls is None else calls:
        rows += _rows(message, call, repeating=purpose in REPEATED)
    stored = _insert(rows)
    pending = sorted(
        (row for row in stored if row.state == State.PENDING), key=lambda row: (row.due_at, row.pk)
    )
    if not pending:
        return Written(0, None, None)
    return Written(len(pending), pending[0].pk, pending[0].due_at)


def tell(user: User, note: Note, *, now: datetime, calls: list[Call] | None = None) -> Written:
    """Write one message that reaches the person once, by the addresses for low urgency in order.

    The first is used when it is due. The others wait for `void_at`, which they do not outlive:
    one is pulled forward when those before it fail, and the first that is taken ends the rest.
    In quiet hours it waits for their end; what is void by then is said before them, or now.
    Writing the same `ref` again adds nothing, unless all that was written of it was cancelled.
    """
    if not user.is_active:
        return Written(0, None, None)
    found = calls_of([user], Urgency.LOW)[user.pk] if calls is None else calls
    methods = {call.method.pk: call.method for call in found if kind_of(call.method.channel)}
    usable_first = sorted(methods.values(), key=lambda method: not _is_usable(method))
    due_at = max(now, quiet.moved(user, note.due_at, note.void_at))
    return _say(
        replace(note, due_at=due_at),
        [
            Notification(
                user=user,
                contact_method=method,
                channel=method.channel,
                address=clean(method.address),
            )
            for method in usable_first
        ],
        now,
    )


def tell_address(method: ContactMethod, note: Note, *, now: datetime) -> Written:
    """Write one message to this address of its person alone; the same `ref` again adds nothing."""
    row = Notification(
        user=method.user,
        contact_method=method,
        channel=method.channel,
        address=clean(method.address),
    )
    return _say(note, [row], now)


def tell_channel(channel: TeamChannel, note: Note, *, now: datetime) -> Written:
    """Write one message to a team's channel, if that is on; the same `ref` again adds nothing."""
    if not channel.is_on:
        return Written(0, None, None)
    row = Notification(
        team_channel=channel,
        channel=channel.channel,
        address=clean(channel.address),
        provider=carrier(channel.channel, channel.address),
    )
    return _say(note, [row], now)


def _say(note: Note, rows: list[Notification], now: datetime) -> Written:
    """Complete and write the rows of a note, the one to use first being the first."""
    known = list(Notification.objects.filter(ref=note.ref).values_list("state", flat=True))
    if any(state != State.CANCELLED for state in known) or note.void_at <= now:
        return Written(0, None, None)
    for number, row in enumerate(rows):
        row.purpose, row.thread, row.ref = note.purpose, note.thread, note.ref
        row.key = f"{note.ref}/{len(known) + number}"
        row.context, row.team_id, row.created_at = clean_json(note.context), note.team_id, now
        row.due_at, row.void_at = note.void_at if number else note.due_at, note.void_at
    stored = [row for row in _insert(rows) if row.state == State.PENDING]
    if not stored:
        return Written(0, None, None)
    return Written(len(stored), stored[0].pk, stored[0].due_at)


def calls_of(users: Iterable[User], urgency: str) -> dict[int, list[Call]]:
    """Each person's rules for this urgency; the defaults where they lead to no usable address.

    Unverified addresses come last: each after the verified ones of its person, if there are any.
    """
    ids = [user.pk for user in users]
    wanted = Urgency.HIGH if urgency == Urgency.HIGH else Urgency.LOW
    on = {method.pk: method for method in ContactMethod.objects.filter(user__in=ids, is_on=True)}
    calls: dict[int, list[Call]] = {pk: [] for pk in ids}
    rules = NotificationRule.objects.filter(user__in=ids, urgency=wanted)
    for rule in rules.order_by("delay", "pk"):
        if method := on.get(rule.contact_method_id):
            times = rule.delay, rule.repeats, rule.repeat_every
            calls[rule.user_id].append(Call(method, *times, rule.pk))
    for pk, found in calls.items():
        if not any(_is_usable(call.method) for call in found):
            calls[pk] = _defaults([one for one in on.values() if one.user_id == pk], wanted)
    return {pk: _unverified_last(found) for pk, found in calls.items()}


def _unverified_last(calls: list[Call]) -> list[Call]:
    known = [one.delay for one in calls if one.method.is_verified and _is_usable(one.method)]
    if not known or len(known) == len(calls):
        return calls
    last = max(known)
    later = [
        replace(one, delay=last + AFTER_VERIFIED)
        if not one.method.is_verified and one.delay <= last
        else one
        for one in calls
    ]
    return sorted(later, key=lambda one: one.delay)


def _defaults(methods: list[ContactMethod], urgency: str) -> list[Call]:
    if not methods:
        return []
    delays = {method.pk: DEFAULT_DELAYS.get(method.channel, timedelta(0)) for method in methods}
    usable = [method for method in methods if _is_usable(method)]
    best = [method for method in usable if method.is_verified] or usable or methods
    # Whoever has no push gets the next best at once.
    head_start = min(delays[method.pk] for method in best)
    calls = [
        Call(
            method,
            max(timedelta(0), delays[method.pk] - head_start),
            DEFAULT_REPEATS.get(method.channel, 0) if urgency == Urgency.HIGH else 0,
        )
        for method in methods
    ]
    return sorted(calls, key=lambda call: (call.delay, call.method.pk))


def _is_usable(method: ContactMethod) -> bool:
    if kind_of(method.channel) is None:
        return False
    return not settings.NOTIFICATION_SENDING_ENABLED or bool(providers_of(method.channel))


def _rows(message: _Message, call: Call, *, repeating: bool) -> Iterator[Notification]:
    """One row now and one for each repeat; a failed one instead, if even that is impossible."""
    if kind_of(call.method.channel) is None:
        yield _failed(message, call, f"PagerPal has no channel called {call.method.channel}.")
        return
    try:
        times = due_times.of_rule(
            message.user,
            call,
            now=message.now,
            is_urgent=message.is_urgent,
            repeating=repeating,
        )
    except OverflowError as error:
        yield _failed(message, call, f"its rule makes no time: {error}")
        return
    for number, due_at in enumerate(times):
        yield _row(message, call, number, due_at=due_at)


def _row(message: _Message, call: Call, number: int, **fields: Any) -> Notification:
    rule = f"/rule:{call.rule_id}" if call.rule_id else ""
    return Notification(
        purpose=message.purpose,
        thread=message.thread,
        ref=message.ref,
        key=f"{message.ref}{rule}/method:{call.method.pk}/repeat:{number}",
        context={**message.context, "repeat": number},
        user=message.user,
        contact_method=call.method,
        channel=call.method.channel,
        address=clean(call.method.address),
        team_id=message.team_id,
        rank=message.rank,
        created_at=message.now,
        **fields,
    )


def _failed(message: _Message, call: Call, reason: str) -> Notification:
    return _row(message, call, 0, due_at=message.now, **_failure(reason, message.now))


def _failure(reason: str, now: datetime) -> dict[str, Any]:
    return {"state": State.FAILED, "outcome": one_line(reason)[:500], "settled_at": now}


def _insert(rows: list[Notification]) -> list[Notification]:
    """Write all at once; if that fails, one by one, so that only the bad one is lost."""
    try:
        with transaction.atomic():
            insert(*rows)
        return rows
    except OperationalError:
        raise  # the whole transaction is lost; its owner tries it again
    except Exception:
        log.warning("writing %s notifications at once failed", len(rows), exc_info=True)
    return [stored for row in rows if (stored := _insert_one(row))]


def _insert_one(row: Notification) -> Notification | None:
    try:
        with transaction.atomic():
            row.pk = None
            row.save(force_insert=True)
        return row
    except OperationalError:
        raise
    except Exception as error:
        if Notification.objects.filter(key=row.key).exists():
            return None  # written before
        log.exception("writing notification %s failed", row.key)
        return _insert_failed(row, error)


def _insert_failed(row: Notification, error: Exception) -> Notification | None:
    """The failed row that shows what happened; when even this is refused, the log has said it."""
    stub = Notification(
        purpose=row.purpose,
        thread=row.thread,
        ref=row.ref,
        key=row.key,
        user_id=row.user_id,
        team_channel_id=row.team_channel_id,
        contact_method_id=row.contact_method_id,
        channel=row.channel[:24],
        address=row.address[:LONGEST_ADDRESS],
        team_id=row.team_id,
        rank=row.rank,
        created_at=row.created_at,
        due_at=row.created_at,
        **_failure(f"could not be written: {error}", row.created_at),
    )
    try:
        with transaction.atomic():
            stub.save(force_insert=True)
        return stub
    except OperationalError:
        raise
    except Exception:
        log.exception("writing the failure of notification %s failed too", row.key)
        return None


def reachable(user_ids: Iterable[int], urgency: str) -> set[int]:
    """Those who are active and have an address that is on and that PagerPal can send to.

    The same for every urgency: whose rules lead nowhere gets the defaults.
    """
    methods = ContactMethod.objects.filter(
        user__in=list(user_ids), user__is_active=True, is_on=True
    )
    return {method.user_id for method in methods if _is_usable(method)}


def cancel(thread: str, *, purposes: Sequence[str], now: datetime, reason: str) -> int:
    """End every unfinished message of these purposes; says how many.

    One that a provider is being called for keeps its state until the call has ended, and is then
    sent or cancelled, never tried again. The caller holds the thread's lock.
    """
    which = f"thread = %s AND purpose IN ({_holders(purposes)})"
    return _cancel(which, [thread, *purposes], now, reason)


def cancel_person(thread: str, user: User, *, now: datetime, reason: str) -> int:
    """End every unfinished message of the thread to this person; says how many."""
    return _cancel("thread = %s AND user_id = %s", [thread, user.pk], now, reason)


def cancel_notes(user: User, team: Team | None, *, now: datetime, reason: str) -> int:
    """End what is still to be told to this person once, of this team or of all; says how many."""
    which, values = "user_id = %s AND void_at IS NOT NULL", [user.pk]
    if team is not None:
        which, values = f"{which} AND team_id = %s", [user.pk, team.pk]
    return _cancel(which, values, now, reason)


def cancel_refs(refs: Sequence[str], *, now: datetime, reason: str) -> int:
    """End every unfinished message that was written under these names; says how many."""
    if not refs:
        return 0
    return _cancel(f"ref IN ({_holders(refs)})", refs, now, reason)


def cancel_rows(pks: Sequence[int], *, now: datetime, reason: str) -> int:
    """End those of these messages that are unfinished; the caller holds their locks."""
    if not pks:
        return 0
    return _cancel(f"id IN ({_holders(pks)})", pks, now, reason)


def supersede(thread: str, *, due_before: datetime, now: datetime) -> int:
    """End pages that should have gone out before then: a newer step speaks for them."""
    late = "thread = %s AND purpose = %s AND due_at < %s AND state = 'pending'"
    values = [thread, Purpose.PAGE, due_before]
    return _cancel(late, values, now, "superseded by a newer page: PagerPal was down")


def _cancel(which: str, values: Sequence[Any], now: datetime, reason: str) -> int:
    database = connections[DEFAULT_DB_ALIAS]
    with database.cursor() as cursor:
        cursor.execute(
            f"{CANCEL} AND {which}",
            [_adapted(value) for value in (now, now, one_line(reason)[:500], *values)],
        )
        return int(cursor.rowcount)


def _holders(values: Sequence[Any]) -> str:
    return ", ".join(["%s"] * len(values))


def _adapted(value: Any) -> Any:
    """As a driver takes it: no enumerations, and SQLite's times are texts."""
    if isinstance(value, datetime):
        return connections[DEFAULT_DB_ALIAS].ops.adapt_datetimefield_value(value)
    return str(value) if isinstance(value, str) else value


def clear_taken(thread: str, *, now: datetime) -> int:
    """Write the orders that take this thread's pages off the phones; says how many are new."""
    taken = Notification.objects.filter(
        thread=thread,
        purpose__in=(Purpose.PAGE, Purpose.GROWTH, Purpose.ASK_OWNER, Purpose.TEST),
        state__in=(State.SENT, State.DELIVERED),
        channel__in=CLEARING_CHANNELS,
    )
    orders = {f"{CLEARS_PREFIX}{key}": (row, key) for row, key in bundles.to_clear(taken, thread)}
    known = Notification.objects.filter(key__in=orders).values_list("key", flat=True)
    missing = sorted(orders.keys() - set(known))
    Notification.objects.bulk_create(
        [clearing(*orders[key], now=now) for key in missing], ignore_conflicts=True
    )
    return len(missing)


def clearing(row: Notification, key: str, *, now: datetime) -> Notification:
    """The order, not yet stored, that takes the message of this key off the row's phone."""
    return Notification(
        purpose=Purpose.UPDATE,
        thread=row.thread,
        key=f"{CLEARS_PREFIX}{key}",
        context={"clears": key},
        user_id=row.user_id,
        team_channel_id=row.team_channel_id,
        contact_method_id=row.contact_method_id,
        channel=row.channel,
        address=row.address,
        team_id=row.team_id,
        rank=3,
        due_at=now,
        created_at=now,
    )


def outcome(refs: Iterable[str]) -> Outcome:
    """How the messages with these refs fared, all together; cancelled ones count nowhere."""
    in_vain = Q(state=State.PENDING, attempts__gte=FULL_TRIES) | Q(
        state=State.SENDING, attempts__gt=FULL_TRIES
    )
    unfinished = Q(state__in=(State.PENDING, State.SENDING))
    counted = Notification.objects.filter(ref__in=list(refs)).aggregate(
        taken=Count("pk", filter=Q(state__in=TAKEN)),
        unfinished=Count("pk", filter=unfinished & ~in_vain),
        failed=Count("pk", filter=Q(state=State.FAILED) | in_vain),
    )
    return Outcome(**counted)


def is_any_taken(refs: Sequence[str]) -> bool:
    """Whether a provider has taken one of these messages, or it was held."""
    return bool(refs) and Notification.objects.filter(ref__in=refs, state__in=TAKEN).exists()


def is_put_off(refs: Iterable[str]) -> bool:
    """Whether all that was written under one of these refs still waits for its time, untried."""
    tried = Count("pk", filter=~Q(state=State.PENDING) | Q(first_tried_at__isnull=False))
    rows = Notification.objects.filter(ref__in=list(refs)).order_by().values("ref")
    return rows.annotate(tried=tried).filter(tried=0).exists()


def has_due(now: datetime, *, most: int = 100) -> int:
    """How many messages wait to be sent now, counted up to `most`; 0 while sending is off."""
    if not settings.NOTIFICATION_RETRY_WORKER_ENABLED:
        return 0
    return DUE.count(now, most=most)


def send_again(notification: Notification, by: User, *, now: datetime) -> Notification:
    """A new message with the same facts to the same address, due now, because somebody asked."""
    with transaction.atomic():
        # The lock numbers the copies of two who press at once.
        original = Notification.objects.select_for_update(no_key=True, of=("self",)).get(
            pk=notification.pk
        )
        root = original.key.partition("/again:")[0]
        number = Notification.objects.filter(key__startswith=f"{root}/again:").count() + 1
        again = Notification.objects.create(
            purpose=original.purpose,
            thread=original.thread,
            ref=original.ref,
            key=f"{root}/again:{number}",
            context={**original.context, "again_by": str(by)},
            user_id=original.user_id,
            team_channel_id=original.team_channel_id,
            contact_method_id=original.contact_method_id,
            channel=original.channel,
            address=original.address,
            provider=carrier(original.channel, original.address),
            team_id=original.team_id,
            rank=original.rank,
            due_at=now,
            created_at=now,
        )
        DeliveryEvent.objects.create(
            notification=original,
            kind=DeliveryEvent.Kind.AGAIN,
            attempt=original.attempts,
            text=f"sent again by {by}"[:500],
            at=now,
        )
        kick(SEND_DUE)
    return again
