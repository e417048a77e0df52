from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from django.db.models import F

from notifications import dispatch, outbox, settling
from notifications.channels.base import Message, SendError, registry
from notifications.models import (
    ContactMethod,
    DeliveryEvent,
    Notification,
    NotificationRule,
    ProviderState,
)
from notifications.signals import notification_settled, threads_touched
from notifications.tests.pages import first, page, rows, stored
from pagerpal.testing import NOON, Recorder, make_team, make_user, minutes, seconds

pytestmark = pytest.mark.django_db


def send(row: Notification, *, now: datetime = NOON) -> bool:
    return dispatch.send_one(row.pk, now=now, seconds=8)


def send_all(now: datetime) -> int:
    sent = 0
    while dispatch.send_best_due(now, seconds=8):
        sent += 1
    return sent


def events(row: Notification) -> list[str]:
    return list(DeliveryEvent.objects.filter(notification=row).values_list("kind", flat=True))


def try_until_settled(row: Notification, *, most: int = 12) -> datetime:
    """Send at each due time until the row is settled; says when that was."""
    now = row.due_at
    for _ in range(most):
        now = max(now, stored(row).due_at)
        send(row, now=now)
        if stored(row).state != "pending":
            break
    return now


@pytest.fixture
def heard() -> Any:
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


# --- One attempt ---------------------------------------------------------------------------------


def test_a_due_message_is_sent_once(recorder: Recorder) -> None:
    row = first(make_user(), urgency="low")

    assert send(row)
    assert not send(row)

    message = recorder.take("topic-alice")
    sent = stored(row)
    assert message.title == "[critical] Disk full on db-6 (#412)"
    assert (sent.state, sent.attempts, sent.settled_at) == ("sent", 1, NOON)
    assert (sent.provider_id, sent.outcome, sent.lease_until) == ("id-1", "ok", None)
    assert sent.first_tried_at == NOON
    assert sent.rendered is not None
    assert sent.rendered["title"] == message.title
    assert events(row) == ["sent"]


def test_what_is_not_due_is_not_sent(recorder: Recorder) -> None:
    row = first(make_user())

    assert not send(row, now=NOON - seconds(1))
    assert stored(row).state == "pending"


def test_a_message_that_is_gone_is_not_sent(recorder: Recorder) -> None:
    assert not dispatch.send_one(4711, now=NOON, seconds=8)


def test_safe_mode_holds_the_whole_text_and_a_live_link(recorder: Recorder, settings: Any) -> None:
    settings.NOTIFICATION_SENDING_ENABLED = False
    settings.PAGERPAL_BASE_URL = "https://pager.example.org"
    row = first(make_user(), urgency="low")

    assert send(row)

    held = stored(row)
    assert held.state == "held"
    assert held.rendered is not None
    assert held.rendered["title"] == "[critical] Disk full on db-6 (#412)"
    assert "Next: bob at 12:05" in held.rendered["body"]
    assert held.rendered["answer_url"] == "https://pager.example.org/a/t0ken"
    assert events(row) == ["held"]


def test_nothing_is_claimed_while_this_half_is_switched_off(
    recorder: Recorder, settings: Any
) -> None:
    settings.NOTIFICATION_RETRY_WORKER_ENABLED = False
    row = first(make_user())

    assert not send(row)
    assert not dispatch.send_best_due(NOON, seconds=8)
    assert stored(row).attempts == 0


def test_after_an_acknowledgement_nothing_is_claimed(recorder: Recorder) -> None:
    row = first(make_user())
    outbox.cancel(row.thread, purposes=["page"], now=NOON, reason="alice has it")

    assert not send(row)
    assert send_all(NOON + minutes(10)) == 0


