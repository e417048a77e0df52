"""Trouble is said; quiet by setting is not trouble."""

from __future__ import annotations

from typing import Any

import pytest

from notifications.health import health
from notifications.models import Notification, ProviderState
from notifications.tests.pages import first
from pagerpal.testing import NOON, make_user, minutes, seconds

pytestmark = pytest.mark.django_db


def test_nothing_to_say_is_health() -> None:
    first(make_user())

    assert health(NOON + minutes(1)) == []


def test_what_nobody_sends_for_two_minutes_is_trouble() -> None:
    first(make_user(), urgency="low")

    (trouble,) = health(NOON + minutes(2) + seconds(1))

    assert "1 message, the oldest since 2026-11-23 12:00 UTC" in trouble


def test_what_waits_because_sending_is_switched_off_is_no_trouble(settings: Any) -> None:
    settings.NOTIFICATION_RETRY_WORKER_ENABLED = False
    first(make_user(), urgency="low")

    assert health(NOON + minutes(60)) == []


def test_a_lease_that_nobody_resets_is_trouble() -> None:
    row = first(make_user(), urgency="low")
    Notification.objects.filter(pk=row.pk).update(state="sending", lease_until=NOON)

    assert health(NOON + minutes(1)) == []
    assert "worker has died" in health(NOON + minutes(3))[0]


def test_it_is_trouble_when_no_provider_in_use_answers(settings: Any) -> None:
    settings.NOTIFICATION_SENDING_ENABLED = True
    settings.SMTP_HOST, settings.SMTP_FROM = "mail.example.org", "pager@example.org"
    make_user(email=True)
    ProviderState.objects.create(provider="ntfy", timeouts=3, probe_at=NOON)

    assert health(NOON) == []
    ProviderState.objects.create(provider="email", timeouts=3, probe_at=NOON)
    assert health(NOON) == ["No provider answers: email, ntfy."]
    settings.NOTIFICATION_SENDING_ENABLED = False
    assert health(NOON) == []
