"""When to look for the receipt of a message; pure."""

from __future__ import annotations

from datetime import datetime, timedelta

from notifications.channels.base import reporting

# After it was sent; most receipts come within seconds, what has none after an hour gets none.
LOOKS = tuple(timedelta(seconds=number) for number in (10, 30, 60, 120, 300, 900, 3600))


def receipt_within(provider: str) -> timedelta | None:
    """How long a receipt of this provider may take; None where none is given."""
    channel = reporting(provider)
    return channel.receipt_within if channel else None


def next_look(provider: str, sent_at: datetime, now: datetime) -> datetime | None:
    """When to look next; None when there is nothing more to wait for."""
    within = receipt_within(provider)
    if within is None:
        return None
    return min(
        (sent_at + after for after in {*LOOKS, within} if sent_at + after > now), default=None
    )


def is_late(provider: str, sent_at: datetime, look_at: datetime, now: datetime) -> bool:
    """Whether the look planned for `look_at`, made now, is the first after the time is up."""
    within = receipt_within(provider)
    return within is not None and look_at <= sent_at + within <= now
