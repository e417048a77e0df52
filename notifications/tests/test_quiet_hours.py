"""What waits while somebody sleeps, and what does not."""

from __future__ import annotations

from datetime import datetime, time, timedelta

import pytest

from notifications import outbox, reminders
from notifications.models import ContactMethod, NotificationRule
from notifications.outbox import Note
from notifications.tests.pages import page, rows
from pagerpal.testing import NOON, at, make_rotation, make_team, make_user, minutes
from schedules.models import Rotation, User

pytestmark = pytest.mark.django_db
NIGHT = at("2026-11-24 01:00")
MORNING = at("2026-11-24 06:00")


@pytest.fixture
def alice() -> User:
    """Sleeps from 21:00 to 06:00 UTC."""
    return make_user(
        email=True, time_zone="Europe/Berlin", quiet_from=time(22), quiet_until=time(7)
    )


def due() -> list[tuple[str, datetime]]:
    return [(row.channel, row.due_at) for row in rows(state="pending")]


def note(due_at: datetime, void_at: datetime) -> Note:
    return Note("notice", "thing:1", "notice:1", None, {}, due_at, void_at)


def test_a_page_of_low_urgency_is_due_at_the_end_of_the_quiet_hours(alice: User) -> None:
    written = page(alice, urgency="low", now=NIGHT)

    assert due() == [("ntfy", MORNING), ("email", MORNING + minutes(5))]
    assert written.earliest_due == MORNING


def test_a_page_of_high_urgency_waits_for_nothing(alice: User) -> None:
    page(alice, now=NIGHT)

    assert due()[0] == ("ntfy", NIGHT)


def test_a_call_that_would_fall_into_the_quiet_hours_waits_too(alice: User) -> None:
    page(alice, urgency="low", now=at("2026-11-23 20:57"))

    assert due() == [("ntfy", at("2026-11-23 20:57")), ("email", MORNING)]


def test_repeats_keep_their_distance_in_the_morning(alice: User) -> None:
    ntfy = alice.contact_methods.get(channel="ntfy")
    NotificationRule.objects.create(user=alice, contact_method=ntfy, urgency="low", repeats=2)

    page(alice, urgency="low", now=NIGHT)

    assert [at for _, at in due()] == [MORNING + minutes(number) for number in range(3)]


def test_a_note_waits_for_the_morning(alice: User) -> None:
    outbox.tell(alice, note(NIGHT, NIGHT + timedelta(days=1)), now=NIGHT)

    assert due()[0] == ("ntfy", MORNING)


def test_a_note_that_is_void_by_the_morning_is_said_at_once(alice: User) -> None:
    outbox.tell(alice, note(NIGHT, MORNING), now=NIGHT)

    assert due()[0] == ("ntfy", NIGHT)


@pytest.fixture
def early_shift(alice: User) -> Rotation:
    """Begins at 03:00 in alice's night; she wants to hear of it two hours before."""
    User.objects.update(remind_hours=2)
    return make_rotation(make_team("Platform", alice), alice, unit="days", handover_time=time(2))


def test_a_reminder_of_a_shift_in_the_night_comes_in_the_evening(
    alice: User, early_shift: Rotation
) -> None:
    Rotation.objects.update(starts_on=NIGHT.date())

    reminders.plan(at("2026-11-23 20:30"))
    reminders.plan(at("2026-11-23 20:31"))

    assert due()[0] == ("ntfy", at("2026-11-23 20:55"))


def test_an_unverified_address_comes_after_the_verified_ones() -> None:
    alice = make_user(email=True)
    ContactMethod.objects.filter(channel="email").update(verified_at=NOON)

    page(alice, urgency="low")

    assert due() == [("email", NOON), ("ntfy", NOON + minutes(1))]


def test_rules_cannot_put_an_unverified_address_first() -> None:
    alice = make_user(email=True)
    for method in alice.contact_methods.all():
        delay = minutes(3) if method.channel == "email" else minutes(0)
        NotificationRule.objects.create(user=alice, contact_method=method, delay=delay)
    ContactMethod.objects.filter(channel="email").update(verified_at=NOON)

    page(alice)

    assert due() == [("email", NOON + minutes(3)), ("ntfy", NOON + minutes(4))]


def test_a_note_is_told_to_the_verified_address() -> None:
    alice = make_user(email=True)
    ContactMethod.objects.filter(channel="email").update(verified_at=NOON)

    outbox.tell(alice, note(NOON, NOON + timedelta(days=1)), now=NOON)

    assert due()[0] == ("email", NOON)
