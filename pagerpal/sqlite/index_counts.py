"""Lets SQLite count what its indexes hold; unlike PostgreSQL it never does so by itself.

Without that it takes an index of which every row has the same value for as good as any other, and
reads all incidents that ever were where those of a week were asked for.
"""

from __future__ import annotations

from datetime import datetime

from django.db import connection


def renew(now: datetime) -> None:
    """Count index by index, as writers wait while one is counted."""
    if connection.vendor != "sqlite":
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT name FROM sqlite_master WHERE type = 'index'")
        for (name,) in cursor.fetchall():
            cursor.execute(f"ANALYZE {connection.ops.quote_name(name)}")
