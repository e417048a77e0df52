"""How many workers run, on this machine and others; what each process knows, asked now and then."""

from __future__ import annotations

import time
from datetime import timedelta

from django.utils import timezone

from pagerpal.models import WorkerHeartbeat

ASK_EVERY = 5.0
# Three beats.
ALIVE_FOR = timedelta(seconds=15)


class _Known:
    number = 1
    until = 0.0


def count() -> int:
    """Those that have written their row lately, at least one: ourselves."""
    if time.monotonic() >= _Known.until:
        beats = WorkerHeartbeat.objects.filter(beat_at__gt=timezone.now() - ALIVE_FOR)
        _Known.number = max(1, beats.count())
        _Known.until = time.monotonic() + ASK_EVERY
    return _Known.number


def forget() -> None:
    """Ask again at once."""
    _Known.until = 0.0
