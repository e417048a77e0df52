"""What people write to us: forged, twice, from strangers, without end; and what is said back."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import datetime
from typing import Any

import pytest
import time_machine
from django.db import OperationalError
from django.test import Client

from notifications import inbound
from notifications.models import ContactMethod, InboundMessage, Notification
from notifications.signals import answer_received
from notifications.tests.inbound import (
    BASE,
    NUMBER,
    by_infobip,
    by_twilio,
    has_number,
    heard,
    infobip_sms,
    infobip_whatsapp,
)
from notifications.tests.pages import first, send, send_all, stored
from pagerpal.testing import NOON, Recorder, make_admin, make_team, make_user, minutes
from schedules.models import User

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def accounts(settings: Any) -> None:
    settings.PAGERPAL_BASE_URL = BASE
    settings.TWILIO_AUTH_TOKEN = "s3cret"
    settings.INFOBIP_RECEIPT_TOKEN = "receipt-t0ken"
    settings.SMS_PROVIDERS = settings.WHATSAPP_PROVIDERS = ["twilio"]


class Upstairs:
    """The floor above: notes what it is told, and answers as it is told to."""

    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []
        self.error: Exception | None = None

    def __call__(self, **said: Any) -> str:
        self.told.append(said)
        if self.error is not None:
            raise self.error
        return "#12 is yours."


@pytest.fixture
def upstairs() -> Iterator[Upstairs]:
    others, answer_received.receivers = answer_received.receivers, []
    playing = Upstairs()
    answer_received.connect(playing)
    yield playing
    answer_received.receivers = others
    answer_received.sender_receivers_cache.clear()


@pytest.fixture
def alice() -> User:
    user = make_user(ntfy=False)
    has_number(user)
    return user


def take(*texts: str, now: datetime = NOON, **fields: Any) -> list[InboundMessage]:
    inbound.receive([heard(text, **fields) for text in texts], now=now)
    return list(InboundMessage.objects.order_by("pk"))


def said_back(recorder: Recorder, now: datetime = NOON) -> list[str]:
    send_all(now)
    return [message.sms or message.title for _, _, message in recorder.take_all()]


# --- From the providers --------------------------------------------------------------------------
def test_twilio_hands_over_a_text_message(
    client: Client, alice: User, upstairs: Upstairs, recorder: Recorder
) -> None:
    assert by_twilio(client, "12a") == 200

    (told,) = upstairs.told
    assert (told["user"], told["reply"].numbers, told["via"]) == (alice, (12,), "sms")
    row = InboundMessage.objects.get()
    assert (row.user, row.act, row.text) == (alice, "acknowledge", "12a")
    answer = Notification.objects.get()
    assert (answer.purpose, answer.address) == ("notice", NUMBER)
    send(answer, now=answer.due_at)
    assert recorder.take(NUMBER, "sms_twilio").sms == "#12 is yours."


def test_infobip_hands_over_many(client: Client, alice: User, upstairs: Upstairs) -> None:
    many = [infobip_sms("ACK 12"), None, {}, infobip_sms("r", **{"from": 41791234567})]

    assert by_infobip(client, *many) == 204

    acts = [told["reply"].act for told in upstairs.told]
    assert acts == ["acknowledge", "resolve"]


@pytest.mark.parametrize(
    "message",
    [
        {"type": "TEXT", "text": "ack 12"},
        {"type": "BUTTON", "text": "Acknowledge", "payload": "acknowledge:12"},
        {"type": "INTERACTIVE_BUTTON_REPLY", "id": "12a", "title": "Acknowledge"},
        {"type": "INTERACTIVE_BUTTON_REPLY", "id": "button-1", "title": "Ack 12"},
    ],
)
def test_whatsapp_by_infobip(
    client: Client, upstairs: Upstairs, recorder: Recorder, message: dict[str, str]
) -> None:
    method = has_number(make_user(ntfy=False), "whatsapp")

    assert by_infobip(client, infobip_whatsapp(**message)) == 204

    assert upstairs.told[0]["reply"].numbers == (12,)
    method.refresh_from_db()
    assert method.heard_at is not None
    answer = Notification.objects.get()
    send(answer, now=answer.due_at)
    assert recorder.take(NUMBER, "whatsapp_twilio").is_reply


def test_a_button_of_whatsapp_by_twilio_is_about_its_message(
    client: Client, upstairs: Upstairs, recorder: Recorder
) -> None:
    alice = make_user(ntfy=False)
    has_number(alice, "whatsapp")
    page = first(alice)
    send(page)
    recorder.take_all()
    fields = {
        "From": f"whatsapp:{NUMBER}",
        "ButtonPayload": "button_1",
        "ButtonText": "Acknowledge",
        "OriginalRepliedMessageSid": stored(page).provider_id,
    }

    assert by_twilio(client, "Acknowledge", **fields) == 200

    (told,) = upstairs.told
    assert (told["threads"], told["via"]) == ([page.thread], "whatsapp")
    assert (told["reply"].act, told["reply"].numbers) == ("acknowledge", ())


def test_forged_messages_are_refused(client: Client, alice: User, upstairs: Upstairs) -> None:
    assert by_twilio(client, "12a", token="guessed") == 403
    assert by_infobip(client, infobip_sms("12a"), token="guessed") == 403

    assert not upstairs.told
    assert not InboundMessage.objects.exists()


def test_without_a_secret_nothing_is_taken(client: Client, settings: Any) -> None:
    settings.TWILIO_AUTH_TOKEN = settings.INFOBIP_RECEIPT_TOKEN = ""

    assert by_twilio(client, "12a", token="") == 404
    assert by_infobip(client, infobip_sms("12a"), token="") == 404


@pytest.mark.parametrize("path", ["twilio/inbound", "infobip/inbound", "infobip/inbound/token"])
def test_looking_never_acts(client: Client, path: str) -> None:
    assert client.get(f"/hooks/{path}?Body=12a").status_code == 405


def test_the_same_message_is_handled_once(
    client: Client, alice: User, upstairs: Upstairs, recorder: Recorder
) -> None:
    sms = infobip_sms("12a")

    codes = [by_infobip(client, sms, sms), by_infobip(client, sms)]
    inbound.receive([heard("12a", provider_id="SM1"), heard("12r", provider_id="SM1")], now=NOON)

    assert codes == [204, 204]
    assert [told["reply"].act for told in upstairs.told] == ["acknowledge"] * 2
    assert InboundMessage.objects.count() == Notification.objects.count() == 2


def test_what_cannot_be_stored_is_asked_for_again(
    client: Client, alice: User, upstairs: Upstairs
) -> None:
    sid = {"MessageSid": "SM7"}
    upstairs.error = OperationalError("database is locked")
    assert by_twilio(client, "12a", **sid) == 503
    assert not InboundMessage.objects.exists()

    upstairs.error = None
    assert by_twilio(client, "12a", **sid) == 200

    assert InboundMessage.objects.get().is_answered


def test_one_that_cannot_be_done_keeps_no_other_from_it_and_is_told(
    alice: User, upstairs: Upstairs, recorder: Recorder, caplog: pytest.LogCaptureFixture
) -> None:
    upstairs.error = ValueError("a bug upstairs")

    take("12a", "13a")

    assert said_back(recorder) == [inbound.FAILED] * 2


# --- Who -----------------------------------------------------------------------------------------
def test_strangers_get_no_answer_and_are_logged_masked(
    upstairs: Upstairs, recorder: Recorder, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, "notifications.inbound")
    has_number(make_user("gone", ntfy=False, is_active=False))
    has_number(make_user("other", ntfy=False), "whatsapp")

    take("12a")

    assert not upstairs.told
    assert not Notification.objects.exists()
    assert "...4567" in caplog.text
    assert NUMBER not in caplog.text


def test_a_number_of_several_people_answers_for_nobody(
    alice: User, upstairs: Upstairs, recorder: Recorder
) -> None:
    has_number(make_user("bob", ntfy=False))

    take("12a")

    assert not upstairs.told
    assert said_back(recorder) == [inbound.SEVERAL]


def test_whoever_has_verified_a_number_answers_from_it(upstairs: Upstairs) -> None:
    has_number(make_user("bob", ntfy=False))  # only says that it is his
    alice = make_user("alice", ntfy=False)
    has_number(alice, verified_at=NOON)

    take("12a")

    assert [told["user"] for told in upstairs.told] == [alice]


@pytest.mark.parametrize("fields", [{"is_on": False}, {"is_on": False, "removed_at": NOON}])
def test_an_address_that_is_off_answers_for_nobody(
    upstairs: Upstairs, fields: dict[str, Any]
) -> None:
    has_number(make_user(ntfy=False), **fields)

    take("12a")

    assert not upstairs.told
    assert not Notification.objects.exists()


def test_our_own_sender_is_nobody(client: Client, alice: User, settings: Any) -> None:
    settings.TWILIO_SMS_FROM = NUMBER
    settings.INFOBIP_WHATSAPP_SENDER = NUMBER[1:]

    assert by_twilio(client, "12a") == 200
    assert by_infobip(client, infobip_sms("12a")) == 204

    assert not InboundMessage.objects.exists()


# --- How often -----------------------------------------------------------------------------------
def test_help_is_given_once_a_day(alice: User, upstairs: Upstairs, recorder: Recorder) -> None:
    take("I am out of office", "what?", "", "\U0001f44d")
    assert said_back(recorder) == [inbound.HELP]

    take("what?", now=NOON + minutes(60 * 24 + 1))

    assert said_back(recorder, NOON + minutes(60 * 24 + 1)) == [inbound.HELP]
    assert not upstairs.told


def test_two_programs_that_talk_to_each_other_come_to_an_end(
    alice: User, upstairs: Upstairs, recorder: Recorder
) -> None:
    for _ in range(40):
        take("12a")

    assert len(upstairs.told) == inbound.MOST_ACTS
    assert len(said_back(recorder)) == inbound.MOST_ANSWERS
    take("12a", now=NOON + minutes(61))
    assert len(upstairs.told) == inbound.MOST_ACTS + 1
    assert len(said_back(recorder, NOON + minutes(61))) == 1


def test_what_comes_too_late_does_nothing(alice: User, upstairs: Upstairs) -> None:
    take("all", said_at=NOON - inbound.GOOD_FOR - minutes(1))
    take("all", said_at=NOON - minutes(5))

    assert [told["said_at"] for told in upstairs.told] == [NOON - minutes(5)]


def test_old_messages_are_forgotten_but_not_whether_somebody_wants_none(alice: User) -> None:
    take("what?", "STOP")

    at_first = inbound.forgettable(NOON + inbound.KEPT_FOR)
    later = inbound.forgettable(NOON + inbound.KEPT_FOR + minutes(1))

    assert not at_first.exists()
    assert [row.text for row in later] == ["what?"]


# --- STOP ----------------------------------------------------------------------------------------
def test_stop_switches_the_address_off_and_tells_its_person_and_their_leads(
    recorder: Recorder, upstairs: Upstairs
) -> None:
    alice, lead, eve = make_user("alice"), make_user("lead"), make_user("eve")
    method = has_number(alice, verified_at=NOON)
    has_number(alice, "whatsapp")
    make_team("Platform", alice, eve, leads=(lead,))
    make_admin()

    take("Stop")

    method.refresh_from_db()
    assert (method.is_on, method.removed_at) == (False, None)
    assert ContactMethod.objects.get(channel="whatsapp").is_on
    send_all(NOON)
    mine, theirs = recorder.take("topic-alice"), recorder.take("topic-lead")
    assert mine.title.endswith(" to ...4567 is switched off: STOP came from it")
    assert theirs.title.startswith("alice: ")
    assert theirs.title.endswith(" to ...4567 is switched off, STOP came from it")
    recorder.expect_none()
    assert not upstairs.told


def test_without_a_lead_the_admins_hear_of_it(recorder: Recorder, alice: User) -> None:
    root = make_admin()
    ContactMethod.objects.create(user=root, channel="ntfy", address="topic-root")

    take("unsubscribe", "stop")

    send_all(NOON)
    assert "STOP came from it" in recorder.take("topic-root").title


def test_start_switches_on_what_stop_switched_off_unverified(alice: User) -> None:
    ContactMethod.objects.update(verified_at=NOON)

    rows = take("stop", "start")

    method = ContactMethod.objects.get()
    assert (method.is_on, method.verified_at) == (True, None)
    assert [row.outcome for row in rows] == ["switched off", "switched on, unverified"]


def test_start_switches_on_nothing_that_its_owner_switched_off(alice: User) -> None:
    take("stop", "start")
    ContactMethod.objects.update(is_on=False)

    take("start", now=NOON + minutes(1))

    assert not ContactMethod.objects.get().is_on


def test_the_words_of_a_network_in_another_language(client: Client, alice: User) -> None:
    with time_machine.travel(NOON, tick=False):
        assert by_twilio(client, "ARRET", OptOutType="STOP") == 200

    assert not ContactMethod.objects.get().is_on


def test_admins_see_what_came_and_what_was_said_back_without_numbers(
    client: Client, alice: User, upstairs: Upstairs
) -> None:
    take("12a", "<b>?")
    client.force_login(make_admin())

    page = client.get("/admin/notifications/inboundmessage/").content.decode()

    assert "sms ...4567" in page
    assert "#12 is yours." in page
    assert "&lt;b&gt;?" in page
    assert NUMBER not in page
