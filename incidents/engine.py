"""The escalation clock: takes a due incident, plans, writes its pages, sets the clock again."""

from __future__ import annotations

import itertools
import logging
import random
from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import OperationalError, transaction
from django.db.models.functions import Coalesce

from incidents import announcements, by_hand, directory, lifecycle, planner, rooms, timeline
from incidents.directory import Directory
from incidents.facts import facts_for
from incidents.models import (
    ASKED,
    BY_HAND,
    SEVERITY_RANK,
    Incident,
    Page,
    TimelineEntry,
)
from notifications import due_times, outbox
from notifications.models import Notification
from schedules import quiet
from schedules.about import about
from schedules.counting import Due
from schedules.inserts import insert
from schedules.models import Membership, User
from schedules.transactions import repeat_on_conflict
from schedules.turns import turn

log = logging.getLogger(__name__)
Kind = TimelineEntry.Kind
RUN_DUE_STEPS = lifecycle.RUN_DUE_STEPS

# An unsent page this late is dropped when a newer step is called: PagerPal was down.
STALE_AFTER = timedelta(minutes=10)
# After planning itself failed.
PLAN_AGAIN_AFTER = timedelta(seconds=30)
# While it goes on failing, people are paged without a plan this often. Not the policy's own time:
# the policy may be what cannot be read.
PLAIN_AGAIN_AFTER = timedelta(minutes=15)
# Of one team at a time, before they are told.
MOST_ALIKE = 9
PLAIN = "plain"
NOTHING = outbox.Written(0, None, None)
DUE = Due(Incident, "escalate_at", "state = 'triggered' AND held_at IS NULL")
HIGH = Incident.Urgency.HIGH

# When each team was served last, in this process.
_turns: dict[int, int] = {}
_turn = itertools.count(1)


@dataclass(frozen=True)
class Stepped:
    """What one tick wrote: how many notifications are due now, and which to send first."""

    incident_id: int
    rows: int = 0
    first_pk: int | None = None


# Directories that one task keeps for its two seconds: in a storm they are the same each time.
# Who is on call is looked up in them at the time of each step all the same.
Books = dict[tuple[int | None, int, str], Directory]


@dataclass(frozen=True)
class Tick:
    """What is to be written now, read and planned before the transaction."""

    planned: planner.Planned
    following: planner.Planned | None
    book: Directory
    calls: dict[int, list[outbox.Call]]


def count_due(now: datetime, *, most: int = 100) -> int:
    """How many incidents wait for their next step or their owner's word, counted up to `most`."""
    if not settings.ESCALATION_WORKER_ENABLED:
        return 0
    return min(most, DUE.count(now, most=most) + lifecycle.count_to_ask(now, most=most))


def run_best_due(now: datetime, books: Books | None = None) -> Stepped | None:
    """Handle the incident that is due first: worst severity, fair between teams, newest.

    Where nobody is to be paged, an owner who is to be asked is asked. None when nothing is due, or
    others are at all of it. If planning fails, people are paged without a plan and the incident is
    due again in 30 s.
    """
    if not settings.ESCALATION_WORKER_ENABLED:
        return None
    with turn():
        return _run_best(now, books)


def _run_best(now: datetime, books: Books | None) -> Stepped | None:
    for team_id, severity in _teams_with_due(now):
        for incident in _candidates(team_id, severity, now):
            if stepped := _run(incident, now, books):
                _turns[team_id] = next(_turn)
                return stepped
    if asked := lifecycle.ask_next(now):
        return Stepped(asked.incident_id, asked.written.rows, asked.written.first_pk)
    return None


def run_alike(
    first: Stepped, now: datetime, books: Books | None = None
) -> Iterator[tuple[int, Stepped]]:
    """Handle some more that are due and like the one just handled: of its team, as severe.

    In a storm most of them page the same people, whom one message then tells of all. Yields the
    team and what was written after each, so that the caller can leave off when others call: between
    two of them it is every other worker's turn.
    """
    like = Incident.objects.filter(pk=first.incident_id).values_list("team_id", "severity").first()
    if like is None:
        return
    team_id, severity = like
    found = _candidates(team_id, severity, now, most=MOST_ALIKE * settings.WORKERS)[:MOST_ALIKE]
    for one in sorted(found, key=lambda one: (one.opened_at, one.pk), reverse=True):
        with turn():
            stepped = _run(one, now, books)
        if stepped:
            yield team_id, stepped


