"""Makes the worker's rounds in a process that ends with them.

The rounds use half of the code there is. A worker process that made them would keep its own copy of
the memory they touch (12 MB) until it is replaced; a fork gives it back after a moment.
"""

from __future__ import annotations

import logging
import os
from typing import NoReturn

from django.db import connections
from django.utils import timezone

from incidents import rounds
from pagerpal import outgoing, tasks

log = logging.getLogger(__name__)


def look_around() -> None:
    """Make the rounds that are due, and return when they are made.

    Raises RuntimeError when they could not be. The fork ends with this process, however that ends
    (see orphans.py), so that a task which the pool has given up makes no rounds any more.
    """
    connections.close_all()  # a connection belongs to one process
    pid = os.fork()
    if not pid:
        _make_rounds_and_end()
    _, status = os.waitpid(pid, 0)
    if status:
        code = os.waitstatus_to_exitcode(status)
        raise RuntimeError(f"the rounds ended with {code} before they were made")


def _make_rounds_and_end() -> NoReturn:
    code = 1
    try:
        tasks.look_around()
        # Last, as it waits for somebody outside.
        rounds.make(outgoing.jobs(), timezone.now())
        code = 0
    except BaseException:
        log.critical("the rounds failed", exc_info=True)
    finally:
        os._exit(code)  # nothing of the pool's is to be flushed or joined by a second process
