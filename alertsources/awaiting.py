"""A test that a source's own sender is about to send: the next message that fires is it, once.

For senders whose tests look like real alerts. Somebody says so beforehand and is paged by it, so
that a real alert that comes first wakes at least them.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from alertsources import trying
from alertsources.cleaning import CleanAlert
from alertsources.models import Alert, AlertSource
from alertsources.reading import Reading
from alertsources.senders import Sender
from alertsources.trying import NotTried
from schedules.models import User

AWAITED_FOR = timedelta(minutes=10)


def await_test(source: AlertSource, by: User, *, now: datetime) -> None:
    """Take what fires next, within ten minutes, for a test that pages only `by`."""
    if not source.is_active:
        raise NotTried(f"{source.name} is switched off: what it sends is refused.")
    AlertSource.objects.filter(pk=source.pk).update(
        test_awaited_until=now + AWAITED_FOR, test_awaited_by=by
    )


def stop(source: AlertSource) -> None:
    AlertSource.objects.filter(pk=source.pk).update(test_awaited_until=None, test_awaited_by=None)


def switch(source: AlertSource, by: User, *, is_on: bool, now: datetime) -> str:
    """Wait for a test, or wait no longer; what that means, for whoever pressed."""
    if not is_on:
        stop(source)
        return f"What {source.name} sends next pages as always."
    await_test(source, by, now=now)
    return (
        f"The next message of {source.name} that fires within 10 minutes is a test "
        "and pages you only."
    )


def alerts_of(sender: Sender, read: Reading, *, now: datetime) -> tuple[list[CleanAlert], bool]:
    """The alerts of a message, and whether it is the test that is awaited.

    Of two messages at once one is it. What is wholly or partly unreadable never is, nor is what
    its sender marks as a test by itself, nor what fires already.
    """
    if not sender.awaits_test or read.troubles:
        return read.alerts, False
    firing = [alert for alert in read.alerts if alert.is_firing]
    known = Alert.objects.firing().filter(live_key__in=[alert.live_key for alert in firing])
    if not firing or firing[0].is_test or known.exists():
        return read.alerts, False
    by = _claim(sender.source, now)
    if by is None:
        return read.alerts, False
    over = [alert for alert in read.alerts if not alert.is_firing]
    return [*over, *trying.as_tests(firing, by, now=now)], True


def _claim(source: AlertSource, now: datetime) -> User | None:
    """Whom the test pages, if nobody else was faster and they are still here."""
    rows = AlertSource.objects.filter(pk=source.pk, test_awaited_until__gt=now)
    row = rows.select_related("test_awaited_by").first()
    by = row.test_awaited_by if row else None
    if by is None or not by.is_active or not rows.update(test_awaited_until=None):
        return None
    return by
