"""A worker whose clock is an hour wrong."""

from __future__ import annotations

import time
from pathlib import Path

from pagerpal.faults.house import House
from pagerpal.faults.registry import fault


@fault("worker one hour ahead, then right (faketime)", serves=False)
def clock_ahead(house: House) -> None:
    """Pages go out meanwhile; what it wrote must not hold up those that come after."""
    _wrong(house, "+1h", is_stuck=False)


@fault("worker one hour behind, then right (faketime)", serves=False)
def clock_behind(house: House) -> None:
    """To it nothing is due, which /health must say."""
    _wrong(house, "-1h", is_stuck=True)


def _wrong(house: House, offset: str, *, is_stuck: bool) -> None:
    # Not by the program: it would stand between us and the worker that is told to stop.
    libraries = sorted(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1"))
    if not libraries:
        house.troubles.append("faketime is not installed")
        return
    house.serve("web")
    wrong = {"LD_PRELOAD": str(libraries[0]), "FAKETIME": offset}
    wrong |= {"FAKETIME_DONT_FAKE_MONOTONIC": "1", "DONT_FAKE_MONOTONIC": "1"}
    for _ in range(house.scale.times(5, least=1)):
        worker = house.serve("worker", **wrong)
        house.wait_until(lambda one=worker: house.worker(one), 30, "no worker")  # type: ignore[misc]
        with house.load():
            length = house.scale.seconds(300, least=40)
            if is_stuck:
                with house.blocked():
                    house.stay_broken(length)
                    house.stop(worker)
            else:
                time.sleep(length)
                house.stop(worker)
            worker = house.serve("worker")
            time.sleep(10)
        house.tried += 1
        house.stop(worker)
    house.serve("worker")
