"""What fifty open browser tabs cost a server on which nothing happens."""

from __future__ import annotations

import logging
import re
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any
from urllib.parse import urljoin

import requests
from requests.adapters import HTTPAdapter

from pagerpal.bench.site import Figure, ms, percentile, prepare, served, tree

# Kind of page: its address, and how many tabs show it.
TABS = {"/incidents/{pk}": 20, "/incidents?show=open": 15, "/dashboard": 15}
# Threads open their connections at their first request; a server that has run for a day has them.
WARM_UP = 15
POLL = re.compile(r'hx-get="([^"]+)"\s+hx-trigger="every (\d+)s"')


def measure(port: int, seconds: int) -> list[Figure]:
    """On the database of the environment, which is fresh: CPU without the tabs and with them."""
    prepare()
    [(tabs, idle, busy, waits)] = costs(port, seconds, [1])
    return [
        Figure("CPU of web and worker, no tab open", f"{idle:.1f} % of a core"),
        Figure(
            f"more with {tabs} open tabs, {len(waits) / seconds:.0f} polls a second",
            f"{busy - idle:.1f} % of a core",
            "under 10 %",
        ),
        Figure("wait for a poll's 204, p95", ms(percentile(waits, 95)), "under 10 ms"),
    ]


def costs(
    port: int, seconds: int, times: Sequence[float]
) -> Iterator[tuple[int, float, float, list[float]]]:
    """For each of these multiples of the tabs: how many, CPU without and with them, and waits."""
    cookie, number = _open_incidents()
    with served(port) as (process, _):
        _poll_all(_polls_of(TABS, port, number, cookie), cookie, WARM_UP, [])
        idle = _share_of_a_core(process.pid, lambda: time.sleep(seconds))
        for factor in times:
            shown = {path: max(1, round(factor * count)) for path, count in TABS.items()}
            polls = _polls_of(shown, port, number, cookie)
            waits: list[float] = []
            poll_all = partial(_poll_all, polls, cookie, seconds, waits)
            busy = _share_of_a_core(process.pid, poll_all)
            yield sum(shown.values()), idle, busy, waits


def _polls_of(
    shown: dict[str, int], port: int, number: int, cookie: dict[str, str]
) -> list[tuple[str, int]]:
    """Of so many tabs of each kind."""
    return [
        poll
        for path, count in shown.items()
        for poll in _polls(port, path.format(pk=number), cookie) * count
    ]


def _open_incidents() -> tuple[dict[str, str], int]:
    """A few that wait in peace; the cookie of somebody signed in who sees them, and one of them."""
    from datetime import timedelta

    from django.conf import settings
    from django.db import connections
    from django.test import Client
    from django.utils import timezone

    from incidents.models import Incident
    from schedules.models import Team, User

    soon, team = timezone.now() + timedelta(hours=1), Team.objects.order_by("pk")[0]
    rows = [Incident(team=team, title=f"Disk full {n}", escalate_at=soon) for n in range(20)]
    Incident.objects.bulk_create(rows)
    client = Client()
    client.force_login(User.objects.order_by("pk")[0])
    number = Incident.objects.order_by("pk")[0].pk
    connections.close_all()
    name = settings.SESSION_COOKIE_NAME
    return {name: client.cookies[name].value}, number


def _polls(port: int, path: str, cookie: dict[str, str]) -> list[tuple[str, int]]:
    """What a page asks for again and again: addresses, and each how many seconds apart."""
    site = f"http://127.0.0.1:{port}"
    page = requests.get(site + path, cookies=cookie, timeout=10)
    page.raise_for_status()
    found = [(site + _plain(to), int(every)) for to, every in POLL.findall(page.text)]
    if not found:
        raise RuntimeError(f"{path} asks for nothing")
    return found


def _plain(address: str) -> str:
    return address.replace("&amp;", "&")


def _poll_all(
    polls: list[tuple[str, int]], cookie: dict[str, str], seconds: int, waits: list[float]
) -> None:
    """Each poll on a connection of its own, all begun at different moments."""
    ends, failed = time.monotonic() + seconds, []
    logging.getLogger("urllib3").setLevel(logging.ERROR)

    def go_on(url: str, every: int, first: float) -> None:
        session = requests.Session()
        session.cookies.update(cookie)
        # As browsers do where the server has closed a connection that was not used for a while.
        session.mount("http://", HTTPAdapter(max_retries=2))
        at = time.monotonic() + first
        while at < ends:
            time.sleep(max(0, at - time.monotonic()))
            begun = time.monotonic()
            answer = session.get(url, headers={"HX-Request": "true"}, timeout=10)
            at += every
            if answer.status_code == 204:
                waits.append(time.monotonic() - begun)
            elif news := POLL.search(answer.text):
                url = urljoin(url, _plain(news[1]))
            else:
                failed.append(f"{url}: {answer.status_code}")

    tabs = [
        threading.Thread(target=go_on, args=(url, every, every * place / len(polls)))
        for place, (url, every) in enumerate(polls)
    ]
    for tab in tabs:
        tab.start()
    for tab in tabs:
        tab.join()
    if failed:
        raise RuntimeError(f"neither news nor 204: {failed[:3]}")


def _share_of_a_core(pid: int, meanwhile: Callable[[], Any]) -> float:
    """Percent, of all processes below this one."""
    begun, before = time.monotonic(), _cpu(pid)
    meanwhile()
    return 100 * (_cpu(pid) - before) / (time.monotonic() - begun)


def _cpu(pid: int) -> float:
    times = [process.cpu_times() for process in tree(pid)]
    return float(sum(one.user + one.system for one in times))
