"""Takes up the free pieces between what is loaded, before processes are forked that share it.

A fork that is given such a piece writes there, and so copies the page around it: a connection to
SQLite, whose schema is thousands of pieces, copied 4.5 MB instead of the 0.8 it needs. Without
holes it is given fresh memory.
"""

from __future__ import annotations

import ctypes
import sys

# From large to small, so that few pieces take up much; the last one fits wherever anything does.
SIZES = (65536, 16384, 4096, 1024, 512, 256, 128, 64, 24)
# Ten times as many as there are, should an allocator not do what we expect of it.
MOST = 200_000


def fill() -> int:
    """Take them all for good and say how many bytes; nothing where the allocator is not glibc's."""
    libc = ctypes.CDLL(None)
    if sys.platform != "linux" or not hasattr(libc, "malloc_trim"):
        return 0
    allocate, free, end_of_heap = libc.malloc, libc.free, libc.sbrk
    allocate.restype = end_of_heap.restype = ctypes.c_size_t
    allocate.argtypes = free.argtypes = (ctypes.c_size_t,)
    end_of_heap.argtypes = (ctypes.c_ssize_t,)
    # Joins pieces that lie side by side, and ends the heap behind the last thing in it.
    libc.malloc_trim(0)
    end, pieces, taken = end_of_heap(0), 0, 0
    for size in SIZES:
        while (piece := allocate(size)) < end and pieces < MOST:
            pieces += 1
            taken += size
        free(piece)
    return taken
