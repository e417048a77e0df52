"""Signs of life of a worker's processes, in memory that they share with its parent process."""

from __future__ import annotations

import time
from collections.abc import MutableSequence
from multiprocessing.sharedctypes import RawArray

from pagerpal import env

# Must exceed the longest task: all workers busy must not look like death. Tests lower it.
LIMIT = env.seconds("PAGERPAL_WATCHDOG_SECONDS", 20, least=1, most=3600).total_seconds()
# Each node feeds its own pool a task that does nothing, so that an idle pool shows life too.
BEAT_EVERY = LIMIT / 4

# A worker started a task; the monitor noted a result; the sentinel looked after its processes.
STARTED, FINISHED, GUARDED = range(3)
# Results wait for a database that is away, which is no reason to kill anybody.
LIMITS = {STARTED: LIMIT, FINISHED: 3 * LIMIT, GUARDED: 2 * LIMIT}
NAMES = {
    STARTED: "no task was started",
    FINISHED: "no task was finished",
    GUARDED: "the sentinel did not look after its processes",
}

# Without a lock: a process that is killed could leave it held.
_signs: MutableSequence[float] | None = None


def share() -> None:
    """Make the shared memory; before the fork, in the process that will watch."""
    global _signs
    _signs = RawArray("d", len(LIMITS))
    excuse()


def touch(sign: int) -> None:
    if _signs is not None:
        _signs[sign] = time.monotonic()


def excuse() -> None:
    """Count all signs from now: the whole machine slept."""
    for sign in LIMITS:
        touch(sign)


def trouble() -> str:
    """What has shown no life for too long, in words; empty when all is well."""
    for sign, limit in LIMITS.items():
        if _signs is not None and (silent := time.monotonic() - _signs[sign]) > limit:
            return f"{NAMES[sign]} for {silent:.0f} s"
    return ""
