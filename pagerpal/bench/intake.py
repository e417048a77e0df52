"""The figures of intake: how fast alerts are stored, whatever else comes and has come before."""

from __future__ import annotations

import json
import statistics
import threading
import time
from typing import Any

import requests

from pagerpal.bench import stored
from pagerpal.bench.load import CONNECTIONS, Fired, fire
from pagerpal.bench.site import Figure, ms, percentile, phone, post, prepare, served

GROUP = 60
GROUPS = 20
BURST = 10_000
DUPLICATES = 4_000
NOISE = 3_000


def bursts(port: int) -> list[Figure]:
    """Groups, repeats, noise and a burst, on the database of the environment, which is fresh."""
    keys = prepare()
    with phone() as (ntfy, address), served(port, NTFY_BASE_URL=address):
        figures = groups(port, keys["groups"])
        figures += noise(port, keys, ntfy)
        figures += duplicates(port, keys["now"], DUPLICATES)
        figures += distinct(port, keys["storm"], BURST)
    return figures


def beside(port: int, rows: int) -> list[Figure]:
    """The same loads on a database in which so many alerts are stored already."""
    keys = prepare()
    seconds = stored.seed(rows)
    with phone() as (_, address), served(port, NTFY_BASE_URL=address):
        figures = [Figure("alerts stored before", f"{rows:,}", f"seeded in {seconds:.0f} s")]
        figures += groups(port, keys["groups"])
        figures += duplicates(port, keys["now"], DUPLICATES // 2)
        figures += distinct(port, keys["storm"], 2_000)
    return figures


def distinct(port: int, key: str, alerts: int) -> list[Figure]:
    """Distinct alerts over keep-alive connections, each answered after its commit."""
    fired = fire(port, key, alerts=alerts)
    return [
        *_figures(f"{alerts:,} distinct alerts", fired, bar="250/s or more"),
        Figure("of them stored", f"{_present('storm-')} of {alerts}", "all"),
    ]


def duplicates(port: int, key: str, alerts: int) -> list[Figure]:
    """One alert again and again."""
    fired = fire(port, key, alerts=alerts, name="again", distinct=False)
    return _figures("repeats of one alert", fired, bar="400/s or more")


def _figures(what: str, fired: Fired, *, bar: str) -> list[Figure]:
    return [
        Figure(f"{what} over {CONNECTIONS} connections", f"{fired.rate:.0f}/s", bar),
        Figure("the same, answer time p50", ms(percentile(fired.waits, 50))),
        Figure("the same, answer time p99", ms(percentile(fired.waits, 99)), "under 100 ms"),
        Figure("of them refused", str(fired.refused), "none"),
    ]


def groups(port: int, key: str) -> list[Figure]:
    """What a whole group in one message costs, one message at a time."""
    waits = []
    with requests.Session() as session:
        for number in range(GROUPS):
            body = _group(number)
            begun = time.monotonic()
            answer = session.post(
                f"http://127.0.0.1:{port}/api/v1/alerts/alertmanager",
                data=body,
                headers={"X-API-Key": key, "Content-Type": "application/json"},
                timeout=10,
            )
            waits.append(time.monotonic() - begun)
            answer.raise_for_status()
            time.sleep(0.2)  # what follows from the last one is over
    return [
        Figure(f"a group of {GROUP} alerts, p50", ms(statistics.median(waits)), "under 60 ms"),
        Figure("the same, slowest", ms(max(waits))),
    ]


def _group(number: int) -> str:
    alerts = [
        {
            "status": "firing",
            "labels": {"alertname": "HostDown", "instance": f"host-{number}-{place}:9100"},
            "annotations": {"summary": f"host-{number}-{place} does not answer"},
            "startsAt": "2026-11-22T03:10:00Z",
            "endsAt": "0001-01-01T00:00:00Z",
            "generatorURL": "http://prometheus.example.org/graph",
            "fingerprint": f"{number:08x}{place:08x}",
        }
        for place in range(GROUP)
    ]
    message = {
        "version": "4",
        "groupKey": f'{{}}:{{alertname="HostDown", rack="{number}"}}',
        "status": "firing",
        "receiver": "pagerpal",
        "groupLabels": {"alertname": "HostDown"},
        "commonLabels": {"alertname": "HostDown", "severity": "critical"},
        "commonAnnotations": {},
        "externalURL": "http://alertmanager.example.org",
        "alerts": alerts,
    }
    return json.dumps(message)


def noise(port: int, keys: dict[str, str], ntfy: Any) -> list[Figure]:
    """How long others wait while one source sends far beyond its limit."""
    answers: list[float] = []
    pages: list[float] = []
    made: list[Fired] = []
    noisy = threading.Thread(
        target=lambda: made.append(fire(port, keys["noisy"], alerts=NOISE, name="noise"))
    )
    noisy.start()
    with requests.Session() as session:
        while noisy.is_alive():
            time.sleep(0.3)
            begun = time.time()
            incident = post(session, port, keys["now"], f"other-{len(answers)}")
            answers.append(time.time() - begun)
            pages.append(ntfy.wait_for(incident, "now-0") - begun)
    noisy.join()
    rate = f"beside a source that sends {made[0].rate:.0f}/s"
    return [
        Figure(f"another source's alert answered, {rate}, slowest", ms(max(answers))),
        Figure("the same, from sent to paged, slowest", ms(max(pages)), "under 1,000 ms"),
    ]


def _present(beginning: str) -> int:
    from django.db import connections

    from alertsources.models import Alert

    found = Alert.objects.filter(key__startswith=beginning).values("key").distinct().count()
    connections.close_all()
    return found
