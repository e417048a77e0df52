"""The figures of messages: bursts, a provider that hangs, and what waiting rows cost."""

from __future__ import annotations

import contextlib
import json
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import requests

from pagerpal.bench.load import fire
from pagerpal.bench.site import ROOT, Figure, Phone, ms, percentile, phone, post, prepare, served

TEAMS, ALERTS = 100, 1_000
STEADY, STEADY_FOR, ANSWERS_AFTER = 10, 30.0, 0.1  # a second, seconds, seconds
PENDING = 10_000
HUNG, BESIDE = 6, 30
SWEEPS = 20


def measure(port: int) -> list[Figure]:
    """All figures for the database of the environment, which is fresh."""
    prepare()
    keys = teams()
    figures = unconfigured()
    figures += beside_one_that_hangs(port, keys)
    figures += burst(port, keys)
    figures += steady(port, keys)
    figures += sweep()
    return figures


def burst(port: int, keys: list[str]) -> list[Figure]:
    """Alerts of all teams at once: when each incident's first page came."""
    with phone() as (ntfy, address), served(port, NTFY_BASE_URL=address):
        begun = time.time()
        fired = fire(port, *keys[:TEAMS], alerts=ALERTS, name="burst")
        numbers = _incidents("burst-")
        came = _first_calls(ntfy, numbers, at_most=90)
    waits = [at - begun for at in came.values()] or [0.0]
    what = f"{ALERTS:,} alerts over {TEAMS} teams"
    return [
        Figure(f"{what}: all accepted after", f"{fired.seconds:.1f} s"),
        Figure("the same, first page of the last incident", f"{max(waits):.1f} s", "within 20 s"),
        Figure("the same, first page, p50", f"{percentile(waits, 50):.1f} s"),
        Figure("the same, incidents paged", f"{len(came)} of {ALERTS}", "all"),
    ]


def _incidents(beginning: str) -> list[int]:
    from django.db import connections

    from alertsources.models import Alert

    found = Alert.objects.filter(key__startswith=beginning).values_list("incident", flat=True)
    numbers = sorted(set(found) - {None})
    connections.close_all()
    return numbers


def _first_calls(ntfy: Phone, numbers: list[int], *, at_most: float) -> dict[int, float]:
    """When the first message about each of these incidents came, of those that did in time."""
    wanted, found = set(numbers), dict[int, float]()

    def all_came() -> bool:
        found.clear()
        for (number, _), at in ntfy.came.items():
            if number in wanted:
                found[number] = min(at, found.get(number, at))
        return len(found) == len(wanted)

    with ntfy.news:
        ntfy.news.wait_for(all_came, at_most)
    return found


