"""What one address gets at most, and how the rest waits."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from notifications import address_limits, dispatch, outbox
from notifications.address_limits import Limit, limit_of
from notifications.channels.base import SendError
from notifications.models import DeliveryEvent, Notification
from notifications.tests.pages import claim, events, first, rows, send, send_all, stored
from pagerpal.testing import NOON, Recorder, make_user, minutes, seconds
from schedules.models import User

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _few(settings: Any) -> None:
    settings.ADDRESS_LIMITS = {"ntfy": (3, 5)}


def had(user: User, *ages: float) -> None:
    """A message was taken so many seconds ago, for each of these."""
    for place, age in enumerate(ages):
        row = first(user, ref=f"had:{place}", thread=f"had:{place}", urgency="low")
        Notification.objects.filter(pk=row.pk).update(
            state="sent", settled_at=NOON - seconds(age), attempts=1
        )


def due(user: User, name: str = "new", **fields: Any) -> Notification:
    values: dict[str, Any] = {"urgency": "low", "rank": 1, **fields}
    return first(user, ref=name, thread=name, **values)


def test_within_the_limit_nothing_waits(recorder: Recorder) -> None:
    alice = make_user()
    had(alice, 10, 20, 61)

    assert send(due(alice))

    recorder.take("topic-alice")


def test_past_a_minutes_limit_all_that_waits_comes_as_one_message(recorder: Recorder) -> None:
    alice = make_user()
    had(alice, 10, 20, 45)
    found = [due(alice, f"n{number}") for number in range(4)]

    assert send_all(NOON) == 1  # one look puts them off

    recorder.expect_none()
    assert {stored(row).due_at for row in found} == {NOON + seconds(15)}
    assert {stored(row).attempts for row in found} == {0}
    send_all(NOON + seconds(15))
    assert recorder.take("topic-alice").title.startswith("4 incidents")
    assert {stored(row).state for row in found} == {"sent"}


def test_the_history_says_once_why_it_waits(recorder: Recorder) -> None:
    alice = make_user()
    had(alice, 10, 20, 45)
    row = due(alice)

    send(row)
    Notification.objects.filter(pk=row.pk).update(due_at=NOON)
    send(row)

    (event,) = DeliveryEvent.objects.filter(notification=row)
    assert (event.kind, event.at) == ("waits", NOON)
    assert event.text == stored(row).outcome
    assert "this address had 3 messages within a minute" in event.text


def test_past_an_hours_limit_one_goes_each_two_minutes(recorder: Recorder) -> None:
    alice = make_user()
    had(alice, 90, 600, 700, 800, 900)
    row = due(alice)

    assert not send(row)

    assert stored(row).due_at == NOON + seconds(30)
    assert "5 messages within an hour" in stored(row).outcome
    assert send(row, now=NOON + seconds(30))
    recorder.take("topic-alice")


def test_the_first_page_of_a_critical_incident_is_never_held_back(recorder: Recorder) -> None:
    alice = make_user()
    had(alice, *range(10))
    other = due(alice, "other")
    critical = due(alice, "critical", rank=0)

    assert send_all(NOON) == 1

    assert stored(critical).state == "sent"
    assert stored(other).state == "sent"  # it goes along
    recorder.take("topic-alice")


def test_it_is_left_where_it_is_when_others_are_put_off(recorder: Recorder) -> None:
    alice = make_user()
    had(alice, 1, 2, 3)
    other, critical = due(alice, "other"), due(alice, "critical", rank=0)

    send(other)

    assert (stored(other).due_at, stored(critical).due_at) == (NOON + seconds(57), NOON)
    send_all(NOON)
    recorder.take("topic-alice")


def test_its_repeats_wait_like_everything_else(recorder: Recorder) -> None:
    alice = make_user()
    critical = due(alice, "critical", rank=0, urgency="high")
    send(critical)
    recorder.take("topic-alice")
    had(alice, *range(3))
    again = rows(ref="critical")[1]
    Notification.objects.filter(pk=again.pk).update(due_at=NOON)

    assert not send(again)

    assert events(again) == ["waits"]


@pytest.mark.parametrize("what", ["again", "test", "program"])
def test_what_somebody_asked_for_and_what_programs_read_never_waits(
    recorder: Recorder, settings: Any, what: str
) -> None:
    alice = make_user()
    had(alice, *range(10))
    row = due(alice, purpose="test" if what == "test" else "page")
    if what == "again":
        row = outbox.send_again(row, alice, now=NOON)
    if what == "program":
        settings.ADDRESS_LIMITS = {}
        Notification.objects.update(channel="webhook")

    assert send(row)

    assert len(recorder.take_all()) == 1


def test_several_in_one_count_once(recorder: Recorder) -> None:
    alice = make_user()
    for number in range(8):
        due(alice, f"n{number}")
    send_all(NOON)
    recorder.take("topic-alice")

    assert address_limits.wait_for("ntfy", "topic-alice", NOON) is None


def test_what_failed_does_not_count(recorder: Recorder) -> None:
    recorder.broken["ntfy"] = SendError("HTTP 400", permanent=True)
    alice = make_user()
    for number in range(6):
        send(due(alice, f"n{number}"))

    assert address_limits.wait_for("ntfy", "topic-alice", NOON) is None


def test_taking_messages_off_the_phone_does_not_count(recorder: Recorder) -> None:
    alice = make_user()
    had(alice, *range(10))
    for row in rows():
        Notification.objects.filter(pk=row.pk).update(key=f"clear:{row.key}")

    assert address_limits.wait_for("ntfy", "topic-alice", NOON) is None


def test_a_call_under_way_may_count_soon(recorder: Recorder) -> None:
    alice = make_user()
    had(alice, 1, 2)
    claim(due(alice, "busy"))

    wait = address_limits.wait_for("ntfy", "topic-alice", NOON)

    assert wait is not None
    assert wait.until == NOON + seconds(10)


def test_another_address_is_another_matter(recorder: Recorder) -> None:
    had(make_user(), *range(10))

    assert send(due(make_user("bob")))

    recorder.take("topic-bob")


def test_limits_are_adjustable_by_kind(settings: Any) -> None:
    settings.ADDRESS_LIMITS = {"sms": (1, 2)}

    assert limit_of("sms") == Limit(1, 2)
    assert str(limit_of("ntfy")) == "10 a minute, 60 an hour"
    assert limit_of("webhook") is None


def test_the_newest_and_worst_go_first_after_an_outage(recorder: Recorder) -> None:
    late = NOON + minutes(20)
    names = [("old", 1), ("worst", 0), ("new", 1)]
    for name, rank in names:
        due(make_user(name), name, rank=rank)

    while dispatch.send_best_due(late, seconds=8):
        pass

    assert [to for _, to, _ in recorder.take_all()] == ["topic-worst", "topic-new", "topic-old"]
    assert events(rows()[0]) == ["sent"]


def test_a_persons_page_shows_the_limit_and_what_waits(recorder: Recorder, client: Client) -> None:
    alice = make_user()
    had(alice, 1, 2, 3)
    for name in ("a", "b"):
        due(alice, name)
    send_all(NOON)
    Notification.objects.filter(state="pending").update(due_at=timezone.now() + minutes(1))
    client.force_login(alice)

    page = client.get("/me").content.decode()

    assert "At most 3 a minute, 5 an hour; what is more comes as one message." in page
    assert "2 wait for that now." in page
