"""What the worker calls for alert sources. A task names no alert: it takes what is due."""

from __future__ import annotations

import time

from django.utils import timezone

from alertsources import looking
from alertsources.silences import LOOK_AGAIN
from notifications.kicks import kick

# No new batch is begun later than this after the task's start (seconds).
TAKE_FOR = 2.0


def look_again() -> None:
    """Judge alerts whose time has come; what they open pages by its own kicks."""
    started = time.monotonic()
    while time.monotonic() - started < TAKE_FOR:
        if not looking.look_again(timezone.now()):
            return
    if looking.count_due(timezone.now(), most=1):
        kick(LOOK_AGAIN)
