"""What opens and closes again and again within minutes is held as one incident."""

from __future__ import annotations

from datetime import datetime


def count_due(now: datetime) -> int:
    return 0


def settle_due(now: datetime) -> int:
    return 0
