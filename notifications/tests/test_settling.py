"""Tries, next methods, last hopes, lapsed leases, and who hears of them."""

from __future__ import annotations

from typing import Any

import pytest

from notifications import claims, dispatch, outbox, settling
from notifications.channels.base import Message, SendError
from notifications.models import (
    Notification,
)
from notifications.signals import notification_settled
from notifications.tests.pages import (
    cancel,
    claim,
    events,
    first,
    page,
    rows,
    send,
    send_all,
    stored,
    try_until_settled,
)
from pagerpal.testing import NOON, Recorder, make_user, minutes, seconds

pytestmark = pytest.mark.django_db


def test_temporary_trouble_is_tried_with_growing_pauses_five_times(recorder: Recorder) -> None:
    recorder.broken["ntfy"] = SendError("HTTP 500")
    row = first(make_user(), urgency="low")

    pauses = []
    now = NOON
    for _ in range(4):
        send(row, now=now)
        pauses.append((stored(row).due_at - now).total_seconds())
        now = stored(row).due_at
    send(row, now=now)

    planned = [5, 20, 60, 180]
    assert all(0.8 * p <= pause <= 1.2 * p for p, pause in zip(planned, pauses, strict=True))
    assert (stored(row).state, stored(row).attempts) == ("failed", 5)
    assert stored(row).outcome == "HTTP 500"
    assert events(row) == ["retry"] * 4 + ["failed"]


@pytest.mark.parametrize(("reached", "fourth"), [(False, 60), (True, 180)])
def test_a_page_is_tried_each_minute_while_its_incident_has_reached_nobody(
    recorder: Recorder, reached: bool, fourth: int
) -> None:
    if reached:
        send(first(make_user("bob"), ref="page:2"))
        recorder.take("topic-bob")
    row = first(make_user())
    recorder.broken["ntfy"] = SendError("HTTP 500")
    now = NOON
    for _ in range(4):
        send(row, now=now)
        pause, now = stored(row).due_at - now, stored(row).due_at

    assert seconds(0.8 * fourth) <= pause <= seconds(1.2 * fourth)


def test_tries_end_ten_minutes_after_the_first(recorder: Recorder) -> None:
    recorder.broken["ntfy"] = SendError("HTTP 500")
    row = first(make_user(), urgency="low")
    send(row)

    send(row, now=NOON + minutes(10))

    assert (stored(row).state, stored(row).attempts) == ("failed", 2)


def test_the_provider_says_how_long_to_wait(recorder: Recorder) -> None:
    recorder.broken["ntfy"] = SendError("HTTP 429", retry_after=2)
    row = first(make_user(), urgency="low")

    send(row)

    assert seconds(2) <= stored(row).due_at - NOON <= seconds(2.5)
    recorder.broken.clear()
    send(row, now=stored(row).due_at)
    assert stored(row).state == "sent"
    recorder.take("topic-alice")


def test_a_wait_longer_than_the_tries_last_is_a_failure_now(recorder: Recorder) -> None:
    recorder.broken["ntfy"] = SendError("HTTP 429", retry_after=3600)
    row = first(make_user(), urgency="low")

    send(row)

    assert stored(row).state == "failed"


def test_a_refusal_for_good_fails_the_repeats_with_it(recorder: Recorder) -> None:
    recorder.broken["ntfy"] = SendError("HTTP 401", permanent=True)
    bob = make_user("bob")
    first(bob, ref="page:1")  # somebody else who can still be reached
    row = first(make_user("alice"))

    send(row)

    mine = rows(ref="page:981")
    assert [one.state for one in mine] == ["failed"] * 6
    assert mine[1].outcome == "not tried, an earlier one was refused: HTTP 401"
    assert outbox.outcome(["page:981"]) == outbox.Outcome(taken=0, unfinished=0, failed=6)


def test_the_first_failure_pulls_the_next_method_forward(recorder: Recorder) -> None:
    recorder.broken["ntfy"] = SendError("HTTP 500")
    row = first(make_user(email=True))

    send(row)

    mail = rows(channel="email")[0]
    assert (mail.due_at, mail.due_before_pull) == (NOON, NOON + minutes(5))
    assert events(mail) == ["pulled"]
    assert send_all(NOON) == 1
    recorder.take("alice@example.org", "email")


def test_a_pulled_method_is_pulled_once(recorder: Recorder) -> None:
    recorder.broken["ntfy"] = SendError("HTTP 500")
    row = first(make_user(email=True), urgency="low")
    send(row)
    Notification.objects.filter(channel="email").update(due_at=NOON + minutes(3))

    send(row, now=stored(row).due_at)

    assert stored(row).attempts == 2
    assert rows(channel="email")[0].due_at == NOON + minutes(3)


