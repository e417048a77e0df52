"""Processes that are killed, told to stop, stopped, and started again and again."""

from __future__ import annotations

import random
import signal
import time

from pagerpal.faults.house import House, pause
from pagerpal.faults.registry import fault

# Processes for tasks of a worker, each with one call in hand at most.
IN_HAND = 4
PARTS = 8


@fault("SIGKILL of web at full ingest")
def web_killed(house: House) -> None:
    """Mostly gunicorn's process, now and then its master, which the supervisor starts again."""
    serve = house.served[0]
    with house.load("one", "tap", rate=0, threads=8, times=10):
        for number in range(house.scale.times(200)):
            pause(0.3, 1.5)
            house.wait_until(lambda: len(house.web(serve)) > 1, 60, "web did not come back")
            master, *processes = house.web(serve)
            house.kill([master if number % 10 == 9 else random.choice(processes)], excuses=0)  # noqa: S311
        house.wait_until_healthy()


@fault("SIGKILL of a random part of the worker, slow sink")
def parts_killed(house: House) -> None:
    """The parent, the sentinel, the monitor, the pusher or one of the four."""
    serve = house.served[0]
    house.sink.tell("ntfy slow 0.3")
    with house.load(rate=6):
        for _ in range(house.scale.times(500)):
            house.wait_until(
                lambda: len(house.worker(serve)) >= PARTS, 90, "the pool did not come back"
            )
            pause(0.2, 2)
            parts = house.worker(serve)
            if not parts:
                continue
            place = random.randrange(len(parts))  # noqa: S311
            house.kill([parts[place]], excuses=IN_HAND if place < 2 else 1)


@fault("SIGTERM of everything under load, then a start")
def told_to_stop(house: House) -> None:
    """As a container is replaced."""
    house.sink.tell("ntfy slow 0.5")
    with house.load():
        for _ in range(house.scale.times(40)):
            pause(1, 4)
            if code := house.stop(house.served[0]):
                house.troubles.append(f"a told stop ended with {code}")
            house.tried += 1
            house.serve()
            house.wait_until_healthy()


@fault("two workers, one of them killed whole now and then")
def two_workers(house: House) -> None:
    """The second is started as on another machine."""
    house.serve("worker")
    house.sink.tell("ntfy slow 0.2")
    with house.load(rate=10):
        for _ in range(house.scale.times(60)):
            second = house.served[1]
            house.wait_until(lambda one=second: house.worker(one), 30, "no second worker")  # type: ignore[misc]
            pause(1, 4)
            house.tried += 1
            house.excused += IN_HAND
            house.stop(second, signal.SIGKILL)
            house.serve("worker")


@fault("SIGSTOP of the whole worker for two minutes")
def worker_stopped(house: House) -> None:
    """A machine that hangs, and goes on as if nothing had been."""
    _stop_and_go_on(house, whole=True)


@fault("SIGSTOP of one part of the worker for two minutes")
def part_stopped(house: House) -> None:
    """A process for tasks, in the middle of a call where it can be."""
    _stop_and_go_on(house, whole=False)


def _stop_and_go_on(house: House, *, whole: bool) -> None:
    serve = house.served[0]
    house.sink.tell("ntfy slow 0.3")
    with house.load():
        for _ in range(house.scale.times(5, least=1)):
            pause(3, 5)
            parts = house.worker(serve)
            stopped = parts if whole else [random.choice(parts[2:])]  # noqa: S311
            with house.stopped(stopped):
                left = house.scale.seconds(120, least=30)
                if whole:
                    # Long enough for /health, and not so long that the supervisor has acted.
                    with house.blocked():
                        house.stay_broken(min(left, 45))
                    left -= min(left, 45)
                time.sleep(left)
            house.tried += 1
            house.excused += IN_HAND if whole else 1


@fault("restart loop for ten minutes")
def restart_loop(house: House) -> None:
    """Killed and started again, each time after a moment of life."""
    ends = time.monotonic() + house.scale.seconds(600, least=25)
    with house.load(rate=4), house.blocked():
        while time.monotonic() < ends:
            pause(0.5, 8)
            house.stop(house.served[0], signal.SIGKILL)
            house.tried += 1
            house.excused += IN_HAND
            house.serve()
        house.wait_until_healthy()
