"""Whether programs of this installation run: not while its database is taken from under them."""

from __future__ import annotations

import socket
import sqlite3
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

from django.conf import settings
from django.db import DatabaseError, connection, transaction

from pagerpal.models import WorkerHeartbeat

FRESH_FOR = timedelta(seconds=30)


def found(now: datetime) -> list[str]:
    """What runs, in sentences; empty when nothing does."""
    return [*_workers(now), *_web(), *_users()]


def _workers(now: datetime) -> list[str]:
    try:
        with transaction.atomic():
            fresh = WorkerHeartbeat.objects.filter(beat_at__gt=now - FRESH_FOR)
            names = list(fresh.values_list("name", flat=True))
    except DatabaseError:  # an empty database
        return []
    return [f"worker {name} wrote its row within {FRESH_FOR.seconds} s" for name in names]


def _web() -> list[str]:
    host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(settings.PAGERPAL_BIND)  # noqa: S104
    try:
        with socket.create_connection((host or settings.PAGERPAL_BIND, settings.PAGERPAL_PORT), 1):
            return [f"something listens on port {settings.PAGERPAL_PORT}"]
    except OSError:
        return []


def _users() -> list[str]:
    if connection.vendor == "postgresql":
        with connection.cursor() as cursor:
            cursor.execute(
                "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() "
                "AND pid <> pg_backend_pid() AND backend_type = 'client backend'"
            )
            others = cursor.fetchone()[0]
        return [f"{others} other connections use the database"] if others else []
    connection.close()
    path = Path(str(connection.settings_dict["NAME"]))
    if not path.is_file():
        return []
    with closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as alone:
        try:
            # Granted only to the one connection that there is.
            alone.execute("PRAGMA locking_mode=EXCLUSIVE")
            alone.execute("BEGIN EXCLUSIVE")
            alone.execute("ROLLBACK")
        except sqlite3.OperationalError:
            return ["another program uses the database"]
    return []