def test_the_first_success_puts_the_pulled_one_back(recorder: Recorder) -> None:
    recorder.broken["ntfy"] = SendError("HTTP 500")
    row = first(make_user(email=True), urgency="low")
    send(row)
    recorder.broken.clear()

    send(row, now=NOON + seconds(10))

    mail = rows(channel="email")[0]
    assert stored(row).state == "sent"
    assert (mail.due_at, mail.due_before_pull) == (NOON + minutes(5), None)
    recorder.take("topic-alice")


def test_whoever_was_reached_is_not_hurried(recorder: Recorder) -> None:
    alice = make_user(email=True)
    row = first(alice)
    send(row)
    recorder.broken["ntfy"] = SendError("HTTP 500")

    send(rows()[1], now=NOON + minutes(1))

    assert rows(channel="email")[0].due_at == NOON + minutes(5)
    recorder.take("topic-alice")


def test_after_an_outage_one_of_the_late_repeats_goes_out(recorder: Recorder) -> None:
    page(make_user(email=True))
    late = NOON + minutes(3)

    send_all(late)

    assert [row.state for row in rows(channel="ntfy")] == ["cancelled"] * 3 + ["sent"] + [
        "pending"
    ] * 2
    first_row = rows(channel="ntfy")[0]
    assert (first_row.cancelled_at, first_row.settled_at) == (late, late)
    assert first_row.outcome == "a later one speaks for it"
    assert rows(channel="email")[0].state == "pending"
    recorder.take("topic-alice")


def test_late_repeats_wait_while_nothing_was_taken(recorder: Recorder) -> None:
    recorder.broken["ntfy"] = SendError("HTTP 500")
    row = first(make_user())

    send(row, now=NOON + minutes(3))

    assert len(rows(state="pending")) == 6


def test_what_somebody_sent_again_goes_out_beside_a_late_page(recorder: Recorder) -> None:
    alice = make_user()
    row = first(alice, urgency="low")
    again = outbox.send_again(row, alice, now=NOON)

    send(row)

    assert stored(again).state == "pending"
    recorder.take("topic-alice")


def test_another_persons_messages_are_left_alone(recorder: Recorder) -> None:
    recorder.broken["ntfy"] = SendError("HTTP 500")
    row = first(make_user("alice"))
    page(make_user("bob", email=True), ref="page:2")

    send(row)

    assert rows(channel="email")[0].due_at == NOON + minutes(5)


def test_the_last_page_of_high_urgency_is_tried_without_end(
    recorder: Recorder, heard: list[tuple[str, Any]]
) -> None:
    recorder.broken["ntfy"] = SendError("HTTP 401", permanent=True)
    row = first(make_user())

    send(row)

    assert (stored(row).state, stored(row).attempts) == ("pending", 5)
    assert stored(row).due_at == NOON + seconds(60)
    assert outbox.outcome(["page:981"]).unfinished == 0
    heard.clear()
    for number in range(1, 30):
        assert send(row, now=NOON + number * seconds(60))
    assert (stored(row).state, stored(row).attempts) == ("pending", 34)
    assert [kind for kind, _ in heard] == ["touched"] * 29  # told once, not each minute


def test_low_urgency_is_not_tried_without_end(recorder: Recorder) -> None:
    recorder.broken["ntfy"] = SendError("HTTP 500")
    row = first(make_user(), urgency="low")

    try_until_settled(row)

    assert (stored(row).state, stored(row).attempts) == ("failed", 5)


def test_a_page_fails_while_another_of_the_thread_has_tries_left(recorder: Recorder) -> None:
    recorder.broken["ntfy"] = SendError("HTTP 401", permanent=True)
    row = first(make_user("alice"))
    page(make_user("bob"), ref="page:2", urgency="high")

    send(row)

    assert stored(row).state == "failed"


def test_the_last_hope_ends_unsent_when_another_page_was_taken(recorder: Recorder) -> None:
    recorder.broken["ntfy"] = SendError("HTTP 401", permanent=True)
    row = first(make_user("alice"))
    send(row)
    recorder.broken.clear()
    send(first(make_user("bob"), ref="page:2"))
    recorder.take("topic-bob")

    send(row, now=NOON + minutes(1))

    assert stored(row).state == "failed"
    assert "not needed" in stored(row).outcome


def test_one_address_has_one_last_hope(recorder: Recorder) -> None:
    recorder.broken["ntfy"] = SendError("HTTP 401", permanent=True)
    alice = make_user()
    send(first(alice, ref="page:1"))

    later = first(alice, ref="page:2", now=NOON + minutes(5))
    send(later, now=NOON + minutes(5))

    assert stored(later).state == "failed"
    assert len(rows(state="pending")) == 1


