"""Quiet news of a thread, to a team's channels and to people: one message for each event, but not
a hundred a minute. What is too much is counted into one."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from notifications import outbox
from notifications.channels.base import carrier
from notifications.channels.texts import clean, clean_json
from notifications.digests import PREFIX as MEMBERS
from notifications.digests import ref_of_members
from notifications.models import ContactMethod, Notification, TeamChannel, Urgency
from notifications.outbox import Note
from schedules.inserts import insert
from schedules.models import User

State = Notification.State
Purpose = Notification.Purpose

# In one minute by the clock, for one channel, and for one person; the rest is one message more,
# when the minute is over. Chats take about one a second, people less.
MOST_FOR_A_CHANNEL = 10
MOST_FOR_A_PERSON = 5
MINUTE = timedelta(minutes=1)
# What is written just before the minute ends may be stored a little later.
MARGIN = timedelta(seconds=3)
# Later it is no news any more.
USEFUL_FOR = timedelta(minutes=30)
PREFIX = "update:"
# Which column says that a channel wants to hear of it.
WANTED = {
    "opened": "wants_opened",
    "reopened": "wants_opened",
    "acknowledged": "wants_acknowledged",
    "escalated": "wants_escalated",
    "released": "wants_escalated",
    "resolved": "wants_resolved",
}
FOLDED = "told in one message with others"


@dataclass(frozen=True)
class Update:
    """One event of one thread; `name` is unlike that of any other, `412/7`."""

    event: str
    thread: str
    name: str
    team_id: int
    context: Mapping[str, Any]


@dataclass(frozen=True)
class _Target:
    """A channel or a person, and how much more they are told this minute."""

    label: str
    channel: TeamChannel | None = None
    user: User | None = None
    methods: tuple[ContactMethod, ...] = ()

    @property
    def columns(self) -> dict[str, Any]:
        if self.channel is not None:
            address = {"channel": self.channel.channel, "address": clean(self.channel.address)}
            return {"team_channel": self.channel, **address}
        method = self.methods[0]
        address = {"channel": method.channel, "address": clean(method.address)}
        return {"user": self.user, "contact_method": method, **address}


def channels_for(event: str, team_ids: Collection[int]) -> dict[int, list[TeamChannel]]:
    """By team, the channels that want to hear of such an event.

    Written out, as every alert asks.
    """
    holders = ", ".join(["%s"] * len(team_ids))
    sql = "SELECT * FROM notifications_teamchannel WHERE is_on "
    sql += f"AND {WANTED[event]} AND team_id IN ({holders}) ORDER BY id"
    found: dict[int, list[TeamChannel]] = defaultdict(list)
    for channel in TeamChannel.objects.raw(sql, list(team_ids)):
        found[channel.team_id].append(channel)
    return found


def tell_channels(
    channels: Iterable[TeamChannel], updates: Sequence[Update], *, now: datetime
) -> None:
    """Write these events of one team for these channels, in the caller's transaction.

    What a channel was to be told of the same thread and has not been yet is ended: it is not true
    any more, and newer messages go out first.
    """
    for channel in channels:
        _end_older(channel, updates, now)
        target = _Target(f"channel:{channel.pk}", channel=channel)
        _tell(target, updates, MOST_FOR_A_CHANNEL, now)


def page_channel(
    channel: TeamChannel,
    *,
    thread: str,
    ref: str,
    team_id: int | None,
    rank: int,
    context: Mapping[str, Any],
    now: datetime,
) -> outbox.Written:
    """Write a page to this channel, instead of what it was still to be told of the thread."""
    pks = _untold(channel, [thread])
    outbox.cancel_rows(pks, now=now, reason="the page says it")
    row = Notification(
        purpose=Purpose.PAGE,
        thread=thread,
        key=f"{ref}/channel:{channel.pk}",
        ref=ref,
        context=clean_json(dict(context)),
        team_channel=channel,
        channel=channel.channel,
        address=clean(channel.address),
        provider=carrier(channel.channel, channel.address),
        team_id=team_id,
        rank=rank,
        due_at=now,
        created_at=now,
    )
    insert(row)
    return outbox.Written(1, row.pk, None)


def tell_people(users: Sequence[User], update: Update, *, now: datetime) -> None:
    """Write this event for these people, by the addresses that may carry what wakes nobody."""
    calls = outbox.calls_of(users, Urgency.LOW) if users else {}
    for user in users:
        methods = tuple(call.method for call in calls[user.pk] if call.method.hears_updates)
        if methods and user.is_active:
            target = _Target(f"user:{user.pk}", user=user, methods=methods)
            _tell(target, [update], MOST_FOR_A_PERSON, now)


def _tell(target: _Target, updates: Sequence[Update], most: int, now: datetime) -> None:
    room = max(0, most - _told_since(target, _minute(now)))
    for update in updates[:room]:
        _say(target, _note(target, update, now), now)
    if folded := updates[room:]:
        _fold(target, folded, now)


def _minute(now: datetime) -> datetime:
    return now.replace(second=0, microsecond=0)


def _told_since(target: _Target, since: datetime) -> int:
    whom = {"team_channel": target.channel} if target.channel else {"user": target.user}
    rows = Notification.objects.filter(purpose=Purpose.UPDATE, created_at__gte=since, **whom)
    return rows.filter(ref__startswith=PREFIX).values("ref").distinct().count()


def _note(target: _Target, update: Update, now: datetime) -> Note:
    return Note(
        purpose=Purpose.UPDATE,
        thread=update.thread,
        ref=f"{PREFIX}{update.name}/{target.label}",
        team_id=update.team_id,
        context=dict(update.context),
        due_at=now,
        void_at=now + USEFUL_FOR,
    )


def _say(target: _Target, note: Note, now: datetime) -> None:
    if target.channel is not None:
        outbox.tell_channel(target.channel, note, now=now)
    elif target.user is not None:
        calls = [outbox.Call(method, timedelta(0)) for method in target.methods]
        outbox.tell(target.user, note, now=now, calls=calls)


def _fold(target: _Target, updates: Sequence[Update], now: datetime) -> None:
    """Keep them to be counted, each on its own thread's history, and write what will say so."""
    ref = f"digest:{_minute(now):%Y%m%dT%H%M}/{target.label}"
    insert(*(_member(target, update, ref, now) for update in updates))
    due_at = _minute(now) + MINUTE + MARGIN
    first = updates[0]
    note = Note(
        purpose=Purpose.UPDATE,
        thread=f"team:{first.team_id}",
        ref=ref,
        team_id=first.team_id,
        context={
            "digest": ref,
            "team": first.context.get("team", "") if target.channel else "",
            "open_path": first.context.get("list_path", ""),
        },
        due_at=due_at,
        void_at=due_at + USEFUL_FOR,
    )
    _say(target, note, now)


def _member(target: _Target, update: Update, ref: str, now: datetime) -> Notification:
    return Notification(
        purpose=Purpose.UPDATE,
        thread=update.thread,
        key=f"{MEMBERS}{update.name}/{target.label}",
        ref=ref_of_members(ref),
        context=clean_json(dict(update.context)),
        team_id=update.team_id,
        state=State.CANCELLED,
        outcome=FOLDED,
        due_at=now,
        created_at=now,
        cancelled_at=now,
        settled_at=now,
        **target.columns,
    )


def _end_older(channel: TeamChannel, updates: Sequence[Update], now: datetime) -> None:
    threads = [update.thread for update in updates if update.event != "opened"]
    if threads:
        pks = _untold(channel, threads)
        outbox.cancel_rows(pks, now=now, reason="newer news speaks for it")


def _untold(channel: TeamChannel, threads: Sequence[str]) -> list[int]:
    older = Notification.objects.filter(
        thread__in=threads, purpose=Purpose.UPDATE, team_channel=channel, state=State.PENDING
    )
    return list(older.order_by("pk").values_list("pk", flat=True))
