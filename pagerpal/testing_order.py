"""The order of the tests: in each process of a run those that take seconds come first."""

from __future__ import annotations

import os

import pytest


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Each process is given a stretch of the list, and who has done takes the end of another's.

    With the long ones dealt out to the beginnings, what is taken last is short, and no process
    ends alone. Nobody depends on Django's order: the databases of tests keep what they began with.
    """
    long = [item for item in items if item.get_closest_marker("processes")]
    short = [item for item in items if not item.get_closest_marker("processes")]
    processes = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    left, ordered = len(items), list[pytest.Item]()
    for place in range(processes):
        mine = long[place::processes]
        room = max(0, left // (processes - place) - len(mine))
        ordered += mine + short[:room]
        del short[:room]
        left = len(items) - len(ordered)
    items[:] = ordered + short
