"""What the tests of this floor share."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from notifications.models import Notification
from notifications.signals import notification_settled, threads_touched


@pytest.fixture
def heard() -> Iterator[list[tuple[str, Any]]]:
    """What the floor above hears, in order."""
    calls: list[tuple[str, Any]] = []

    def touched(*, threads: list[str], **_: Any) -> None:
        calls.append(("touched", threads))

    def settled(*, notification: Notification, **_: Any) -> None:
        calls.append(("settled", notification.state))

    threads_touched.connect(touched)
    notification_settled.connect(settled)
    yield calls
    threads_touched.disconnect(touched)
    notification_settled.disconnect(settled)


@pytest.fixture(autouse=True)
def _calls_end_with_their_test() -> Iterator[None]:
    """One that was given up ends when its server does: before the next test, not during it."""
    yield
    for thread in threading.enumerate():
        if thread.name == "provider-call":
            thread.join(5)
