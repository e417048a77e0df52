"""What the worker calls for incidents. A task names no incident: it takes what is due."""

from __future__ import annotations

import time
from datetime import timedelta

from django.utils import timezone

from incidents import engine, gaps, handovers
from incidents.rounds import Job
from notifications import claims, dispatch, outbox, receipts, reminders
from notifications.kicks import SEND_DUE, kick
from schedules import records

# No new incident is begun later than this after the task's start, and whatever it sends must be
# done before the queue would kill the task (seconds).
TAKE_FOR = 2.0
SEND_UNTIL = 11.0
LONGEST_SEND = 8.0

# A little less than the time between two kicks, so that no kick comes just too early.
SOON = timedelta(seconds=25)
JOBS = (
    Job("records", SOON, lambda now: records.record_past(now=now)),
    # Written an hour before they are due, so that a minute is soon enough.
    Job("reminders", timedelta(seconds=55), reminders.plan),
    Job("handovers", SOON, handovers.tell),
    Job("receipts", SOON, receipts.ask_soon),
    Job("leases", SOON, claims.shorten_leases),
    Job("gaps", timedelta(minutes=10), gaps.tell_leads),
)


def run_due_steps() -> None:
    """Plan due incidents, the worst first, and send one message of each at once.

    Those of one team are planned together, as in a storm one message may tell of them all.
    """
    started = time.monotonic()
    books: engine.Books = {}
    while time.monotonic() - started < TAKE_FOR:
        stepped = _plan(books)
        if not stepped:
            return
        _send([one.first_pk for one in stepped if one.first_pk is not None], started)
    if due := engine.count_due(timezone.now()):
        kick(engine.RUN_DUE_STEPS, due=due)


def _plan(books: engine.Books) -> list[engine.Stepped]:
    """The best due incident and some like it; fewer when another team's becomes due meanwhile, as
    nobody may be left that looks."""
    now = timezone.now()
    first = engine.run_best_due(now, books)
    stepped = [first] if first else []
    for team_id, one in engine.run_alike(first, now, books) if first else ():
        stepped.append(one)
        if engine.others_call(team_id, since=now, now=timezone.now()):
            break
    return stepped


def _send(pks: list[int], started: float) -> None:
    """Send these, and leave to the other workers what else they can begin with."""
    if not pks:
        return
    if outbox.has_due(timezone.now(), most=len(pks) + 1) > len(pks):
        kick(SEND_DUE)
    for place, pk in enumerate(pks):
        left = SEND_UNTIL - (time.monotonic() - started)
        if place and time.monotonic() - started >= TAKE_FOR:
            kick(SEND_DUE, due=len(pks) - place)
            return
        dispatch.send_one(pk, now=timezone.now(), seconds=min(LONGEST_SEND, left))
