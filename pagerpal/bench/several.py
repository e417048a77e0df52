"""The figures of several worker processes on one PostgreSQL, and of tidying up a full database."""

from __future__ import annotations

import contextlib
import itertools
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import timedelta

from pagerpal.bench.site import ROOT, Figure, Phone, ms, percentile, phone, prepare

MESSAGES, TEAMS, ANSWERS_AFTER = 900, 20, 0.1
OLD, BATCHES = 1_000_000, 100


def measure() -> list[Figure]:
    """How much sooner two workers are done with the same messages of several teams than one.

    Of one team alone the two are no faster: all processes try to take its best message first.
    """
    prepare()
    one, two = pages_a_minute(1), pages_a_minute(2)
    what = f"pages a minute, provider takes {ms(ANSWERS_AFTER)}"
    return [
        Figure(f"{what}: one worker", f"{one:.0f}"),
        Figure(f"{what}: two workers", f"{two:.0f}, {two / one:.2f} times", "1.7 times"),
    ]


def pages_a_minute(workers: int, messages: int = MESSAGES, **more: str) -> float:
    """By so many workers with more in their environment."""
    with phone(answers_after=ANSWERS_AFTER) as (ntfy, address):
        with contextlib.ExitStack() as stack:
            for _ in range(workers):
                stack.enter_context(_worker(NTFY_BASE_URL=address, **more))
            _wait_for_workers(workers)
            _make_due(messages, "-".join([str(workers), *more.values(), ""]))
            _wait_for(ntfy, messages)
        at = sorted(ntfy.came.values())
    # Without the first and the last moments, in which not all work.
    cut = messages // 10
    return 60 * (messages - 2 * cut) / (at[-cut] - at[cut])


@contextlib.contextmanager
def _worker(**more: str) -> Iterator[None]:
    import os

    process = subprocess.Popen(  # noqa: S603  our own program
        [sys.executable, str(ROOT / "manage.py"), "worker"],
        env={**os.environ, **more},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL if not os.environ.get("BENCH_VERBOSE") else None,
        start_new_session=True,
    )
    try:
        yield
    finally:
        process.terminate()
        process.wait(60)


def _wait_for_workers(number: int) -> None:
    from django.utils import timezone

    from pagerpal.models import WorkerHeartbeat

    WorkerHeartbeat.objects.all().delete()
    begun = timezone.now()
    while WorkerHeartbeat.objects.filter(beat_at__gt=begun).count() < number:
        if timezone.now() - begun > timedelta(seconds=60):
            raise RuntimeError("the workers did not start")
        time.sleep(0.1)
    time.sleep(6)  # until each knows of the others


def _wait_for(ntfy: Phone, number: int) -> None:
    with ntfy.news:
        if not ntfy.news.wait_for(lambda: len(ntfy.came) >= number, 300):
            raise RuntimeError(f"{len(ntfy.came)} of {number} messages came")


def _make_due(number: int, prefix: str) -> None:
    from django.db import connections
    from django.utils import timezone

    from notifications.models import Notification
    from schedules.models import Team, User

    for place in range(TEAMS):
        Team.objects.get_or_create(name=f"several {place}")
    teams = Team.objects.filter(name__startswith="several")
    user = User.objects.order_by("pk")[0]
    [method] = user.contact_methods.all()[:1]
    now = timezone.now()
    Notification.objects.bulk_create(
        Notification(
            purpose="page",
            thread="house:1",
            key=f"several:{prefix}{place}",
            user=user,
            contact_method=method,
            channel="ntfy",
            address=f"several-{prefix}{place}",
            due_at=now,
            team=team,
        )
        for place, team in zip(range(number), itertools.cycle(teams), strict=False)
    )
    connections.close_all()


# --- Tidying up ----------------------------------------------------------------------------------
def keeping(size: int) -> list[Figure]:
    """How long one batch keeps other writers waiting, in a database full of what is too old."""
    prepare()
    _fill(size)
    figures = []
    for name in ("messages", "lines"):
        took = _batches(name)
        what = f"delete old {name} beside {size:,}, one batch"
        figures.append(Figure(f"{what}, p50", ms(percentile(took, 50))))
        figures.append(Figure(f"{what}, slowest of {len(took)}", ms(max(took)), "under 50 ms"))
    return figures


def _batches(name: str) -> list[float]:
    from django.utils import timezone

    from pagerpal import forgetting

    find = getattr(forgetting, name)
    took = []
    for _ in range(BATCHES):
        batch = find(timezone.now())
        if not batch.looked_at:
            break
        begun = time.monotonic()
        forgetting.take(batch)
        took.append(time.monotonic() - begun)
    return took


def _fill(size: int) -> None:
    """Resolved incidents of last year, each with ten messages and ten lines."""
    from django.db import connection, connections
    from django.utils import timezone

    from incidents.models import Incident, TimelineEntry
    from notifications.models import DeliveryEvent, Notification
    from pagerpal.bench.stored import copy
    from schedules.models import Team

    at = timezone.now() - timedelta(days=500)
    _make_due(1, "old")
    message = Notification.objects.get()
    fields = {"state": "sent", "due_at": at, "created_at": at, "settled_at": at}
    fields |= {"thread": "incident:1", "rendered": {"title": "x" * 80, "body": "y" * 400}}
    Notification.objects.update(**fields)
    message.refresh_from_db()
    incident = Incident.objects.create(
        team=Team.objects.all()[0], title="Old", state="resolved", opened_at=at, resolved_at=at
    )
    line = TimelineEntry.objects.create(incident=incident, kind="paged", text="x" * 120, at=at)
    event = DeliveryEvent.objects.create(notification=message, kind="sent", at=at)
    incidents = size // 10
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET statement_timeout = 0")
        copy(cursor, incident, incidents, {})
        first = incident.pk
        copy(cursor, line, size, {"incident_id": f"{first} + 1 + number / 10"})
        thread = {"thread": f"'incident:' || ({first} + 1 + number / 10)"}
        copy(cursor, message, size, thread | {"key": "'old-' || number"})
        copy(cursor, event, size, {"notification_id": f"{message.pk} + number"})
        cursor.execute("ANALYZE")
    connections.close_all()
