"""Two at once, for real: threads with connections of their own, on either database."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import OperationalError, connection, transaction

from notifications import dispatch, outbox, settling
from notifications.channels.base import Message, SendError
from notifications.models import Bundle, DeliveryEvent, Notification, ProviderState
from notifications.tests.pages import claim, first, page, rows, stored
from pagerpal.testing import NOON, Recorder, make_team, make_user, minutes, seconds

pytestmark = pytest.mark.django_db(transaction=True)
ROUNDS = 10


def at_once(*calls: Callable[[], object]) -> list[object]:
    """Run all of them at the same moment; what they return, in their order."""
    start = threading.Barrier(len(calls))

    def run(call: Callable[[], object]) -> object:
        try:
            start.wait(10)
            return call()
        finally:
            connection.close()

    with ThreadPoolExecutor(len(calls)) as pool:
        return [future.result(30) for future in [pool.submit(run, call) for call in calls]]


def test_a_row_is_sent_by_one_of_many_workers(recorder: Recorder) -> None:
    for number in range(ROUNDS):
        row = first(make_user(f"u{number}"), ref=f"r{number}", thread=f"t{number}", urgency="low")

        def send(pk: int = row.pk) -> bool:
            return dispatch.send_one(pk, now=NOON, seconds=8)

        assert sorted(map(bool, at_once(send, send, send, send))) == [False, False, False, True]
        assert (stored(row).state, stored(row).attempts) == ("sent", 1)

    assert len(recorder.take_all()) == ROUNDS


def test_workers_share_a_queue_without_loss_or_double(recorder: Recorder) -> None:
    teams = [make_team("A"), make_team("B")]
    for number in range(40):
        user = make_user(f"u{number}")
        page(user, ref=f"r{number}", thread=f"t{number}", team_id=teams[number % 2].pk, rank=1)
    Notification.objects.exclude(key__endswith="repeat:0").delete()

    def work() -> int:
        sent = 0
        while dispatch.send_best_due(NOON, seconds=8):
            sent += 1
        return sent

    at_once(work, work, work)
    while dispatch.send_best_due(NOON, seconds=8):
        pass  # the last rows, when the three left each other no room

    addresses = [address for _, address, _ in recorder.take_all()]
    assert len(addresses) == len(set(addresses)) == 40
    assert not rows(state="pending")


def test_no_claim_follows_a_stored_acknowledgement(recorder: Recorder) -> None:
    for number in range(ROUNDS):
        row = first(make_user(f"u{number}"), ref=f"r{number}", thread=f"t{number}", urgency="low")

        def acknowledge(thread: str = row.thread) -> None:
            with transaction.atomic():
                outbox.cancel(thread, purposes=["page"], now=NOON, reason="mine")

        def send(pk: int = row.pk) -> bool:
            return dispatch.send_one(pk, now=NOON, seconds=8)

        _, was_sent = at_once(acknowledge, send)

        after = stored(row)
        assert after.cancelled_at is not None or after.state == "sent"
        assert (after.state == "cancelled") is not was_sent
        assert not dispatch.send_one(row.pk, now=NOON + minutes(1), seconds=8)

    recorder.take_all()


@contextmanager
def uncommitted(act: Callable[[], object]) -> Iterator[threading.Event]:
    """`act` has been done in a transaction that commits when the event is set."""
    done, commit = threading.Event(), threading.Event()

    def run() -> None:
        try:
            with transaction.atomic():
                act()
                done.set()
                commit.wait(5)
        finally:
            connection.close()

    thread = threading.Thread(target=run)
    thread.start()
    assert done.wait(5)
    try:
        yield commit
    finally:
        commit.set()
        thread.join()


def test_a_claim_waits_for_an_acknowledgement_that_is_under_way(recorder: Recorder) -> None:
    row = first(make_user(), urgency="low")

    def acknowledge() -> None:
        outbox.cancel(row.thread, purposes=["page"], now=NOON, reason="mine")

    with uncommitted(acknowledge) as commit:
        threading.Timer(0.2, commit.set).start()
        won = dispatch.send_one(row.pk, now=NOON, seconds=8)

    assert not won
    assert stored(row).state == "cancelled"


def test_an_acknowledgement_ends_a_row_that_goes_back_to_pending_meanwhile() -> None:
    row = first(make_user(), urgency="low")
    attempt = claim(row)
    failed = settling.Result(Message("k", "t", "x", "y"), error=SendError("HTTP 500"))

    def settle_alone() -> None:
        settling._settle(attempt, failed, NOON, tells=False)

    with uncommitted(settle_alone) as commit:
        threading.Timer(0.2, commit.set).start()
        with transaction.atomic():
            ended = outbox.cancel(row.thread, purposes=["page"], now=NOON, reason="mine")

    assert (ended, stored(row).state) == (1, "cancelled")


def test_an_acknowledgement_in_mid_call_is_stored_at_once(recorder: Recorder) -> None:
    row = first(make_user(), urgency="low")
    recorder.broken["ntfy"] = SendError("HTTP 500")

    def acknowledge(_: Message) -> None:
        def act() -> int:
            with transaction.atomic():
                return outbox.cancel(row.thread, purposes=["page"], now=NOON, reason="mine")

        assert at_once(act) == [1]

    recorder.on_send = acknowledge

    dispatch.send_one(row.pk, now=NOON, seconds=8)

    assert stored(row).state == "cancelled"


def test_the_provider_is_called_outside_any_transaction(recorder: Recorder) -> None:
    inside: list[bool] = []
    recorder.on_send = lambda _: inside.append(connection.in_atomic_block)

    dispatch.send_one(first(make_user(), urgency="low").pk, now=NOON, seconds=8)

    assert inside == [False]
    recorder.take_all()


def test_a_provider_never_has_more_calls_than_its_limit(recorder: Recorder) -> None:
    lost: list[int] = []
    all_others_lost = threading.Event()
    recorder.on_send = lambda _: bool(all_others_lost.wait(10))  # type: ignore[assignment]

    def send(pk: int) -> bool:
        won = dispatch.send_one(pk, now=NOON, seconds=8)
        if not won:
            lost.append(pk)
        if len(lost) == 5:
            all_others_lost.set()
        return won

    pks = [
        first(make_user(f"u{n}"), ref=f"r{n}", thread=f"t{n}", urgency="low").pk for n in range(8)
    ]

    won = at_once(*(lambda pk=pk: send(pk) for pk in pks))

    assert sum(map(bool, won)) == 3
    assert len(recorder.take_all()) == 3


def test_two_sweeps_reset_a_lapsed_row_once(recorder: Recorder) -> None:
    row = first(make_user(), urgency="low")
    Notification.objects.filter(pk=row.pk).update(state="sending", attempts=1, lease_until=NOON)
    later = NOON + seconds(1)

    at_once(lambda: dispatch.reset_lapsed(later), lambda: dispatch.reset_lapsed(later))

    assert stored(row).state == "pending"
    assert DeliveryEvent.objects.filter(notification=row, kind="lapsed").count() == 1


def test_one_of_many_is_the_probe(recorder: Recorder) -> None:
    ProviderState.objects.create(provider="ntfy", timeouts=3, probe_at=NOON)
    recorder.broken["ntfy"] = SendError("no answer within 8 s", timed_out=True)
    pks = [
        first(make_user(f"u{n}"), ref=f"r{n}", thread=f"t{n}", urgency="low").pk for n in range(4)
    ]

    at_once(*(lambda pk=pk: dispatch.send_one(pk, now=NOON, seconds=8) for pk in pks))

    assert len(recorder.failures) == 1


def test_two_who_press_send_again_get_two_messages() -> None:
    alice = make_user()
    row = first(alice, urgency="low")

    def press() -> str:
        return outbox.send_again(row, alice, now=NOON).key

    keys = at_once(press, press)

    assert sorted(map(str, keys)) == [f"{row.key}/again:1", f"{row.key}/again:2"]


def test_a_result_waits_for_a_database_that_is_away(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = first(make_user(), urgency="low")
    real, failures = settling._settle, [OperationalError("restarting")] * 4

    def settle(*arguments: Any, **named: Any) -> None:
        if failures:
            raise failures.pop()
        real(*arguments, **named)

    monkeypatch.setattr(settling, "_settle", settle)

    dispatch.send_one(row.pk, now=NOON, seconds=8)

    assert stored(row).state == "sent"
    recorder.take("topic-alice")


def test_a_storm_goes_out_once_from_many_workers(recorder: Recorder) -> None:
    alice = make_user()
    for number in range(ROUNDS):
        page(alice, ref=f"r{number}", thread=f"t{number}", urgency="low")

    def send() -> bool:
        return dispatch.send_best_due(NOON, seconds=8)

    at_once(send, send, send)
    while dispatch.send_best_due(NOON, seconds=8):
        pass

    said = [len(bundle.threads) for bundle in Bundle.objects.all()]
    alone = len(recorder.take_all()) - len(said)
    assert sum(said) + alone == ROUNDS  # each of them in one message
    assert not rows(state="pending")


def test_an_answer_under_way_keeps_its_row_out_of_a_bundle(recorder: Recorder) -> None:
    alice = make_user()
    answered = first(alice, ref="r1", thread="t1", urgency="low")
    lead = first(alice, ref="r2", thread="t2", urgency="low")

    def acknowledge() -> None:
        outbox.cancel(answered.thread, purposes=["page"], now=NOON, reason="mine")

    with uncommitted(acknowledge) as commit:
        threading.Timer(0.2, commit.set).start()
        assert dispatch.send_one(lead.pk, now=NOON, seconds=8)

    assert stored(answered).state == "cancelled"
    assert "Disk full" in recorder.take("topic-alice").title
    assert not Bundle.objects.exists()


def test_answers_for_all_of_a_bundle_end_it_in_mid_call(recorder: Recorder) -> None:
    alice = make_user()
    found = [first(alice, ref=f"r{n}", thread=f"t{n}", urgency="low") for n in range(4)]
    recorder.broken["ntfy"] = SendError("HTTP 500")

    def acknowledge(_: Message) -> None:
        def end(thread: str) -> None:
            with transaction.atomic():
                outbox.cancel(thread, purposes=["page"], now=NOON, reason="mine")

        at_once(*(lambda thread=row.thread: end(thread) for row in found))

    recorder.on_send = acknowledge

    dispatch.send_best_due(NOON, seconds=8)

    assert [stored(row).state for row in found] == ["cancelled"] * 4
    assert not dispatch.send_best_due(NOON + minutes(5), seconds=8)
