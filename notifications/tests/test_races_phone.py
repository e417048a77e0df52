"""Receipts and providers, two at once, with connections of their own, on either database."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
from django.db import transaction

from notifications import dispatch, outbox, receipts
from notifications.channels.base import Report, SendError
from notifications.models import ContactMethod, DeliveryEvent, Notification
from notifications.tests.pages import events, first, rows, stored
from notifications.tests.test_races import at_once
from pagerpal.testing import NOON, Recorder, make_user, minutes, seconds

pytestmark = pytest.mark.django_db(transaction=True)
ROUNDS = 5


@pytest.fixture(autouse=True)
def order(settings: Any) -> None:
    settings.SMS_PROVIDERS = ["twilio", "infobip"]


def texted(number: int) -> Notification:
    """One of several SMS that are due."""
    user = make_user(f"u{number}", ntfy=False)
    address = f"+4179123450{number}"
    ContactMethod.objects.create(user=user, channel="sms", address=address)
    return first(user, ref=f"r{number}", thread=f"t{number}", urgency="low")


def sent(number: int) -> Notification:
    row = texted(number)
    dispatch.send_one(row.pk, now=NOON, seconds=8)
    return stored(row)


def receive(row: Notification, **outcome: bool) -> int:
    said = [Report(row.provider_id, "told", **outcome)]
    return receipts.receive(said, ["sms_twilio"], now=NOON + seconds(5))


def test_a_receipt_that_comes_twice_at_once_counts_once(recorder: Recorder) -> None:
    for number in range(ROUNDS):
        row = sent(number)

        changed = at_once(*[partial(receive, row, is_delivered=True)] * 3)

        assert sorted(changed, key=str) == [0, 0, 1]
        assert events(row) == ["sent", "delivered"]
    recorder.take_all()


def test_of_two_that_differ_one_is_written(recorder: Recorder) -> None:
    for number in range(ROUNDS):
        row = sent(number)

        at_once(
            partial(receive, row, is_delivered=True),
            partial(receive, row, has_failed=True),
        )

        assert len(events(row)) == 2
        assert stored(row).state in {"delivered", "pending"}
    recorder.take_all()


def test_two_workers_look_once(recorder: Recorder) -> None:
    row = sent(0)

    def look() -> int:
        return receipts.look(NOON + minutes(2), seconds=5)

    assert sorted(at_once(look, look, look), key=str) == [0, 0, 1]

    assert DeliveryEvent.objects.filter(notification=row, kind="silent").count() == 1
    recorder.take_all()


def test_while_one_provider_fails_each_message_goes_out_once(recorder: Recorder) -> None:
    recorder.broken["sms_twilio"] = SendError("HTTP 503")
    for number in range(ROUNDS):
        texted(number)

    def work() -> int:
        done = 0
        while dispatch.send_best_due(NOON, seconds=8):
            done += 1
        return done

    at_once(work, work, work, work)
    while dispatch.send_best_due(NOON, seconds=8):
        pass

    assert [row.state for row in rows()] == ["sent"] * ROUNDS
    assert {via for via, _, _ in recorder.messages} == {"sms_infobip"}
    assert len(recorder.take_all()) == ROUNDS


def test_an_acknowledgement_and_a_bad_receipt_at_once_do_not_block(recorder: Recorder) -> None:
    row = sent(0)

    def acknowledge() -> int:
        with transaction.atomic():
            return outbox.cancel(row.thread, purposes=["page"], now=NOON, reason="mine")

    at_once(acknowledge, lambda: receive(row, has_failed=True))

    assert stored(row).state in {"pending", "cancelled"}
    recorder.take_all()
