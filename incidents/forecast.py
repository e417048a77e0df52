"""What would happen if nobody answered: whom PagerPal will call, when, and by which messages.

By the planner that the engine follows, with each person's own rules and quiet hours.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from django.db.models import Min

from incidents import directory, engine, planner
from incidents.directory import Directory
from incidents.models import EscalationPolicy, Incident
from notifications import due_times
from notifications.channels.base import kind_of
from notifications.models import UNFINISHED, Notification
from schedules.models import Team, User


@dataclass(frozen=True)
class Way:
    """Messages of one kind to somebody: when the first is due, and how often it comes again."""

    channel: str
    at: datetime
    repeats: int = 0


@dataclass(frozen=True)
class Called:
    """A person or a room, and by which messages they are called."""

    who: str
    ways: list[Way]


@dataclass(frozen=True)
class Predicted:
    """Whom PagerPal will call next, and when, if nobody answers.

    `again`: the last of all, which comes again each time this has passed. `reasons` say why others
    are not called.
    """

    at: datetime
    who: list[str]
    label: str
    calls: list[Called] = field(default_factory=list)
    reasons: tuple[str, ...] = ()
    again: timedelta | None = None

    @property
    def again_in_words(self) -> str:
        return length(self.again or timedelta(0))


@dataclass(frozen=True)
class Outlook:
    """Whom an incident would page, why not others, in words, and whether it has people at all.

    Without, nobody of its policy or team can be reached: the admins at best.
    """

    predicted: list[Predicted]
    reasons: tuple[str, ...]
    has_people: bool


def length(passed: timedelta) -> str:
    """`5 min`, `1 h 30 min`, `2 d 3 h`: the two largest parts."""
    total = round(passed.total_seconds())
    parts = [(total // 86400, "d"), (total // 3600 % 24, "h"), (total // 60 % 60, "min")]
    parts.append((total % 60, "s"))
    return " ".join([f"{number} {unit}" for number, unit in parts if number][:2]) or "0 s"


def forecast(incident: Incident, now: datetime, *, limit: int = 3) -> list[Predicted]:
    """Whom the engine will call, when, if nobody answers; empty unless the clock runs."""
    runs = incident.state == Incident.State.TRIGGERED and incident.held_at is None
    if incident.escalate_at is None or not runs:
        return []
    at = max(incident.escalate_at, now)
    book = engine.directory_of(incident, now)
    return _Seer(book, incident.urgency).predict(
        engine.state_of(incident), at, limit, _first_unsent(incident)
    )


def forecast_policy(
    policy: EscalationPolicy, now: datetime, *, urgency: str = "high", limit: int = 6
) -> list[Predicted]:
    """Whom an incident of this urgency would page if it opened at `now`."""
    return forecast_opening(policy, policy.team, urgency, now, limit=limit).predicted


def forecast_opening(
    policy: EscalationPolicy | None, team: Team, urgency: str, now: datetime, *, limit: int = 3
) -> Outlook:
    """Whom an incident of this team would page if it opened at `now`."""
    book = directory.read(policy, team, urgency=urgency, now=now)
    seer = _Seer(book, urgency)
    planned = seer.plan(planner.State(urgency=urgency), now, limit)
    called = next((one.step for one in planned if one.people), planner.Phase.ADMINS)
    has_people = called != planner.Phase.ADMINS
    return Outlook(seer.in_words(planned, limit), planned[0].reasons, has_people)


def _first_unsent(incident: Incident) -> datetime | None:
    """When the first message of this round goes out that has not yet."""
    refs = engine.refs_of_round(incident)
    waiting = Notification.objects.filter(ref__in=refs, state__in=UNFINISHED)
    found: datetime | None = waiting.aggregate(first=Min("due_at"))["first"]
    return found


class _Seer:
    """Asks the planner with everybody's rules at hand."""

    def __init__(self, book: Directory, urgency: str) -> None:
        self.book, self.urgency = book, urgency
        self.is_urgent = urgency == Incident.Urgency.HIGH
        self.calls = book.calls_of(book.reachable)

    def predict(
        self, state: planner.State, at: datetime, limit: int, unsent: datetime | None
    ) -> list[Predicted]:
        return self.in_words(self.plan(state, at, limit, unsent), limit)

    def plan(
        self, state: planner.State, at: datetime, limit: int, unsent: datetime | None = None
    ) -> list[planner.Planned]:
        return planner.plan(
            self.book.policy,
            state,
            at,
            on_call=self.book.on_call,
            reachable=self.book.reachable,
            limit=limit + 1,
            first_due=self.first_due,
            unsent=unsent,
        )

    def first_due(self, person: int, at: datetime) -> datetime:
        user = self.book.users[person]
        known = [call for call in self.calls[person] if kind_of(call.method.channel)]
        return due_times.first(user, known, now=at, is_urgent=self.is_urgent) or at

    def ways(self, user: User, at: datetime) -> list[Way]:
        found = []
        for call in self.calls[user.pk]:
            kind = kind_of(call.method.channel)
            if kind is None:
                continue
            try:
                times = due_times.of_rule(user, call, now=at, is_urgent=self.is_urgent)
            except OverflowError:
                continue  # its row is written as failed, with this as the reason
            found.append(Way(kind.label, times[0], len(times) - 1))
        return sorted(found, key=lambda way: way.at)

    def in_words(self, planned: list[planner.Planned], limit: int) -> list[Predicted]:
        found = []
        for one in planned:
            if not one.people and not one.channels:
                continue
            found.append(self._predicted(one))
            if found[-1].again or len(found) == limit:
                break
        return found

    def _predicted(self, one: planner.Planned) -> Predicted:
        policy, book = self.book.policy, self.book
        calls = [
            Called(policy.names[person], self.ways(book.users[person], one.at))
            for person in one.people
        ]
        calls += [
            Called(policy.channel_names[room], self._room_ways(room, one.at))
            for room in one.channels
        ]
        again = planner.pause(policy, self.urgency) if one.step == planner.TEAM else None
        who = engine.names(book, one)
        return Predicted(one.at, who, one.label, calls, one.reasons, again)

    def _room_ways(self, room: int, at: datetime) -> list[Way]:
        kind = kind_of(self.book.channels[room].channel)
        return [Way(kind.label, at)] if kind else []
