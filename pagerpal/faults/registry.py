"""The list of faults, each a function that breaks a house and mends what it broke."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pagerpal.faults.house import House

Break = Callable[[House], None]


@dataclass(frozen=True)
class Fault:
    """`only`: the name of the one database that can have it. `serves`: PagerPal runs before."""

    name: str
    words: str
    run: Break
    only: str
    serves: bool


FAULTS: dict[str, Fault] = {}


def fault(words: str, *, only: str = "", serves: bool = True) -> Callable[[Break], Break]:
    """Registers a function by its own name."""

    def register(run: Break) -> Break:
        FAULTS[run.__name__] = Fault(run.__name__, words, run, only, serves)
        return run

    return register