@pytest.mark.parametrize("what", ["channel", "address", "person", "settings"])
def test_what_cannot_be_sent_fails_without_a_call(
    recorder: Recorder, settings: Any, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    alice = make_user()
    row = first(alice, urgency="low")
    if what == "channel":
        Notification.objects.filter(pk=row.pk).update(channel="pigeon")
    elif what == "address":
        ContactMethod.objects.update(is_on=False)
    elif what == "person":
        alice.is_active = False
        alice.save()
    else:
        lacking = registry["ntfy"]
        monkeypatch.setattr(lacking, "needs", lambda: ["NTFY_X"])

    assert send(row)

    failed = stored(row)
    reason = {"channel": "pigeon", "address": "switched off", "person": "alice"}
    assert failed.state == "failed"
    assert reason.get(what, "set NTFY_X") in failed.outcome
    assert ProviderState.objects.get(provider=failed.channel).last_error == ""


def test_a_channel_with_a_bug_is_tried_again_and_tells_no_secret(recorder: Recorder) -> None:
    def explode(message: Message) -> None:
        raise KeyError("tk_secret")

    recorder.on_send = explode
    row = first(make_user(), urgency="low")

    send(row)

    assert stored(row).state == "pending"
    assert "KeyError" in stored(row).outcome
    assert "tk_secret" not in stored(row).outcome


# --- Trying again --------------------------------------------------------------------------------


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


# --- The next method -----------------------------------------------------------------------------


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


def test_another_persons_messages_are_left_alone(recorder: Recorder) -> None:
    recorder.broken["ntfy"] = SendError("HTTP 500")
    row = first(make_user("alice"))
    page(make_user("bob", email=True), ref="page:2")

    send(row)

    assert rows(channel="email")[0].due_at == NOON + minutes(5)


# --- Answers while a call is under way -----------------------------------------------------------


def test_taken_although_cancelled_is_sent_and_cleared_from_the_phone(recorder: Recorder) -> None:
    row = first(make_user(), urgency="low")
    recorder.on_send = lambda _: cancel(row)

    send(row)

    (order,) = rows(purpose="update")
    assert (stored(row).state, stored(row).cancelled_at) == ("sent", NOON)
    assert order.context == {"clears": row.key}
    recorder.on_send = None
    recorder.take("topic-alice")
    assert send_all(NOON) == 1
    assert recorder.take("topic-alice").clears == row.key


@pytest.mark.parametrize("permanent", [False, True])
def test_not_taken_and_cancelled_is_never_tried_again(recorder: Recorder, permanent: bool) -> None:
    row = first(make_user(), urgency="high")
    recorder.broken["ntfy"] = SendError("HTTP 500", permanent=permanent)
    recorder.on_send = lambda _: cancel(row)

    send(row)

    assert stored(row).state == "cancelled"
    assert stored(row).settled_at == NOON
    assert events(row) == ["cancelled"]
    assert send_all(NOON + minutes(30)) == 0


def cancel(row: Notification) -> None:
    outbox.cancel(row.thread, purposes=["page"], now=NOON, reason="alice has it")


# --- The last hope -------------------------------------------------------------------------------


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


# --- The breaker ---------------------------------------------------------------------------------


def open_breaker(recorder: Recorder) -> None:
    """Three timeouts in a row at noon, by three people's notices."""
    recorder.broken["ntfy"] = SendError("no answer within 8 s", timed_out=True)
    for name in ("x", "y", "z"):
        row = first(make_user(name), purpose="notice", ref=f"n:{name}", thread=name, urgency="low")
        send(row)
        Notification.objects.filter(pk=row.pk).delete()


def test_three_timeouts_in_a_row_open_the_breaker(recorder: Recorder) -> None:
    open_breaker(recorder)

    state = ProviderState.objects.get(provider="ntfy")
    assert state.is_open
    assert state.probe_at == NOON + seconds(30)
    assert state.last_error == "no answer within 8 s"


def test_an_answer_between_timeouts_keeps_the_breaker_closed(recorder: Recorder) -> None:
    for number, error in enumerate([True, True, False, True, True]):
        recorder.broken["ntfy"] = SendError("x", timed_out=error)
        send(first(make_user(f"u{number}"), ref=f"r{number}", thread=f"t{number}", urgency="low"))

    assert not ProviderState.objects.get(provider="ntfy").is_open


def test_a_row_due_while_the_breaker_is_open_calls_nobody_and_pulls_the_next_method(
    recorder: Recorder, heard: list[tuple[str, Any]]
) -> None:
    open_breaker(recorder)
    recorder.broken.clear()
    heard.clear()
    row = first(make_user(email=True), urgency="low", now=NOON + seconds(5))

    sent = send(row, now=NOON + seconds(5))

    put_off = stored(row)
    assert not sent
    assert (put_off.state, put_off.attempts) == ("pending", 0)
    assert put_off.due_at == NOON + seconds(30)
    assert rows(channel="email")[0].due_at == NOON + seconds(5)
    assert heard == [("touched", [row.thread]), ("settled", "pending")]
    assert events(row) == ["retry"]


def test_one_row_probes_and_its_success_closes_the_breaker_for_all(recorder: Recorder) -> None:
    open_breaker(recorder)
    recorder.broken.clear()
    one = first(make_user("alice"), urgency="low", ref="a", thread="a")
    two = first(make_user("bob"), urgency="low", ref="b", thread="b")
    three = first(make_user("carol"), urgency="low", ref="c", thread="c")
    for row in (one, two, three):
        send(row, now=NOON + seconds(5))

    assert send_all(NOON + seconds(30)) == 3

    assert [stored(row).state for row in (one, two, three)] == ["sent"] * 3
    assert not ProviderState.objects.get(provider="ntfy").is_open
    assert len(recorder.take_all()) == 3


def test_a_failed_probe_keeps_the_others_waiting(recorder: Recorder) -> None:
    open_breaker(recorder)
    one = first(make_user("alice"), urgency="low", ref="a", thread="a")
    two = first(make_user("bob"), urgency="low", ref="b", thread="b")
    send(one, now=NOON + seconds(5))
    send(two, now=NOON + seconds(5))
    calls = len(recorder.failures)

    send_all(NOON + seconds(30))

    assert len(recorder.failures) == calls + 1
    assert ProviderState.objects.get(provider="ntfy").probe_at == NOON + seconds(60)
    assert sorted(stored(row).attempts for row in (one, two)) == [0, 1]


def test_what_waited_ten_minutes_for_a_silent_provider_fails(recorder: Recorder) -> None:
    open_breaker(recorder)
    row = first(make_user(), urgency="low")
    send(row, now=NOON + seconds(5))
    ProviderState.objects.update(probe_at=NOON + minutes(11))

    send(row, now=NOON + minutes(10) + seconds(5))

    assert stored(row).state == "failed"


def test_other_providers_go_on_while_one_is_silent(recorder: Recorder) -> None:
    open_breaker(recorder)
    row = first(make_user(ntfy=False, email=True), urgency="low")

    assert send(row, now=NOON + seconds(5))

    recorder.take("alice@example.org", "email")


# --- Limits and order ----------------------------------------------------------------------------


def hold_in_flight(number: int) -> None:
    """So many calls to ntfy are under way."""
    for place in range(number):
        row = first(make_user(f"busy{place}"), ref=f"busy{place}", purpose="notice", urgency="low")
        Notification.objects.filter(pk=row.pk).update(
            state="sending", attempts=1, lease_until=NOON + seconds(30)
        )


def test_one_worker_stays_free_for_other_providers(recorder: Recorder, settings: Any) -> None:
    settings.WORKERS = 4
    hold_in_flight(3)
    push = first(make_user("alice"), urgency="low")
    mail = first(make_user("bob", ntfy=False, email=True), urgency="low", ref="b", now=NOON)

    assert not send(push)
    assert send_all(NOON) == 1

    assert (stored(push).state, stored(mail).state) == ("pending", "sent")
    recorder.take("bob@example.org", "email")


def test_a_dead_workers_call_does_not_count_as_under_way(recorder: Recorder, settings: Any) -> None:
    settings.WORKERS = 4
    hold_in_flight(3)
    push = first(make_user("alice"), urgency="low")

    assert send(push, now=NOON + seconds(31))

    recorder.take("topic-alice")


def test_the_worst_goes_first_then_the_newest(recorder: Recorder) -> None:
    for name, rank in [("low", 2), ("old", 0), ("high", 1), ("new", 0)]:
        page(make_user(name), ref=name, thread=name, rank=rank, urgency="low")

    send_all(NOON)

    order = [address for _, address, _ in recorder.take_all()]
    assert order == ["topic-new", "topic-old", "topic-high", "topic-low"]


def test_a_storm_in_one_team_does_not_starve_another(recorder: Recorder) -> None:
    loud, quiet = make_team("Loud"), make_team("Quiet")
    page(make_user("bob"), ref="quiet", thread="quiet", team_id=quiet.pk, urgency="low")
    for number in range(20):
        alice = make_user(f"alice{number}")
        page(alice, ref=f"n{number}", thread=f"t{number}", team_id=loud.pk, urgency="low")

    for _ in range(2):
        dispatch.send_best_due(NOON, seconds=8)

    assert "topic-bob" in [address for _, address, _ in recorder.take_all()]


def test_a_worse_row_of_any_team_goes_before_fairness(recorder: Recorder) -> None:
    loud, quiet = make_team("Loud"), make_team("Quiet")
    page(make_user("bob"), ref="q", thread="q", team_id=quiet.pk, rank=2, urgency="low")
    for number in range(3):
        alice = make_user(f"alice{number}")
        page(alice, ref=f"n{number}", thread=f"t{number}", team_id=loud.pk, urgency="low")

    send_all(NOON)

    assert [address for _, address, _ in recorder.take_all()][-1] == "topic-bob"


def test_the_number_of_queries_does_not_grow_with_the_storm(
    recorder: Recorder, django_assert_max_num_queries: Any
) -> None:
    team = make_team()
    for number in range(30):
        page(make_user(f"u{number}"), ref=f"n{number}", thread=f"t{number}", team_id=team.pk)
    dispatch.send_best_due(NOON, seconds=8)

    with django_assert_max_num_queries(20):
        dispatch.send_best_due(NOON, seconds=8)

    recorder.take_all()


# --- Lapsed leases -------------------------------------------------------------------------------


def claim(row: Notification, *, now: datetime = NOON) -> Notification:
    """As a worker that dies in mid-call leaves it."""
    claimed = dispatch._claim(row.pk, row.channel, now).row
    assert claimed is not None
    return claimed


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


# --- What the floor above hears ------------------------------------------------------------------


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


# --- The whole way through a bad night -----------------------------------------------------------


def test_push_down_mail_up_reaches_the_person_at_once(recorder: Recorder) -> None:
    recorder.broken["ntfy"] = SendError("HTTP 503")
    page(make_user(email=True))

    send_all(NOON)

    assert recorder.take("alice@example.org", "email")
    assert outbox.outcome(["page:981"]).taken == 1


def test_rules_of_one_person_all_get_their_turn(recorder: Recorder) -> None:
    alice = make_user(email=True)
    ntfy, mail = alice.contact_methods.order_by("channel").reverse()
    for method, delay in [(mail, 0), (ntfy, 2)]:
        NotificationRule.objects.create(user=alice, contact_method=method, delay=minutes(delay))
    page(alice)

    send_all(NOON + minutes(1))
    recorder.take("alice@example.org", "email")
    recorder.expect_none()
    send_all(NOON + minutes(2))

    recorder.take("topic-alice")


def test_a_million_tries_do_not_overflow(recorder: Recorder) -> None:
    recorder.broken["ntfy"] = SendError("HTTP 500")
    row = first(make_user())
    Notification.objects.exclude(pk=row.pk).delete()
    Notification.objects.filter(pk=row.pk).update(attempts=F("attempts") + 1_000_000)

    send(row, now=NOON + timedelta(days=700))

    assert stored(row).attempts == 1_000_001