def test_what_somebody_sent_again_is_not_tried_without_end(recorder: Recorder) -> None:
    recorder.broken["ntfy"] = SendError("HTTP 401", permanent=True)
    alice = make_user()
    row = first(alice)
    outbox.cancel(row.thread, purposes=["page"], now=NOON, reason="over")

    again = outbox.send_again(row, alice, now=NOON)
    send(again)

    assert stored(again).state == "failed"


def test_a_row_whose_worker_died_goes_out_again_with_the_same_key(
    recorder: Recorder, heard: list[tuple[str, Any]]
) -> None:
    row = first(make_user(email=True), urgency="low")
    claim(row)
    later = NOON + seconds(31)

    assert dispatch.reset_lapsed(NOON + seconds(30)) == 0
    assert dispatch.reset_lapsed(later) == 1

    assert (stored(row).state, stored(row).due_at) == ("pending", later)
    assert events(row) == ["lapsed"]
    assert rows(channel="email")[0].due_at == later
    assert heard == [("touched", [row.thread]), ("settled", "pending")]
    send(row, now=later)
    assert recorder.take("topic-alice").key == row.key
    assert stored(row).attempts == 2


def test_what_a_worker_whose_clock_was_ahead_left_goes_out_again_soon(recorder: Recorder) -> None:
    row = first(make_user(), urgency="low")
    Notification.objects.filter(pk=row.pk).update(
        state="sending", attempts=1, lease_until=NOON + minutes(60)
    )

    assert claims.shorten_leases(NOON) == 1
    assert claims.shorten_leases(NOON) == 0
    assert dispatch.reset_lapsed(NOON + seconds(29)) == 0  # it may be alive, and in a call
    assert dispatch.reset_lapsed(NOON + seconds(31)) == 1

    send(row, now=NOON + seconds(31))
    assert recorder.take("topic-alice").key == row.key


def test_a_lapsed_row_that_was_cancelled_is_over(recorder: Recorder) -> None:
    row = first(make_user(), urgency="low")
    claim(row)
    cancel(row)

    dispatch.reset_lapsed(NOON + seconds(31))

    assert stored(row).state == "cancelled"
    assert send_all(NOON + minutes(5)) == 0


def test_five_dead_workers_are_enough(recorder: Recorder) -> None:
    row = first(make_user(), urgency="low")
    Notification.objects.filter(pk=row.pk).update(attempts=4)
    claim(row)

    dispatch.reset_lapsed(NOON + seconds(31))

    assert stored(row).state == "failed"


def test_a_result_that_comes_after_the_lease_is_not_written(recorder: Recorder) -> None:
    row = first(make_user(), urgency="low")
    slow = claim(row)
    dispatch.reset_lapsed(NOON + seconds(31))
    faster = claim(row, now=NOON + seconds(31))

    error = settling.Result(Message("k", "t", "x", "y"), error=SendError("x", permanent=True))
    settling.settle(slow, error, now=NOON + seconds(40))

    assert (stored(row).state, stored(row).attempts) == ("sending", faster.attempts)


def test_the_thread_is_touched_before_and_the_end_told_after(
    recorder: Recorder, heard: list[tuple[str, Any]]
) -> None:
    send(first(make_user(), urgency="low"))

    assert heard == [("touched", ["thing:412"]), ("settled", "sent")]
    recorder.take("topic-alice")


def test_each_failed_try_is_told(recorder: Recorder, heard: list[tuple[str, Any]]) -> None:
    recorder.broken["ntfy"] = SendError("HTTP 500")
    row = first(make_user(), urgency="low")

    try_until_settled(row)

    assert [what for kind, what in heard if kind == "settled"] == ["pending"] * 4 + ["failed"]


def test_orders_to_clear_are_no_news(recorder: Recorder, heard: list[tuple[str, Any]]) -> None:
    row = first(make_user(), urgency="low")
    send(row)
    outbox.clear_taken(row.thread, now=NOON)
    heard.clear()

    send_all(NOON)

    assert heard == []
    assert len(recorder.take_all()) == 2


def test_a_listener_that_fails_does_not_make_the_message_go_out_twice(recorder: Recorder) -> None:
    def fail(**_: Any) -> None:
        raise ValueError("a bug upstairs")

    row = first(make_user(), urgency="low")
    notification_settled.connect(fail)
    try:
        send(row)
    finally:
        notification_settled.disconnect(fail)

    assert stored(row).state == "sent"
    recorder.take("topic-alice")


def test_repeats_that_were_tried_in_vain_do_not_ring_after_one_that_was_taken(
    recorder: Recorder,
) -> None:
    recorder.broken["ntfy"] = SendError("HTTP 500")
    page(make_user())
    first_row, second = rows()[:2]
    send(first_row)
    recorder.broken.clear()
    Notification.objects.filter(pk=first_row.pk).update(due_at=NOON + minutes(2))

    send(second, now=NOON + minutes(1))

    assert stored(first_row).outcome == "a later one speaks for it"
    recorder.take("topic-alice")