def others_call(team_id: int, *, since: datetime, now: datetime) -> bool:
    """Whether an incident of another team has become due in between."""
    became_due = Incident.objects.due(now).filter(escalate_at__gte=since)
    return became_due.exclude(team=team_id).exists()


def _candidates(
    team_id: int, severity: str, now: datetime, *, most: int | None = None
) -> list[Incident]:
    """The newest few; each worker begins at another of them, so that they seldom meet."""
    due = Incident.objects.due(now).filter(team_id=team_id, severity=severity)
    newest = due.select_related("team", "policy").order_by("-opened_at", "-pk")
    found = list(newest[: most or settings.WORKERS])
    random.shuffle(found)
    return found


def _run(incident: Incident, now: datetime, books: Books | None) -> Stepped | None:
    """Plan, then write if the incident still stands where it stood; None when it does not.

    Planning reads a lot, so it happens before the transaction: on SQLite that keeps every other
    writer waiting. The revision tells whether anything happened in between.
    """
    with about(incident.thread):
        return _run_named(incident, now, books)


def _run_named(incident: Incident, now: datetime, books: Books | None) -> Stepped | None:
    try:
        book = _book(incident, now, books)
        tick = _tick(incident, book, now)
        return repeat_on_conflict(lambda: _write(incident, tick, now))
    except directory.Outdated:
        # A cover was made a moment ago. The incident stays due; the next look reads everybody anew.
        (books if books is not None else {}).clear()
        return None
    except OperationalError:
        raise  # the database's trouble, not the plan's: the sweep comes back to it
    except Exception:
        log.exception("planning incident %s failed", incident.pk)
        return _page_plainly(incident.pk, now)


def _tick(incident: Incident, book: Directory, now: datetime) -> Tick:
    """What to do now, and what would follow, by when the messages of those called are due."""

    def first_due(person: int, at: datetime) -> datetime:
        calls = book.calls_of([person])[person]
        is_urgent = incident.urgency == HIGH
        return due_times.first(book.users[person], calls, now=at, is_urgent=is_urgent) or at

    def plan(limit: int) -> list[planner.Planned]:
        return planner.plan(
            book.policy,
            state,
            now,
            on_call=book.on_call,
            reachable=book.reachable,
            limit=limit,
            first_due=first_due,
        )

    state = state_of(incident)
    planned, *following = plan(2)
    return Tick(planned, following[0] if following else None, book, book.calls_of(planned.people))


def _write(planned_for: Incident, tick: Tick, now: datetime) -> Stepped | None:
    with transaction.atomic():
        still_so = (
            Incident.objects.due(now)
            .select_for_update(skip_locked=True, no_key=True)
            .filter(pk=planned_for.pk, revision=planned_for.revision)
            .filter(escalate_at=planned_for.escalate_at)
        )
        if not still_so.values_list("pk", flat=True).first():
            return None
        # A copy: a deadlock repeats this from the start.
        return _step(copy(planned_for), tick, now)


def names(book: Directory, planned: planner.Planned) -> list[str]:
    """Whom it calls, in words, the rooms last."""
    people = [book.policy.names[person] for person in planned.people]
    return people + [book.policy.channel_names[channel] for channel in planned.channels]


def _teams_with_due(now: datetime) -> list[tuple[int, str]]:
    """(team, worst severity due there), worst first; among equals whoever was served longest ago,
    by lot where none was, so that no team waits behind another's storm."""
    best: dict[int, str] = {}
    for team_id, severity in (
        Incident.objects.due(now).order_by().values_list("team_id", "severity").distinct()
    ):
        known = best.get(team_id, severity)
        best[team_id] = min(severity, known, key=SEVERITY_RANK.__getitem__)
    lots = [
        (SEVERITY_RANK[word], _turns.get(team, 0), random.random(), team, word)  # noqa: S311
        for team, word in best.items()
    ]
    return [(team, word) for *_, team, word in sorted(lots)]


