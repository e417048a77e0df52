"""Trying how a person is reached: one address, or all of their rules."""

from __future__ import annotations

from datetime import datetime

import pytest

from notifications import trials
from notifications.channels.base import SendError
from notifications.limits import Refused
from notifications.models import ContactMethod, NotificationRule
from notifications.tests.pages import rows, send_all
from pagerpal.testing import NOON, Recorder, make_user, minutes, seconds
from schedules.models import User

pytestmark = pytest.mark.django_db


@pytest.fixture
def alice() -> User:
    return make_user("alice", email=True)


def states(user: User, now: datetime) -> list[tuple[str, str]]:
    found = trials.progress(user, now=now)
    return [(row["label"], row["state"]) for row in found.rows]


def test_one_address_is_tried_verified_or_not(recorder: Recorder, alice: User) -> None:
    trials.try_address(alice.contact_methods.get(channel="ntfy"), now=NOON)
    send_all(NOON)

    message = recorder.take("topic-alice")
    assert message.title == "TEST from PagerPal"
    assert "nothing is wrong" in message.body
    assert not message.answer_url
    assert states(alice, NOON) == [("Recorder", "sent")]


def test_an_address_is_tried_once_a_minute_and_not_while_it_is_off(alice: User) -> None:
    method = alice.contact_methods.get(channel="ntfy")
    trials.try_address(method, now=NOON)

    with pytest.raises(Refused, match="Again in 50 seconds"):
        trials.try_address(method, now=NOON + seconds(10))
    ContactMethod.objects.update(is_on=False)
    with pytest.raises(Refused, match="switched off"):
        trials.try_address(method, now=NOON + minutes(2))


def test_a_run_follows_the_rules_for_high_urgency_and_says_test(
    recorder: Recorder, alice: User
) -> None:
    ntfy, mail = alice.contact_methods.order_by("-channel")
    NotificationRule.objects.create(user=alice, contact_method=ntfy, repeats=1)
    NotificationRule.objects.create(user=alice, contact_method=mail, delay=minutes(3))
    NotificationRule.objects.create(user=alice, contact_method=mail, urgency="low")

    trials.page_now(alice, now=NOON)
    send_all(NOON + minutes(3))

    message = recorder.take("topic-alice")
    assert message.title == "TEST Would this have woken you?"
    assert message.priority == 5
    assert [to for _, to, _ in recorder.take_all()].count("alice@example.org") == 1
    assert [row.purpose for row in rows()] == ["test"] * 3


def test_nobody_else_gets_anything(recorder: Recorder, alice: User) -> None:
    make_user("bob")

    trials.page_now(alice, now=NOON)
    send_all(NOON + minutes(10))

    assert {to for _, to, _ in recorder.take_all()} == {"topic-alice", "alice@example.org"}


def test_a_failing_address_brings_the_next_one_forward_as_it_would_for_real(
    recorder: Recorder, alice: User
) -> None:
    recorder.broken["ntfy"] = SendError("no such topic", permanent=True)

    trials.page_now(alice, now=NOON)
    send_all(NOON)

    recorder.take("alice@example.org", "email")
    shown = [row for row in trials.progress(alice, now=NOON).rows if row["state"] == "failed"]
    assert "no such topic" in shown[0]["outcome"]


def test_i_got_it_ends_the_rest(recorder: Recorder, alice: User) -> None:
    trials.page_now(alice, now=NOON)
    send_all(NOON)
    recorder.take("topic-alice")

    assert trials.stop(alice, now=NOON + seconds(20)) == 6
    send_all(NOON + minutes(10))

    assert recorder.take("topic-alice").clears
    assert {state for _, state in states(alice, NOON + minutes(1))} == {"sent", "cancelled"}
    assert trials.stop(alice, now=NOON + minutes(1)) == 0


def test_one_run_at_a_time_and_six_an_hour(alice: User) -> None:
    for number in range(6):
        trials.page_now(alice, now=NOON + minutes(number))
        with pytest.raises(Refused, match="running already"):
            trials.page_now(alice, now=NOON + minutes(number))
        trials.stop(alice, now=NOON + minutes(number))

    with pytest.raises(Refused, match="within an hour"):
        trials.page_now(alice, now=NOON + minutes(10))
    trials.page_now(alice, now=NOON + minutes(61))


def test_whoever_has_no_address_hears_so(alice: User) -> None:
    ContactMethod.objects.update(is_on=False)

    with pytest.raises(Refused, match="no contact method"):
        trials.page_now(alice, now=NOON)


def test_the_progress_is_the_same_until_something_happens(recorder: Recorder, alice: User) -> None:
    trials.page_now(alice, now=NOON)
    before = trials.progress(alice, now=NOON)
    again = trials.progress(alice, now=NOON + seconds(2))
    send_all(NOON)
    after = trials.progress(alice, now=NOON + seconds(4))

    recorder.take("topic-alice")
    assert before.seen == again.seen != after.seen
    assert before.is_running


def test_the_progress_says_after_how_long_each_was_sent(recorder: Recorder, alice: User) -> None:
    trials.page_now(alice, now=NOON)
    send_all(NOON + seconds(1))
    send_all(NOON + seconds(61))

    recorder.take_all()
    shown = trials.progress(alice, now=NOON + seconds(62)).rows
    assert [row["after"] for row in shown[:3]] == [seconds(1), seconds(61), None]


def test_the_link_of_a_run_is_good_for_that_run_only(alice: User) -> None:
    trials.page_now(alice, now=NOON)
    token = rows()[0].context["answer_path"].rpartition("/")[2]

    assert trials.read_token(token) == alice
    trials.stop(alice, now=NOON)
    trials.page_now(alice, now=NOON + minutes(1))
    assert trials.read_token(token) is None
    assert trials.read_token(f"{token}x") is None
