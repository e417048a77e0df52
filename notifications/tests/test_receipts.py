"""Receipts: told by the provider or asked for, in any order, twice, forged, or never."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

import pytest
from django.test import Client
from django.utils import timezone

from notifications import outbox, receipts, tasks
from notifications.channels import twilio
from notifications.channels.base import Report, SendError, registry
from notifications.models import ContactMethod, Notification
from notifications.signals import still_wanted, threads_touched
from notifications.tests.pages import events, first, rows, send, send_all, stored
from notifications.tests.phone_companies import infobip_report
from pagerpal.testing import NOON, Recorder, make_user, minutes, seconds

pytestmark = pytest.mark.django_db

NUMBER = "+41791234567"
BASE = "https://pager.example.org"


@pytest.fixture(autouse=True)
def accounts(settings: Any) -> None:
    settings.PAGERPAL_BASE_URL = BASE
    settings.TWILIO_AUTH_TOKEN = "s3cret"
    settings.INFOBIP_RECEIPT_TOKEN = "receipt-t0ken"
    settings.SMS_PROVIDERS = ["twilio"]


def texted(**fields: Any) -> Notification:
    """An SMS that a provider has taken, to somebody who is reached by mail next."""
    alice = make_user(ntfy=False, email=True)
    ContactMethod.objects.create(user=alice, channel="sms", address=NUMBER)
    first(alice, **{"urgency": "low", **fields})
    row = rows(channel="sms")[0]
    send(row)
    return stored(row)


def mail() -> Notification:
    return rows(channel="email")[0]


def report(row: Notification, word: str) -> Report:
    return Report(
        row.provider_id, word, is_delivered=word == "delivered", has_failed=word == "failed"
    )


def receive(row: Notification, *words: str, now: datetime = NOON) -> int:
    said = [report(row, word) for word in words]
    return receipts.receive(said, ["sms_twilio", "sms_infobip"], now=now)


def test_a_receipt_says_that_it_was_delivered(
    recorder: Recorder, heard: list[tuple[str, Any]]
) -> None:
    row = texted()
    heard.clear()

    receive(row, "delivered", now=NOON + seconds(4))

    done = stored(row)
    assert (done.state, done.settled_at, done.look_at) == ("delivered", NOON + seconds(4), None)
    assert events(row) == ["sent", "delivered"]
    assert heard == [("touched", [row.thread]), ("settled", "delivered")]
    recorder.take_all()


@pytest.mark.parametrize(
    ("words", "state"),
    [
        (["sent", "delivered"], "delivered"),
        (["delivered", "sent"], "delivered"),
        (["delivered", "delivered"], "delivered"),
        (["delivered", "failed"], "delivered"),
        (["failed", "delivered"], "failed"),
        (["failed", "failed"], "failed"),
        (["sent", "sent"], "sent"),
    ],
)
def test_receipts_in_any_order_and_twice(recorder: Recorder, words: list[str], state: str) -> None:
    row = texted()

    changed = receive(row, *words)

    assert stored(row).state == state
    assert changed == (state != "sent")
    recorder.take_all()


def test_a_receipt_of_another_provider_or_of_nothing_changes_nothing(recorder: Recorder) -> None:
    row = texted()

    foreign = receipts.receive([report(row, "failed")], ["whatsapp_infobip"], now=NOON)
    unknown = receipts.receive([Report("SM404", has_failed=True)], ["sms_twilio"], now=NOON)
    nameless = receipts.receive([Report("", has_failed=True)], ["sms_twilio"], now=NOON)

    assert (foreign, unknown, nameless) == (0, 0, 0)
    assert stored(row).state == "sent"
    recorder.take_all()


def test_what_has_failed_later_goes_on_with_the_next_method(
    recorder: Recorder, heard: list[tuple[str, Any]]
) -> None:
    row = texted()
    heard.clear()

    receive(row, "failed", now=NOON + seconds(9))

    assert stored(row).state == "failed"
    assert mail().due_at == NOON + seconds(9)
    assert heard == [("touched", [row.thread]), ("settled", "failed")]
    recorder.take_all()


def test_what_has_failed_later_goes_on_with_the_next_provider(
    recorder: Recorder, settings: Any
) -> None:
    settings.SMS_PROVIDERS = ["twilio", "infobip"]
    row = texted()

    receive(row, "failed", now=NOON + seconds(9))
    send(row, now=NOON + seconds(9))

    first_try, second_try = (one for _, _, one in recorder.take_all())
    assert first_try.key != second_try.key  # the first provider would know the other
    assert (stored(row).state, stored(row).provider) == ("sent", "sms_infobip")
    assert events(row) == ["sent", "refused", "sent"]
    assert mail().due_before_pull is None


def test_the_last_page_of_high_urgency_is_tried_again_when_it_did_not_arrive(
    recorder: Recorder,
) -> None:
    recorder.broken["email"] = SendError("HTTP 550", permanent=True)
    row = texted(urgency="high")
    send_all(NOON + minutes(5))

    receive(row, "failed", now=NOON + minutes(6))

    assert (stored(row).state, stored(row).due_at) == ("pending", NOON + minutes(7))
    recorder.take_all()


def test_what_was_answered_meanwhile_is_not_said_again(recorder: Recorder, settings: Any) -> None:
    settings.SMS_PROVIDERS = ["twilio", "infobip"]
    row = texted()
    outbox.cancel(row.thread, purposes=["page"], now=NOON, reason="alice has it")

    def answered(**_: Any) -> bool:
        return False

    still_wanted.connect(answered)
    try:
        receive(row, "failed", now=NOON + seconds(9))
    finally:
        still_wanted.disconnect(answered)

    assert stored(row).state == "failed"
    assert send_all(NOON + minutes(10)) == 0
    recorder.take_all()


def test_what_was_cancelled_in_mid_call_is_not_said_again(
    recorder: Recorder, settings: Any
) -> None:
    settings.SMS_PROVIDERS = ["twilio", "infobip"]
    recorder.on_send = lambda message: bool(  # type: ignore[assignment]
        outbox.cancel(message.thread, purposes=["page"], now=NOON, reason="alice has it")
    )
    row = texted()

    receive(row, "failed")

    assert stored(row).state == "failed"
    recorder.take_all()


def test_without_a_receipt_in_time_the_next_method_is_used(recorder: Recorder) -> None:
    row = texted()

    for after in (30, 59, 60, 90):
        receipts.look(NOON + seconds(after), seconds=5)

    assert stored(row).state == "sent"
    assert events(row) == ["sent", "silent"]
    assert mail().due_at == NOON + seconds(60)
    recorder.take_all()


def test_a_late_receipt_puts_the_next_method_back(recorder: Recorder) -> None:
    row = texted()
    planned = mail().due_at
    receipts.look(NOON + seconds(60), seconds=5)

    receive(row, "delivered", now=NOON + seconds(70))

    assert stored(row).state == "delivered"
    assert (mail().due_at, mail().due_before_pull) == (planned, None)
    recorder.take_all()


def test_a_worker_that_was_down_still_notices_that_no_receipt_came(recorder: Recorder) -> None:
    row = texted(urgency="high")
    Notification.objects.filter(channel="email").update(due_at=NOON + minutes(60))

    receipts.look(NOON + minutes(12), seconds=5)

    assert events(row) == ["sent", "silent"]
    assert stored(row).look_at == NOON + minutes(15)
    recorder.take_all()


def test_a_receipt_is_asked_for_where_none_can_come(recorder: Recorder) -> None:
    row = texted()
    recorder.reports[row.provider_id] = report(row, "delivered")

    looked = receipts.look(NOON + seconds(10), seconds=5)

    assert (looked, stored(row).state) == (1, "delivered")
    assert receipts.look(NOON + minutes(5), seconds=5) == 0
    recorder.take_all()


def test_nobody_is_asked_without_end(recorder: Recorder) -> None:
    row = texted()

    looks = []
    while look_at := stored(row).look_at:
        looks.append((look_at - NOON).total_seconds())
        receipts.look(look_at, seconds=5)

    assert looks == [10, 30, 60, 120, 300, 900, 3600]
    recorder.take_all()


def test_a_provider_that_does_not_answer_is_asked_once_in_a_look(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []

    def ask(provider_id: str, deadline: Any) -> None:
        asked.append(provider_id)
        raise SendError("no answer within 3 s", timed_out=True)

    monkeypatch.setattr(registry["sms_twilio"], "ask", ask)
    row = texted()
    twin = stored(row)
    twin.pk, twin.key, twin.provider_id = None, "twin", "id-99"
    twin.save(force_insert=True)

    assert receipts.look(NOON + seconds(60), seconds=5) == 2

    assert len(asked) == 1
    assert (events(row), events(twin)) == (["sent", "silent"], ["silent"])
    recorder.take_all()


def test_looks_are_asked_of_a_worker_only_when_they_are_due(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    kicked: list[str] = []
    monkeypatch.setattr(receipts, "kick", lambda task: kicked.append(task) or 1)  # type: ignore[func-returns-value]
    texted()

    receipts.ask_soon(NOON + seconds(9))
    receipts.ask_soon(NOON + seconds(10))

    assert kicked == [receipts.LOOK]
    recorder.take_all()


def test_channels_without_receipts_are_not_looked_after(recorder: Recorder) -> None:
    row = first(make_user(), urgency="low")

    send(row)

    assert stored(row).look_at is None
    recorder.take_all()


def test_whoever_wrote_today_gets_free_words(recorder: Recorder) -> None:
    alice = make_user(ntfy=False)
    ContactMethod.objects.create(user=alice, channel="whatsapp", address=NUMBER)
    ContactMethod.objects.update(heard_at=NOON)
    heard: list[bool] = []
    recorder.on_send = lambda message: heard.append(message.is_reply)

    for number, hours in enumerate((1, 24)):
        now = NOON + minutes(60 * hours)
        send(first(alice, ref=f"p{number}", thread=f"t{number}", urgency="low", now=now), now=now)

    assert heard == [True, False]
    recorder.take_all()


# As providers call


def by_infobip(
    client: Client,
    body: Any,
    url: str = "?token=receipt-t0ken",
    *,
    what: str = "receipts",
    **headers: str,
) -> int:
    said = body if isinstance(body, str) else json.dumps(body)
    path = f"/hooks/infobip/{what}{url}"
    return client.post(path, said, content_type="application/json", headers=headers).status_code


def by_twilio(
    client: Client, fields: dict[str, str], *, token: str = "s3cret", what: str = "status"
) -> int:
    path = f"/hooks/twilio/{what}"
    lists = {name: [value] for name, value in fields.items()}
    signature = twilio.signature(f"{BASE}{path}", lists, token)
    headers = {"X-Twilio-Signature": signature}
    form = "application/x-www-form-urlencoded"
    answer = client.post(path, urlencode(fields), content_type=form, headers=headers)
    return answer.status_code


def status_of(row: Notification, status: str, **more: str) -> dict[str, str]:
    return {"MessageSid": row.provider_id, "MessageStatus": status, "To": NUMBER, **more}


def test_infobip_tells_handset_from_network(client: Client, recorder: Recorder) -> None:
    row = texted()
    Notification.objects.update(provider="sms_infobip")

    by_network = by_infobip(client, {"results": [infobip_report(row.provider_id, 3, 2)]})
    assert (by_network, stored(row).state) == (204, "sent")
    by_handset = by_infobip(client, {"results": [infobip_report(row.provider_id, 3, 5)]})

    assert (by_handset, stored(row).state) == (204, "delivered")
    recorder.take_all()


def test_one_bad_receipt_of_many_costs_itself_only(client: Client, recorder: Recorder) -> None:
    row = texted()
    Notification.objects.update(provider="sms_infobip")
    good = infobip_report(row.provider_id, 2, 9)
    bad = [None, 3, {}, {"messageId": 7}, {"messageId": "x"}, infobip_report("unknown", 3, 5)]

    assert by_infobip(client, {"results": [*bad, good, good]}) == 204

    assert stored(row).state == "failed"
    recorder.take_all()


@pytest.mark.parametrize(
    ("url", "headers"),
    [
        ("?token=receipt-t0ken", {}),
        ("/receipt-t0ken", {}),
        ("/receipt-t0ken/", {}),
        ("/?token=receipt-t0ken", {}),
        ("", {"Authorization": "Bearer receipt-t0ken"}),
        ("", {"Authorization": "App receipt-t0ken"}),
        ("", {"Authorization": "Basic dXNlcjpyZWNlaXB0LXQwa2Vu"}),
    ],
)
def test_infobips_token_may_stand_in_many_places(
    client: Client, url: str, headers: dict[str, str]
) -> None:
    assert by_infobip(client, {"results": []}, url, **headers) == 204


@pytest.mark.parametrize(
    ("url", "headers"),
    [
        ("", {}),
        ("?token=", {}),
        ("?token=wrong", {}),
        ("/wrong", {}),
        ("?token=\u00e4", {}),
        ("", {"Authorization": "Basic receipt-t0ken"}),
        ("", {"Authorization": "Bearer"}),
    ],
)
def test_infobip_without_the_token_is_refused(
    client: Client, url: str, headers: dict[str, str]
) -> None:
    assert by_infobip(client, {"results": []}, url, **headers) == 403


def test_without_a_token_there_is_no_such_endpoint(client: Client, settings: Any) -> None:
    settings.INFOBIP_RECEIPT_TOKEN = ""

    assert by_infobip(client, {"results": []}, "?token=") == 404


@pytest.mark.parametrize("body", ["", "{", "[]", "null", '{"results": {}}', "[" * 5000])
def test_what_is_no_report_of_infobip_is_refused(client: Client, body: str) -> None:
    assert by_infobip(client, body) == 400


def test_twilio_reports_and_is_believed_by_its_signature(
    client: Client, recorder: Recorder
) -> None:
    row = texted()

    forged = by_twilio(client, status_of(row, "delivered"), token="guessed")
    assert (forged, stored(row).state) == (403, "sent")
    signed = by_twilio(client, status_of(row, "delivered", RawDlrDoneDate="2611231200"))

    assert (signed, stored(row).state) == (204, "delivered")
    recorder.take_all()


def test_twilio_says_why_it_did_not_arrive(client: Client, recorder: Recorder) -> None:
    row = texted()

    assert by_twilio(client, status_of(row, "undelivered", ErrorCode="30003")) == 204

    assert stored(row).state == "failed"
    assert "(30003)" in stored(row).outcome
    recorder.take_all()


@pytest.mark.parametrize("fields", [{}, {"MessageSid": "SM404", "MessageStatus": "delivered"}])
def test_what_nobody_knows_is_thanked_for(client: Client, fields: dict[str, str]) -> None:
    assert by_twilio(client, fields) == 204


def test_without_an_account_at_twilio_nothing_is_taken(client: Client, settings: Any) -> None:
    settings.TWILIO_AUTH_TOKEN = ""

    assert by_twilio(client, {}, token="") == 404


@pytest.mark.parametrize("path", ["twilio/status", "infobip/receipts"])
def test_receipts_are_posted(client: Client, path: str) -> None:
    assert client.get(f"/hooks/{path}").status_code == 405


def test_a_receipt_that_cannot_be_stored_is_asked_for_again(
    client: Client, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> int:
        raise OSError("disk full")

    monkeypatch.setattr(receipts, "receive", fail)

    assert by_infobip(client, {"results": []}) == 503


def test_receipts_count_from_now(client: Client, recorder: Recorder) -> None:
    row = texted()

    by_twilio(client, status_of(row, "read"))

    settled_at = stored(row).settled_at
    assert settled_at is not None
    assert abs(settled_at - timezone.now()) < minutes(1)
    recorder.take_all()


def test_many_receipts_are_looked_for_in_more_than_one_task(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    kicked: list[str] = []
    monkeypatch.setattr(receipts, "look", lambda now, *, seconds: receipts.MOST_LOOKED_AT)
    monkeypatch.setattr(tasks, "kick", kicked.append)

    tasks.look_for_receipts()

    assert kicked == [receipts.LOOK]


def test_a_receipt_that_cannot_be_written_keeps_no_other_from_it(
    client: Client, recorder: Recorder
) -> None:
    def fail(*, threads: list[str], **_: Any) -> None:
        if threads == ["broken"]:
            raise ValueError("a bug upstairs")

    good = texted()
    Notification.objects.filter(pk=good.pk).update(provider="sms_infobip")
    bad = stored(good)
    bad.pk, bad.key, bad.thread, bad.provider_id = None, "bad", "broken", "id-99"
    bad.save(force_insert=True)
    threads_touched.connect(fail)
    try:
        said = [infobip_report(one.provider_id, 3, 5) for one in (bad, good)]
        status = by_infobip(client, {"results": said})
        receipts.look(NOON + minutes(2), seconds=5)
    finally:
        threads_touched.disconnect(fail)

    assert (status, stored(good).state, stored(bad).state) == (503, "delivered", "sent")
    recorder.take_all()