def _step(incident: Incident, tick: Tick, now: datetime) -> Stepped:
    """Write one tick of a locked, due incident, in the caller's transaction."""
    planned = tick.planned
    for reason in planned.reasons:
        timeline.write(incident, Kind.NOT_PAGED, reason, at=now, via="engine")
    if planned.nobody_reached:
        _mark_nobody_reached(incident, now)
    written = outbox.Written(0, None, None)
    told = NOTHING
    if planned.people or planned.channels:
        written, told = _write_pages(incident, tick, now)
    _set_clock(incident, planned, written, now)
    both = written.plus(told)
    return Stepped(incident.pk, both.rows, both.first_pk)


def _write_pages(
    incident: Incident, tick: Tick, now: datetime
) -> tuple[outbox.Written, outbox.Written]:
    """What was written to people, and what to rooms, which do not count for the clock."""
    planned, who = tick.planned, ", ".join(names(tick.book, tick.planned))
    is_first = incident.round_started_at is None  # nothing of this episode is older
    if not is_first:
        _drop_late(incident, now)
    text = f"{planned.label.capitalize()}: paging {who}."
    timeline.write(incident, Kind.PAGED, text, at=now, via="engine")
    if not is_first:
        announcements.escalated(incident, who, planned.label, planned.channels, now=now)
    total = outbox.Written(0, None, None)
    extra: dict[str, object] = {
        "step": tick.planned.label,
        "next": _coming(tick.following, tick.book),
    }
    called, taken_over = by_hand.take_over(incident, planned, now=now)
    for person in tick.planned.people:
        if person in called:
            continue
        page = _page(incident, tick.planned, tick.book.users[person], now)
        total = total.plus(page_one(incident, page, extra, now, tick.calls[person]))
    channels = [tick.book.channels[pk] for pk in planned.channels]
    told = rooms.call(incident, planned, channels, extra, now=now) if channels else NOTHING
    return total.plus(taken_over), told


def _drop_late(incident: Incident, now: datetime) -> None:
    """A newer step speaks for what should have gone out long ago."""
    if dropped := outbox.supersede(incident.thread, due_before=now - STALE_AFTER, now=now):
        what = "1 message" if dropped == 1 else f"{dropped} messages"
        text = f"Not sent, as PagerPal was down and a newer step is called: {what}."
        timeline.write(incident, Kind.NOT_PAGED, text, at=now, via="engine")


def page_one(
    incident: Incident,
    page: Page,
    extra: dict[str, object],
    now: datetime,
    calls: list[outbox.Call] | None = None,
) -> outbox.Written:
    """Page one person in a savepoint: what is wrong with one harms nobody else."""
    try:
        with transaction.atomic():
            insert(page)
            written = _notify(incident, page, extra, now, calls)
            _tell_of_quiet_hours(incident, page, now)
            return written
    except OperationalError:
        raise  # the whole transaction is lost; it is tried again as a whole
    except Exception:
        if _was_called_before(page):
            kind, text = Kind.NOT_PAGED, f"{page} was already paged in this round."
        else:
            log.exception("paging user %s for incident %s failed", page.user_id, incident.pk)
            kind, text = Kind.TROUBLE, f"Paging {page.user} failed: see the server's log."
        timeline.write(incident, kind, text[:1].upper() + text[1:], at=now, via="engine")
        return outbox.Written(0, None, None)


def _tell_of_quiet_hours(incident: Incident, page: Page, now: datetime) -> None:
    user = page.user
    if user and incident.urgency == Incident.Urgency.LOW and quiet.around(user, now):
        text = f"{user} has quiet hours, and is called when they end."
        timeline.write(incident, Kind.NOT_PAGED, text, at=now, via="engine")


