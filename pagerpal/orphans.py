"""Makes processes end with their parent, so that no kill leaves old code running."""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # from linux/prctl.h


def die_with_parent() -> None:
    """Ask Linux to kill this process when its parent dies. Elsewhere: nothing happens."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def die_with_supervisor() -> None:
    """The same for what `manage.py serve` started; a process started by hand is left alone."""
    supervisor = os.environ.pop("PAGERPAL_SUPERVISOR", "")
    if not supervisor:
        return
    die_with_parent()
    if os.getppid() != int(supervisor):
        sys.exit("the supervisor is gone")  # between our start and the line above


def children_die_with_us() -> None:
    """Whatever this process forks from now on, and what those fork, dies with its parent."""
    os.register_at_fork(before=_remember_parent, after_in_child=_die_with_parent_or_now)


_parent = 0


def _remember_parent() -> None:
    global _parent
    _parent = os.getpid()


def _die_with_parent_or_now() -> None:
    die_with_parent()
    if os.getppid() != _parent:
        os._exit(1)
