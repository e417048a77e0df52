"""Ends a process that was stopped (SIGSTOP, a hung debugger) while it held a lock all wait for.

What a process holds it gives back by dying, but not by being stopped: on SQLite nobody could
write until it goes on, and every alert would be refused.
"""

from __future__ import annotations

import contextlib
import logging
import os
import signal

log = logging.getLogger(__name__)

# For how long to wait before looking at who holds a lock, and again between looks.
LOOK_AFTER = 2.0


def end_stopped_holder(file: int) -> bool:
    """Kill whoever holds the flock on this open file, if it is stopped; says whether it was.

    Where there is no /proc, or the holder is on another machine or of another user, nothing is.
    """
    with contextlib.suppress(OSError, IndexError, ValueError):
        held = os.fstat(file)
        path = os.readlink(f"/proc/self/fd/{file}")
        for pid in _holders(held.st_ino):
            if _is_stopped(pid) and _has_open(pid, path):
                log.critical("process %s was stopped while others wait for it: killing it", pid)
                os.kill(pid, signal.SIGKILL)
                return True
    return False


def _holders(inode: int) -> list[int]:
    """From lines like `1: FLOCK  ADVISORY  WRITE 4711 fd:01:5113 0 EOF`."""
    with open("/proc/locks") as locks:
        lines = [line.split() for line in locks]
    return [
        int(words[4])
        for words in lines
        if words[1] == "FLOCK" and words[5].rpartition(":")[2] == str(inode)
    ]


def _is_stopped(pid: int) -> bool:
    with open(f"/proc/{pid}/stat") as stat:
        return stat.read().rpartition(")")[2].split()[0] == "T"


def _has_open(pid: int, path: str) -> bool:
    """An inode's number is another file's on another disk."""
    files = f"/proc/{pid}/fd"
    return any(os.readlink(f"{files}/{name}") == path for name in os.listdir(files))