def _was_called_before(page: Page) -> bool:
    """Whether its step called this person in this round before: the rungs were reordered."""
    same = Page.objects.filter(incident=page.incident_id, user=page.user_id, step=page.step)
    return same.filter(episode=page.episode, round=page.round).exists()


def _coming(following: planner.Planned | None, book: Directory) -> dict[str, str] | None:
    if following is None:
        return None
    return {"at": following.at.isoformat(), "who": ", ".join(names(book, following))}


def _page(incident: Incident, planned: planner.Planned, user: User, now: datetime) -> Page:
    return Page(
        incident=incident,
        episode=incident.episode,
        round=planned.round,
        step=planned.step,
        user=user,
        label=planned.label,
        created_at=now,
    )


def _notify(
    incident: Incident,
    page: Page,
    extra: dict[str, object],
    now: datetime,
    calls: list[outbox.Call] | None,
) -> outbox.Written:
    assert page.user is not None  # noqa: S101  those to rooms are written elsewhere
    return outbox.page_person(
        page.user,
        purpose=Notification.Purpose.PAGE,
        thread=incident.thread,
        ref=page.ref,
        team_id=incident.team_id,
        urgency=incident.urgency,
        rank=incident.rank,
        context=facts_for(incident, page.user) | extra,
        now=now,
        calls=calls,
    )


def _set_clock(
    incident: Incident, planned: planner.Planned, written: outbox.Written, now: datetime
) -> None:
    after = planned.after
    next_at = planner.clock_of(planned, written.earliest_due)
    if planned.people and not written.rows:
        next_at = now  # nothing at all could be written for this step: it costs no time
    incident.round, incident.round_started_at = after.round, after.round_started_at
    incident.next_move, incident.next_step_id = after.phase, after.step_id
    incident.next_position, incident.escalate_at = after.position, next_at
    incident.planning_failed_at = None
    incident.save(
        update_fields=[
            *("round", "round_started_at", "next_move", "next_step_id", "next_position"),
            *("escalate_at", "planning_failed_at", "nobody_reached_at", "revision"),
        ]
    )


def _mark_nobody_reached(incident: Incident, now: datetime) -> None:
    incident.nobody_reached_at = incident.nobody_reached_at or now
    text = "A whole pass through the policy reached nobody."
    timeline.write(incident, Kind.TROUBLE, text, at=now, via="engine")


def last_step_outcome(incident: Incident) -> outbox.Outcome | None:
    """What became of the messages of the step that was called last in this episode, if any."""
    pages = incident.pages.filter(episode=incident.episode).exclude(step=ASKED)
    last = pages.order_by("-pk").first()
    if last is None:
        return None
    step = list(pages.filter(round=last.round, step=last.step))
    # A room stands in for nobody: it counts only where it was called alone.
    people = [page for page in step if page.user_id is not None]
    return outbox.outcome([page.ref for page in people or step])


def _book(incident: Incident, now: datetime, books: Books | None) -> Directory:
    """The directory, from `books` if it was read there a moment ago."""
    if books is None:
        return directory_of(incident, now)
    which = incident.policy_id, incident.team_id, incident.urgency
    if which not in books:
        books[which] = directory_of(incident, now)
    return books[which]


def directory_of(incident: Incident, now: datetime) -> Directory:
    return directory.read(incident.policy, incident.team, urgency=incident.urgency, now=now)


def state_of(incident: Incident) -> planner.State:
    """Where its clock stands, as the planner wants it."""
    return planner.State(
        urgency=incident.urgency,
        round=incident.round,
        round_started_at=incident.round_started_at,
        phase=incident.next_move or planner.Phase.STEP,
        step_id=incident.next_step_id,
        position=incident.next_position,
        reached=_was_reached(incident),
    )


def _was_reached(incident: Incident) -> bool:
    """Whether any message of this round to a person was taken by a provider, or held.

    Or waits for the end of quiet hours: somebody put off is not somebody who cannot be reached.
    """
    if incident.round_started_at is None and incident.next_move == planner.Phase.STEP:
        return False
    refs = refs_of_round(incident)
    if outbox.is_any_taken(refs):
        return True
    return incident.urgency == Incident.Urgency.LOW and outbox.is_put_off(refs)


