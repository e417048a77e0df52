"""Has requests that wait at the same time handled together, by the thread of one of them.

Under a storm a transaction, its commit to disk and the turn among writers then serve several
requests, and the threads that wait leave the interpreter to the one that works.
"""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable, Sequence
from typing import Generic, TypeVar

Item = TypeVar("Item")
Fact = TypeVar("Fact")


class _Place(Generic[Item, Fact]):
    """One waiting item, and what came of it."""

    def __init__(self, item: Item) -> None:
        self.item = item
        self.fact: Fact | None = None
        self.is_over = False


class Gathering(Generic[Item, Fact]):
    """`handle` gets the items that wait, at most `most`, and says for each what came of it.

    None for an item, or an exception for all, means that its own thread has to see to it.
    """

    def __init__(
        self, handle: Callable[[Sequence[Item]], Sequence[Fact | None]], *, most: int
    ) -> None:
        self._handle = handle
        self._most = most
        self._waiting: deque[_Place[Item, Fact]] = deque()
        self._turn = threading.Lock()

    def join(self, item: Item) -> Fact | None:
        """Wait until somebody has handled this item with others; None: it is for the caller."""
        place = _Place[Item, Fact](item)
        self._waiting.append(place)
        with self._turn:
            while not place.is_over:
                self._take_turn()
        return place.fact

    def _take_turn(self) -> None:
        # Only whoever has the turn takes from the queue, so what is there stays there.
        places = [self._waiting.popleft() for _ in range(min(self._most, len(self._waiting)))]
        try:
            facts = self._handle([place.item for place in places])
            for place, fact in zip(places, facts, strict=True):
                place.fact = fact
        finally:
            for place in places:
                place.is_over = True
