"""Lets a worker process that has worked and rests be replaced by a fresh fork.

What a process touches it copies: one that has paged keeps some 25 MB to itself, a fresh one 4.
Django-Q2 replaces a process after so many tasks, which an idle house takes an hour to come to.
"""

from __future__ import annotations

import time

from django_q.conf import Conf

# So long after its last task a process is not needed for the storm it worked in (seconds).
REST = 60.0

_worked_at: float | None = None


def worked() -> None:
    """This process has taken a task that touches more than a beat does."""
    global _worked_at
    _worked_at = time.monotonic()


def beat() -> None:
    """The task by which the pool shows life. In a process that has rested it is the last one.

    Beats come one at a time, so that never more than one process is being replaced.
    """
    if _worked_at is not None and time.monotonic() - _worked_at > REST:
        # What Django-Q2 asks after each task: is this process too large? It ends then as after its
        # last task, with nothing in hand, and the sentinel starts another.
        Conf.MAX_RSS = 1