def steady(port: int, keys: list[str]) -> list[Figure]:
    """So many incidents a second, each one page, to a provider that takes its time."""
    with phone(answers_after=ANSWERS_AFTER) as (ntfy, address), served(port, NTFY_BASE_URL=address):
        posted: dict[int, float] = {}
        begun = time.monotonic()
        with requests.Session() as session:
            for place in range(round(STEADY * STEADY_FOR)):
                time.sleep(max(0.0, begun + place / STEADY - time.monotonic()))
                posted[post(session, port, keys[place % TEAMS], f"steady-{place}")] = time.time()
        lasted = time.monotonic() - begun
        came = _first_calls(ntfy, list(posted), at_most=30)
    late = [came[number] - at for number, at in posted.items() if number in came]
    tail = late[-len(late) // 5 :]
    return [
        Figure(
            f"sustained, provider takes {ms(ANSWERS_AFTER)}",
            f"{60 * len(came) / lasted:.0f} pages a minute",
            f"{60 * STEADY} asked for",
        ),
        Figure("the same, alert to page in the last fifth, p50", ms(percentile(tail, 50))),
        Figure("the same, incidents paged", f"{len(came)} of {len(posted)}", "all"),
    ]


def beside_one_that_hangs(port: int, keys: list[str]) -> list[Figure]:
    """How soon people with a push address are paged while mail hangs for everybody else."""
    with hanging() as silent, phone() as (ntfy, address):
        mail = {"SMTP_HOST": "127.0.0.1", "SMTP_PORT": str(silent), "SMTP_SECURITY": "none"}
        mail |= {"NTFY_BASE_URL": address, "SMTP_FROM": "pager@example.org"}
        with served(port, **mail), requests.Session() as session:
            for place in range(HUNG):
                post(session, port, keys[TEAMS + place], f"hung-{place}")
            time.sleep(0.5)  # the calls are under way
            waits = []
            for place in range(BESIDE):
                number = post(session, port, keys[place % 10], f"beside-{place}")
                accepted = time.time()
                waits.append(ntfy.wait_for(number, _topic(place % 10)) - accepted)
    return [
        Figure("alert to page while mail hangs, p50", ms(percentile(waits, 50)), "under 500 ms"),
        Figure("the same, slowest", ms(max(waits))),
    ]


@contextlib.contextmanager
def hanging() -> Iterator[int]:
    """The port of a server that takes every connection and never says a word."""
    with socket.create_server(("127.0.0.1", 0), backlog=128) as server:
        yield server.getsockname()[1]


def sweep() -> list[Figure]:
    """What the parent of the workers does twice a second, beside so many messages to come."""
    from django.db import connections
    from django.utils import timezone

    from notifications.models import Notification
    from pagerpal.worker import Sweep

    pattern = Notification.objects.filter(purpose="page").order_by("pk").last()
    assert pattern is not None  # noqa: S101  those before have paged
    tomorrow = timezone.now() + timedelta(days=1)
    rows = [_later(pattern, number, tomorrow) for number in range(PENDING)]
    Notification.objects.bulk_create(rows, batch_size=500)

    Notification.objects.filter(state="pending", due_at__lt=tomorrow).delete()
    sweep = Sweep()
    times = []
    for _ in range(SWEEPS):
        begun = time.perf_counter()
        sweep.run(timezone.now())
        times.append(time.perf_counter() - begun)
    connections.close_all()
    return [Figure(f"a sweep beside {PENDING:,} pending", ms(statistics.median(times)), "50 ms")]


def _later(pattern: Any, number: int, due_at: Any) -> Any:
    from notifications.models import Notification

    return Notification(
        purpose="page",
        thread=f"incident:{10_000_000 + number}",
        key=f"later:{number}",
        user_id=pattern.user_id,
        team_id=pattern.team_id,
        channel=pattern.channel,
        address=pattern.address,
        due_at=due_at,
    )


# What only a channel that is set up may load.
HEAVY = ("apprise", "phonenumbers", "aiosmtpd")
WITHOUT = f"""
import json, sys, time, tracemalloc
import django
django.setup()

def load():
    for name in [one for one in sys.modules if one.startswith("notifications.channels")]:
        del sys.modules[name]
    begun = time.perf_counter()
    import notifications.channels
    return time.perf_counter() - begun

took = min(load() for _ in range(5))
tracemalloc.start()
load()
heavy = [name for name in {HEAVY!r} if name in sys.modules]
print(json.dumps([took, tracemalloc.get_traced_memory()[0], heavy]))
"""


def unconfigured() -> list[Figure]:
    """What the code of all channels costs a process in which none is set up."""
    done = subprocess.run(  # noqa: S603  ourselves
        [sys.executable, "-c", WITHOUT], cwd=ROOT, stdout=subprocess.PIPE, check=True
    )
    took, size, heavy = json.loads(done.stdout.splitlines()[-1])
    return [
        Figure("importing every channel, none set up", ms(took), "none to speak of"),
        Figure("the same, memory", f"{size / 1e6:.1f} MB", "under 5 MB"),
        Figure("the same, libraries loaded for it", ", ".join(heavy) or "none", "none"),
    ]


def teams() -> list[str]:
    """Teams of one person each; those past TEAMS have only mail. Returns their sources' keys."""
    from django.db import connections

    from alertsources.keys import hashed, new_key
    from alertsources.models import AlertSource
    from incidents.models import EscalationPolicy, EscalationStep
    from notifications.models import ContactMethod
    from schedules.models import Membership, Team, User

    keys = []
    for number in range(TEAMS + HUNG):
        team = Team.objects.create(name=f"many {number}")
        user = User.objects.create_user(f"many{number}@example.org", name=f"many{number}")
        Membership.objects.create(team=team, user=user)
        by_mail = number >= TEAMS
        kind, address = ("email", user.email) if by_mail else ("ntfy", _topic(number))
        ContactMethod.objects.create(user=user, channel=kind, address=address)
        policy = EscalationPolicy.objects.create(team=team, is_default=True)
        EscalationStep.objects.create(policy=policy, position=0).people.add(user)
        keys.append(new_key())
        AlertSource.objects.create(
            team=team, name=f"many {number}", key_hash=hashed(keys[-1]), key_hint=keys[-1][-4:]
        )
    connections.close_all()
    return keys


def _topic(number: int) -> str:
    return f"many-{number}"
