"""Makes processes end with their parent, so that no kill leaves old code running."""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # from linux/prctl.h


def die_with_parent(parent: int) -> None:
    """Have Linux kill this process when `parent` dies; end at once if it is dead already.

    To be called right after the fork. Other systems know no such thing: there nothing happens.
    """
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


def children_die_with_us() -> None:
    """Whatever this process forks from now on, and what those fork, dies with its parent."""
    os.register_at_fork(before=_remember_parent, after_in_child=_die_with_parent)


_parent = 0


def _remember_parent() -> None:
    global _parent
    _parent = os.getpid()


def _die_with_parent() -> None:
    die_with_parent(_parent)