def refs_of_round(incident: Incident) -> list[str]:
    """What the notifications floor calls this round's pages to people, those by hand aside."""
    pages = Page.objects.filter(
        incident=incident, episode=incident.episode, round=incident.round, user__isnull=False
    )
    return [page.ref for page in pages.only("pk", "step") if page.step not in BY_HAND]


def _page_plainly(incident_id: int, now: datetime) -> Stepped | None:
    """Planning failed: page people without a plan, and try again soon, whatever else fails."""

    def attempt() -> Stepped | None:
        with transaction.atomic():
            incident = (
                Incident.objects.select_for_update(no_key=True, of=("self",))
                .due(now)
                .filter(pk=incident_id)
                .first()
            )
            if incident is None:
                return None
            return _plain_step(incident, now)

    try:
        return repeat_on_conflict(attempt)
    except Exception:
        log.exception("paging for incident %s without a plan failed too", incident_id)
    # Out of the way of what else is due. If even this fails, it is due still.
    Incident.objects.due(now).filter(pk=incident_id).update(
        escalate_at=now + PLAN_AGAIN_AFTER,
        planning_failed_at=Coalesce("planning_failed_at", now),
    )
    return None


def _plain_step(incident: Incident, now: datetime) -> Stepped:
    first_time = incident.planning_failed_at is None
    incident.planning_failed_at = incident.planning_failed_at or now
    incident.escalate_at = now + PLAN_AGAIN_AFTER
    if first_time:
        text = "Planning the next step failed, so people are paged without a plan."
        text = f"{text} See the server's log."
        timeline.write(incident, Kind.TROUBLE, text, at=now, via="engine")
    written = outbox.Written(0, None, None)
    if first_time or _plain_page_is_due(incident, now):
        written = _write_plain_pages(incident, now)
    if first_time and not written.rows:
        incident.nobody_reached_at = incident.nobody_reached_at or now
        text = "No lead, admin or member of the team could be paged."
        timeline.write(incident, Kind.NOT_PAGED, text, at=now, via="engine")
    incident.save(
        update_fields=["planning_failed_at", "escalate_at", "nobody_reached_at", "revision"]
    )
    return Stepped(incident.pk, written.rows, written.first_pk)


def _plain_page_is_due(incident: Incident, now: datetime) -> bool:
    pages = incident.pages.filter(episode=incident.episode, step__startswith=PLAIN)
    last = pages.order_by("-created_at").first()
    return last is None or now - last.created_at >= PLAIN_AGAIN_AFTER


def _write_plain_pages(incident: Incident, now: datetime) -> outbox.Written:
    total = outbox.Written(0, None, None)
    people = _plain_people(incident)
    if people:
        text = f"Paging {', '.join(str(user) for user in people)} without a plan."
        timeline.write(incident, Kind.PAGED, text, at=now, via="engine")
    for user in people:
        total = total.plus(page_one(incident, _plain_page(incident, user, now), {}, now))
    return total


def _plain_page(incident: Incident, user: User, now: datetime) -> Page:
    return Page(
        incident=incident,
        episode=incident.episode,
        round=incident.round,
        step=f"{PLAIN} {now:%y%m%d%H%M%S}",  # a step of its own each time
        user=user,
        label="without a plan",
        created_at=now,
    )


def _plain_people(incident: Incident) -> list[User]:
    """The team's leads, else the admins, else the whole team: the first who can be reached."""
    people = User.objects.filter(is_active=True)
    ours = people.filter(memberships__team=incident.team_id)
    callable_roles = (Membership.Role.LEAD, Membership.Role.RESPONDER)
    for group in (
        ours.filter(memberships__role=Membership.Role.LEAD),
        people.filter(is_superuser=True),
        ours.filter(memberships__role__in=callable_roles),
    ):
        found = list(group)
        reachable = outbox.reachable([user.pk for user in found], incident.urgency)
        if reachable:
            return [user for user in found if user.pk in reachable]
    return []
