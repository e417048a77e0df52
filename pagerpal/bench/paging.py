"""The figures of paging: what PagerPal costs when idle, and how soon who is called."""

from __future__ import annotations

import time

import requests

from pagerpal.bench.intake import distinct
from pagerpal.bench.site import (
    STEP_DELAY,
    Figure,
    Phone,
    memory,
    ms,
    percentile,
    phone,
    post,
    prepare,
    served,
    tree,
)

PAGES = 100
STEPS = 40
IDLE_FOR = 10.0


def measure(port: int, alerts: int) -> list[Figure]:
    """All figures for the database of the environment, which is fresh."""
    keys = prepare()
    with phone() as (ntfy, address), served(port, NTFY_BASE_URL=address) as (process, seconds):
        figures = [Figure("start to a healthy /health", f"{seconds:.1f} s", "under 4 s")]
        figures += idle(process.pid)
        figures += page_latency(port, keys["now"], ntfy)
        figures += escalation_lateness(port, keys["steps"], ntfy)
        figures += distinct(port, keys["storm"], alerts)
        used = memory(process.pid)
        figures.append(Figure("memory after the storm (PSS)", f"{used:.0f} MB"))
    return figures


def idle(pid: int) -> list[Figure]:
    time.sleep(3)
    before = {p.pid: sum(p.cpu_times()[:2]) for p in tree(pid)}
    time.sleep(IDLE_FOR)
    used = sum(sum(p.cpu_times()[:2]) - before.get(p.pid, 0.0) for p in tree(pid))
    return [
        Figure("memory idle (PSS, all processes)", f"{memory(pid):.0f} MB", "under 150 MB"),
        Figure("CPU idle", f"{100 * used / IDLE_FOR:.1f} % of a core", "under 6 %"),
    ]


def page_latency(port: int, key: str, ntfy: Phone) -> list[Figure]:
    """From the answer to the monitor to the call of the provider, one alert at a time."""
    waits = []
    with requests.Session() as session:
        for number in range(PAGES):
            incident = post(session, port, key, f"now-{number}")
            accepted = time.time()
            waits.append(ntfy.wait_for(incident, "now-0") - accepted)
            post(session, port, key, f"now-{number}", status="resolved")
            time.sleep(0.13 + number % 7 / 100)  # not in step with the worker's polling
    return [
        Figure("alert accepted to provider called, p50", ms(percentile(waits, 50)), "under 120 ms"),
        Figure("alert accepted to provider called, p99", ms(percentile(waits, 99)), "under 500 ms"),
    ]


def escalation_lateness(port: int, key: str, ntfy: Phone) -> list[Figure]:
    """How long after its time the second step's call came, by the first step's own clock."""
    numbers = []
    with requests.Session() as session:
        for number in range(STEPS):
            numbers.append(post(session, port, key, f"steps-{number}"))
            time.sleep(0.11)
        called = {number: ntfy.wait_for(number, "steps-1") for number in numbers}
        late = [called[number] - due for number, due in _due_times(numbers).items()]
        for number in range(STEPS):
            post(session, port, key, f"steps-{number}", status="resolved")
    return [
        Figure("escalation step late, p50", ms(percentile(late, 50))),
        Figure("escalation step late, p99", ms(percentile(late, 99)), "under 1,000 ms"),
        Figure("escalation steps early", str(sum(one < 0 for one in late)), "none"),
    ]


def _due_times(numbers: list[int]) -> dict[int, float]:
    from django.db import connections

    from incidents.models import Page

    first = Page.objects.filter(incident__in=numbers, user__email="steps0@example.org")
    due = {page.incident_id: page.created_at.timestamp() + STEP_DELAY for page in first}
    connections.close_all()
    return due
