"""What tens of thousands of alerts leave behind in memory."""

from __future__ import annotations

import time

from pagerpal.bench.load import fire
from pagerpal.bench.site import Figure, memory, phone, prepare, served

STEPS = 5
# How long the last alert's messages and the rest of the workers may take.
SETTLE_FOR = 600.0
LOOK_EVERY = 20.0
ENOUGH = 180.0


def measure(port: int, alerts: int) -> list[Figure]:
    """Memory after each fifth of so many alerts that fire and are resolved, and at rest."""
    keys = prepare()
    found = []
    with phone() as (_, address), served(port, NTFY_BASE_URL=address) as (process, _):
        for step in range(STEPS):
            for status in ("firing", "resolved"):
                _fire(port, keys["storm"], alerts // STEPS, f"growth-{step}", status)
            found.append(memory(process.pid))
        settled, waited = _settled(process.pid)
    course = ", ".join(f"{one:.0f}" for one in found)
    what = f"memory while {alerts:,} alerts fire and are resolved, after each fifth (PSS)"
    after = f"memory after {alerts:,} alerts, at rest (PSS)"
    return [
        Figure(what, f"{course} MB", "level"),
        Figure(after, f"{settled:.0f} MB, {waited:.0f} s after the last alert", "under 180 MB"),
    ]


def _fire(port: int, key: str, alerts: int, name: str, status: str) -> None:
    fired = fire(port, key, alerts=alerts, name=name, status=status)
    if fired.refused:
        raise RuntimeError(f"{fired.refused} of {alerts} alerts were refused")


def _settled(pid: int) -> tuple[float, float]:
    """The memory once it is below the bar or nothing more is to be hoped for, and the wait."""
    begun = time.monotonic()
    while True:
        time.sleep(LOOK_EVERY)
        used, waited = memory(pid), time.monotonic() - begun
        if used < ENOUGH or waited > SETTLE_FOR:
            return used, waited
