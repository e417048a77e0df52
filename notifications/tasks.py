"""What the worker calls for notifications. A task names no row: it takes what is due."""

from __future__ import annotations

import time

from django.utils import timezone

from notifications import dispatch, fetching, outbox, receipts
from notifications.kicks import SEND_DUE, kick

# No new row is begun later than this after the task's start, and every send must be done before
# the queue would kill the task (seconds).
TAKE_FOR = 2.0
SEND_UNTIL = 11.0
LONGEST_SEND = 8.0
LOOK_FOR = 7.0
FETCH_FOR = 7.0


def send_due() -> None:
    """Send what is due, the best first; ask for another task when time is up before the work."""
    started = time.monotonic()
    while (elapsed := time.monotonic() - started) < TAKE_FOR:
        seconds = min(LONGEST_SEND, SEND_UNTIL - elapsed)
        if not dispatch.send_best_due(timezone.now(), seconds=seconds):
            return
    if due := outbox.has_due(timezone.now()):
        kick(SEND_DUE, due=due)


def look_for_receipts() -> None:
    """Ask providers what became of what they took."""
    if receipts.look(timezone.now(), seconds=LOOK_FOR) == receipts.MOST_LOOKED_AT:
        kick(receipts.LOOK)


def fetch_answers() -> None:
    """Ask where answers wait for us."""
    fetching.fetch(timezone.now(), seconds=FETCH_FOR)
