"""What a scrape of /metrics costs beside a long history of messages."""

from __future__ import annotations

import statistics
import time
from datetime import datetime

from pagerpal.bench.site import Figure


def measure(size: int) -> list[Figure]:
    """On a fresh database, which is given so many messages, all of the last hour."""
    import django

    django.setup()
    from django.core.management import call_command
    from django.test import Client
    from django.utils import timezone

    call_command("migrate", verbosity=0)
    _fill(size, timezone.now())
    client = Client(HTTP_HOST="127.0.0.1")
    taken = []
    for _ in range(20):
        begun = time.perf_counter()
        assert client.get("/metrics").status_code == 200  # noqa: S101
        taken.append(1000 * (time.perf_counter() - begun))
    what = f"a scrape beside {size:,} messages of the last hour, in a row"
    return [
        Figure(what, f"{statistics.median(taken[1:]):.0f} ms", "under 100 ms"),
        Figure("the slowest of 19; the first, which loads the library",
               f"{max(taken[1:]):.0f}; {taken[0]:.0f} ms", "under 100 ms"),
    ]  # fmt: skip


def _fill(size: int, now: datetime) -> None:
    from django.db import connection, connections

    from notifications.models import Notification
    from pagerpal.bench.stored import copy
    from schedules.models import Team, User

    user = User.objects.create_user("p@example.org", name="p")
    team = Team.objects.create(name="Bench")
    row = Notification.objects.create(
        purpose="page", thread="incident:1", key="first", user=user, team=team, channel="ntfy",
        address="topic", state="sent", due_at=now, created_at=now, settled_at=now,
        context={"title": "Disk full on db-6", "detail": "97 % of /var " * 20},
    )  # fmt: skip
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SET statement_timeout = 0")
        copy(cursor, row, size, {"key": "'past-' || number", "thread": "'incident:' || number"})
        cursor.execute("ANALYZE")
    connections.close_all()
