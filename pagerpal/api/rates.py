"""How many calls somebody may make in a minute, counted by each web process for itself.

So two web processes allow twice as many: this keeps a program that runs wild from eating the
server, it is no bookkeeping, and counting in the database would cost more than the calls.
"""

from __future__ import annotations

import math
import threading
import time
from dataclasses import dataclass

from django.conf import settings

WINDOW = 60.0
MOST_KEPT = 10_000

_lock = threading.Lock()
_counts: dict[str, tuple[float, int]] = {}


@dataclass(frozen=True)
class Taken:
    """Whether this call may go on, what is left after it, and in how many seconds all is again."""

    may: bool
    most: int
    left: int
    again_in: int

    @property
    def headers(self) -> dict[str, str]:
        """As the IETF's draft of RateLimit fields has it."""
        return {
            "RateLimit-Policy": f'"person";q={self.most};w={WINDOW:.0f}',
            "RateLimit": f'"person";r={self.left};t={self.again_in}',
        }


def take(key: str, *, is_free: bool, clock: float | None = None) -> Taken:
    """Count a call; a free one is counted too but always may."""
    at = time.monotonic() if clock is None else clock
    most = settings.API_CALLS_PER_MINUTE
    with _lock:
        if len(_counts) > MOST_KEPT:
            _counts.clear()
        began, count = _counts.get(key, (at, 0))
        if at - began >= WINDOW:
            began, count = at, 0
        may = is_free or count < most
        _counts[key] = began, count + may
    left = max(most - count - may, 0)
    return Taken(may, most, left, max(math.ceil(began + WINDOW - at), 1))


def forget() -> None:
    with _lock:
        _counts.clear()
