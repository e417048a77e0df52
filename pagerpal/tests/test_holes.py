"""What is forked finds no free pieces in the memory that it shares."""

from __future__ import annotations

import ctypes
import subprocess
import sys

import pytest

from pagerpal import holes

pytestmark = pytest.mark.skipif(
    not hasattr(ctypes.CDLL(None), "malloc_trim"), reason="the allocator is not glibc's"
)

# In a process of its own, as what is taken up stays so.
WITH_HOLES = """
import ctypes
from pagerpal import holes

libc = ctypes.CDLL(None)
libc.malloc.restype = ctypes.c_size_t
libc.free.argtypes = (ctypes.c_size_t,)
pieces = [libc.malloc(200) for _ in range(20_000)]
for piece in pieces[::2]:
    libc.free(piece)
print(holes.fill(), holes.fill(), sum(libc.malloc(90) < max(pieces) for _ in range(10_000)))
"""


def test_holes_are_taken_up_so_that_new_pieces_lie_behind_all_that_is_loaded() -> None:
    said = subprocess.run(
        [sys.executable, "-c", WITH_HOLES], capture_output=True, text=True, check=True
    )

    taken, taken_again, in_old_memory = map(int, said.stdout.split())
    assert taken > 10_000 * 170
    assert taken_again < taken / 20
    assert in_old_memory < 100


def test_another_allocator_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")

    assert holes.fill() == 0
