"""SMS and WhatsApp by Twilio and Infobip, both played on loopback."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from notifications.channels import infobip, phones, twilio
from notifications.channels.base import Deadline, Message, Receipt, SendError, registry
from notifications.replies import parse
from notifications.tests.phone_companies import (
    API_KEY,
    NUMBER,
    TEMPLATE_SID,
    TOKEN,
    PhoneCompany,
    half,
    infobip_answer,
    infobip_error,
    infobip_report,
    phone_company,
    twilio_error,
)
from notifications.tests.servers import Reply, free_port, slow

ALL = ["sms_twilio", "sms_infobip", "whatsapp_twilio", "whatsapp_infobip"]
TWILIO, INFOBIP = ["sms_twilio", "whatsapp_twilio"], ["sms_infobip", "whatsapp_infobip"]
WILD = "Ünïcödé 🔥\r\nX-Evil: 1\x00\t     " + "ß" * 5000
WEB_PAGE = "<!doctype html><title>Bad gateway</title>"


def message(**fields: Any) -> Message:
    values: dict[str, Any] = {
        "key": "page:981/method:7/repeat:0",
        "thread": "incident:412",
        "title": "[critical] Disk full on db-6 (#412)",
        "body": "Since 03:00 UTC.\nNext: bob at 03:16",
        "priority": 5,
        "open_url": "https://pager.example.org/incidents/412",
        "answer_url": "https://pager.example.org/a/t0ken",
        **fields,
    }
    return Message(**values)


@pytest.fixture
def company(settings: Any) -> Iterator[PhoneCompany]:
    with phone_company(settings) as playing:
        yield playing


@pytest.fixture
def templates(settings: Any) -> None:
    settings.TWILIO_WHATSAPP_TEMPLATE = TEMPLATE_SID
    settings.INFOBIP_WHATSAPP_TEMPLATE = "pagerpal_alert"


def send(slug: str, what: Message | None = None, *, within: float = 5.0) -> Receipt:
    return registry[slug].send(what or message(), NUMBER, Deadline(within))


def error_of(slug: str, **fields: Any) -> SendError:
    with pytest.raises(SendError) as caught:
        send(slug, **fields)
    return caught.value


@pytest.mark.parametrize("slug", ["sms_twilio", "sms_infobip"])
def test_an_sms_says_what_is_wrong_and_where_to_answer(company: PhoneCompany, slug: str) -> None:
    receipt = send(slug)

    (sent,) = company.taken
    assert sent.text == "[critical] Disk full on db-6 (#412) https://pager.example.org/a/t0ken"
    assert sent.to.endswith("41790000001")
    assert receipt.provider_id == sent.id


@pytest.mark.parametrize("slug", ["sms_twilio", "sms_infobip"])
def test_a_text_written_for_sms_is_taken_as_it_is(company: PhoneCompany, slug: str) -> None:
    send(slug, message(sms="#412 CRIT Disk full on db-6. Reply 412a"))

    assert company.taken[0].text == "#412 CRIT Disk full on db-6. Reply 412a"


@pytest.mark.parametrize("slug", TWILIO)
def test_twilio_is_told_where_to_report_and_how_long_to_try(
    company: PhoneCompany, slug: str
) -> None:
    send(slug)
    send(slug, message(priority=3))

    urgent, quiet = (one.body for one in company.taken)
    assert urgent["StatusCallback"] == "https://pager.example.org/hooks/twilio/status"
    assert (urgent["ValidityPeriod"], quiet["ValidityPeriod"]) == ("600", "14400")


@pytest.mark.parametrize(
    "base",
    [
        *("http://127.0.0.1:8000", "http://localhost", "https://pager.local", "http://10.0.0.7"),
        *("https://pager_1.example.org", "http://[::1]:8000"),
    ],
)
def test_twilio_is_told_no_address_it_would_refuse(
    company: PhoneCompany, settings: Any, base: str
) -> None:
    settings.PAGERPAL_BASE_URL = base

    send("sms_twilio")

    assert "StatusCallback" not in company.taken[0].body


def test_infobip_is_told_where_to_report_if_it_may(company: PhoneCompany, settings: Any) -> None:
    send("sms_infobip")
    send("whatsapp_infobip", message(key="other"))
    settings.INFOBIP_RECEIPT_TOKEN = ""
    send("sms_infobip", message(key="third"))

    url = "https://pager.example.org/hooks/infobip/receipts?token=receipt-token"
    sms, whatsapp, silent = (one.body for one in company.taken)
    assert sms["webhooks"]["delivery"]["url"] == whatsapp["notifyUrl"] == url
    assert "webhooks" not in silent


def test_a_messaging_service_stands_in_for_a_sender(company: PhoneCompany, settings: Any) -> None:
    settings.TWILIO_SMS_FROM = "MG" + "0" * 32

    send("sms_twilio")

    assert company.taken[0].body["MessagingServiceSid"] == settings.TWILIO_SMS_FROM


@pytest.mark.parametrize("slug", ["whatsapp_twilio", "whatsapp_infobip"])
def test_whatsapp_takes_free_words_from_whoever_wrote_today(
    company: PhoneCompany, templates: None, slug: str
) -> None:
    send(slug, message(is_reply=True))

    assert company.taken[0].text == (
        "[critical] Disk full on db-6 (#412)\nSince 03:00 UTC.\nNext: bob at 03:16\n"
        "https://pager.example.org/a/t0ken"
    )


@pytest.mark.parametrize("slug", ["whatsapp_twilio", "whatsapp_infobip"])
def test_whatsapp_takes_the_template_else(
    company: PhoneCompany, templates: None, slug: str
) -> None:
    send(slug)

    (sent,) = company.taken
    assert "[critical] Disk full on db-6 (#412)" in sent.text
    assert "https://pager.example.org/a/t0ken" in sent.text
    assert "Since 03:00" not in sent.text


@pytest.mark.parametrize(
    ("headers", "numbers"), [({"X-PagerPal-Incident": "412"}, (412,)), ({}, ())]
)
def test_a_button_of_whatsapp_says_what_its_press_is_about(
    company: PhoneCompany,
    templates: None,
    settings: Any,
    headers: dict[str, str],
    numbers: tuple[int, ...],
) -> None:
    settings.INFOBIP_WHATSAPP_BUTTONS = ["acknowledge", "escalate"]

    send("whatsapp_infobip", message(headers=headers))

    buttons = company.taken[0].body["content"]["templateData"]["buttons"]
    pressed = [parse(button["parameter"]) for button in buttons]
    said = [(reply.act, reply.numbers) for reply in pressed]
    assert said == [("acknowledge", numbers), ("escalate", numbers)]


@pytest.mark.parametrize("slug", ALL)
@pytest.mark.parametrize("title", [WILD, "", "\n\t", "a" + " " * 20 + "b"])
def test_whatever_is_said_is_taken(
    company: PhoneCompany, templates: None, slug: str, title: str
) -> None:
    send(slug, message(title=title, body=WILD))

    assert "https://pager.example.org/a/t0ken" in company.taken[0].text


@pytest.mark.parametrize("slug", INFOBIP)
def test_infobip_sends_a_message_once_however_often_it_is_told(
    company: PhoneCompany, slug: str
) -> None:
    first, second = send(slug), send(slug)

    assert first.provider_id == second.provider_id
    assert len(company.taken) == 1


@pytest.mark.parametrize("slug", ALL)
def test_what_is_no_number_is_not_sent(company: PhoneCompany, slug: str) -> None:
    with pytest.raises(SendError) as caught:
        registry[slug].send(message(), "0791234567", Deadline(5))

    assert caught.value.permanent
    assert company.calls == []


REFUSALS = [
    *[("sms_twilio", twilio_error(400, code), f"({code})") for code in (21211, 21614, 21408)],
    ("whatsapp_twilio", twilio_error(400, 21610), "START"),
    ("sms_twilio", twilio_error(401, 20003), "check TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN"),
    ("sms_twilio", twilio_error(404, 20404), "TWILIO_BASE_URL"),
    ("sms_infobip", infobip_error(401, "E401"), "check INFOBIP_API_KEY"),
    ("whatsapp_infobip", infobip_error(403, "E403"), "check INFOBIP_API_KEY"),
    ("sms_infobip", infobip_error(400, "E400", "must not be blank"), "must not be blank, E400"),
    ("sms_infobip", infobip_answer("x", 5, 12, "REJECTED_NOT_ENOUGH_CREDITS"), "top up"),
    ("whatsapp_infobip", infobip_answer("x", 5, 51, "MISSING_TO", in_list=False), "MISSING_TO"),
    *[(slug, Reply(301, "", {"Location": "https://elsewhere.example/"}), "redir") for slug in ALL],
    # An error that comes with 200.
    ("sms_twilio", Reply(200, twilio_error(400, 21211).body), "(21211)"),
]


@pytest.mark.parametrize(("slug", "fault", "words"), REFUSALS)
def test_a_refusal_is_final_and_says_what_to_do(
    company: PhoneCompany, slug: str, fault: Reply, words: str
) -> None:
    company.faults = [fault]

    error = error_of(slug)

    assert error.permanent
    assert words in error.text
    assert len(company.calls) == 1


OLD_ERROR = '{"requestError":{"serviceException":{"messageId":"GENERAL_ERROR","text":"oops"}}}'
TROUBLES = [
    *[(slug, Reply(status, WEB_PAGE), "") for slug in ALL for status in (500, 502, 503, 200)],
    *[(slug, Reply(status, ""), "") for slug in ALL for status in (408, 500, 200)],
    *[(slug, Reply(200, "[1]"), "may have been sent") for slug in ALL],
    *[(slug, Reply(200, '{"messages":[null]}'), "may have been sent") for slug in ALL],
    ("sms_twilio", twilio_error(503, 20503), "HTTP 503"),
    ("sms_twilio", Reply(201, '{"sid":"SM1","status":"failed","error_code":30001}'), "30001"),
    ("sms_infobip", Reply(200, infobip_error(500, "E500").body), "E500"),
    ("whatsapp_infobip", Reply(500, OLD_ERROR), "oops (GENERAL_ERROR)"),
    ("sms_infobip", infobip_answer("x", 5, 20, "REJECTED_FLOODING_FILTER"), "FLOODING"),
    ("sms_infobip", infobip_answer("x", 2, 9, "UNDELIVERABLE_NOT_DELIVERED"), "UNDELIVERABLE"),
    ("sms_twilio", half(Reply(201, '{"sid":"SM0123456789","status":"queued"}')), ""),
    ("sms_infobip", half(infobip_answer("x", 1, 26, "PENDING_ACCEPTED")), ""),
]


@pytest.mark.parametrize(("slug", "fault", "words"), TROUBLES)
def test_trouble_of_the_provider_is_worth_another_try(
    company: PhoneCompany, slug: str, fault: Reply, words: str
) -> None:
    company.faults = [fault]

    error = error_of(slug)

    assert not error.permanent
    assert words in error.text
    assert "<" not in error.text


def refused(slug: str, status: int, text: str = "refused", **headers: str) -> Reply:
    if slug in TWILIO:
        return twilio_error(status, 20429 if status == 429 else 21211, text, **headers)
    return infobip_error(status, f"E{status}", text, **headers)


@pytest.mark.parametrize("slug", ALL)
def test_too_many_requests_wait_as_long_as_the_provider_asks(
    company: PhoneCompany, slug: str
) -> None:
    headers = {"Retry-After": "2"}
    company.faults = [refused(slug, 429, **headers)]

    error = error_of(slug)

    assert (error.permanent, error.retry_after) == (False, 2.0)


@pytest.mark.parametrize("slug", ALL)
def test_secrets_and_numbers_stay_out_of_the_words(company: PhoneCompany, slug: str) -> None:
    text = f"{TOKEN} {API_KEY} is wrong for {NUMBER}"
    company.faults = [refused(slug, 400, text)]

    error = error_of(slug)

    assert (TOKEN if slug in TWILIO else API_KEY) not in error.text
    assert NUMBER not in error.text


@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")  # given up at any point
@pytest.mark.parametrize("slug", ALL)
def test_a_provider_that_hangs_is_given_up_at_the_deadline(
    company: PhoneCompany, settings: Any, slug: str
) -> None:
    with slow() as server:
        settings.TWILIO_BASE_URL = settings.INFOBIP_BASE_URL = server.url
        error = error_of(slug, within=0.1)

    assert error.timed_out


@pytest.mark.parametrize("slug", ALL)
def test_a_provider_that_is_down_is_trouble(
    company: PhoneCompany, settings: Any, slug: str
) -> None:
    settings.TWILIO_BASE_URL = settings.INFOBIP_BASE_URL = f"http://127.0.0.1:{free_port()}"

    error = error_of(slug)

    assert not error.permanent
    assert "refused" in error.text


@pytest.mark.parametrize(
    ("slug", "name"),
    [
        ("sms_twilio", "TWILIO_SMS_FROM"),
        ("whatsapp_twilio", "TWILIO_WHATSAPP_FROM"),
        ("sms_infobip", "INFOBIP_SMS_SENDER"),
        ("whatsapp_infobip", "INFOBIP_WHATSAPP_SENDER"),
    ],
)
def test_each_needs_an_account_and_a_sender(
    company: PhoneCompany, settings: Any, slug: str, name: str
) -> None:
    assert registry[slug].needs() == []

    setattr(settings, name, "")

    assert registry[slug].needs() == [name]


@pytest.mark.parametrize(
    ("status", "code", "outcome"),
    [
        *[(word, None, "delivered") for word in ("delivered", "read")],
        *[(word, None, "failed") for word in ("undelivered", "failed", "canceled")],
        *[(word, None, "on its way") for word in ("accepted", "queued", "sending", "sent", "?")],
        ("undelivered", "30003", "failed"),
    ],
)
def test_what_twilio_knows_of_a_message(
    company: PhoneCompany, status: str, code: str | None, outcome: str
) -> None:
    channel = registry["sms_twilio"]
    sid = send("sms_twilio").provider_id
    company.states[sid] = {"status": status, "error_code": code}

    report = channel.ask(sid, Deadline(5))  # type: ignore[attr-defined]

    told = "delivered" if report.is_delivered else "failed" if report.has_failed else "on its way"
    assert (report.provider_id, told) == (sid, outcome)
    assert ("the phone is off or has no network (30003)" in report.text) == bool(code)


@pytest.mark.parametrize(
    ("group", "number", "outcome"),
    [
        (1, 26, "on its way"),
        (3, 2, "on its way"),
        (3, 5, "delivered"),
        (2, 9, "failed"),
        (4, 15, "failed"),
        (5, 12, "failed"),
        (5, 23, "on its way"),
    ],
)
def test_what_infobip_knows_of_a_message(
    company: PhoneCompany, group: int, number: int, outcome: str
) -> None:
    channel = registry["sms_infobip"]
    name = send("sms_infobip").provider_id
    company.states[name] = infobip_report(name, group, number)

    report = channel.ask(name, Deadline(5))  # type: ignore[attr-defined]

    told = "delivered" if report.is_delivered else "failed" if report.has_failed else "on its way"
    assert (report.provider_id, told) == (name, outcome)


def test_infobip_may_know_nothing_of_a_message(company: PhoneCompany) -> None:
    channel = registry["sms_infobip"]

    assert channel.ask("pp-1", Deadline(5)) is None  # type: ignore[attr-defined]


@pytest.mark.parametrize("said", [None, [], {}, {"results": None}, {"results": [None, 7, {}]}])
def test_what_is_no_report_says_nothing(said: Any) -> None:
    assert list(infobip.reports(said)) == []


@pytest.mark.parametrize("status", [None, {}, {"groupId": "x"}, {"groupId": None, "id": "9" * 20}])
def test_a_report_of_no_known_state_changes_nothing(status: Any) -> None:
    (report,) = infobip.reports({"results": [{"messageId": "m", "status": status}]})

    assert not report.is_delivered
    assert not report.has_failed


def test_a_message_that_was_seen_was_delivered() -> None:
    (report,) = infobip.reports({"results": [{"messageId": "m", "seenAt": "2026-11-23T12:00"}]})

    assert report.is_delivered


SIGNED = [
    (
        "12345",
        "https://mycompany.com/myapp.php?foo=1&bar=2",
        {
            "CallSid": "CA1234567890ABCDE",
            "Digits": "1234",
            "From": "+14158675309",
            "To": "+18005551212",
            "Caller": "+14158675309",
        },
        "RSOYDt4T1cUTdK1PDd93/VVr8B8=",
    ),
    (
        "s3cret-token",
        "https://pager.example.org/hooks/twilio/sms",
        {
            "MessageSid": "SM0123456789abcdef0123456789abcdef",
            "AccountSid": "AC0123456789abcdef0123456789abcdef",
            "From": "+41790000001",
            "To": "+14155550100",
            "Body": "ack 42",
            "NumMedia": "0",
        },
        "47qgiBk1az8lGneI3YtvPj6+Jkc=",
    ),
    ("s3cret-token", "https://pager.example.org/x?y=1", {}, "rbNuqxjcG3pKq26Lu1E2yk+NAIA="),
]


@pytest.mark.parametrize(("token", "url", "fields", "expected"), SIGNED)
def test_twilios_signature(
    settings: Any, token: str, url: str, fields: dict[str, str], expected: str
) -> None:
    settings.TWILIO_AUTH_TOKEN = token
    lists = {name: [value] for name, value in fields.items()}

    assert twilio.is_signed(expected, url, lists)
    assert not twilio.is_signed(expected, url, {**lists, "Body": ["ack 43"]})
    assert not twilio.is_signed("", url, lists)
    settings.TWILIO_AUTH_TOKEN = ""
    assert not twilio.is_signed(twilio.signature(url, lists, ""), url, lists)


def test_twilio_may_name_the_port_or_not(settings: Any) -> None:
    settings.TWILIO_AUTH_TOKEN = "t"
    with_port = twilio.signature("https://pager.example.org:443/x", {}, "t")
    other_port = twilio.signature("https://pager.example.org:8443/x", {}, "t")

    assert twilio.is_signed(with_port, "https://pager.example.org/x", {})
    assert not twilio.is_signed(other_port, "https://pager.example.org/x", {})


@pytest.mark.parametrize(
    ("text", "region", "number"),
    [
        ("+41 79 123 45 67", "", "+41791234567"),
        ("+41 (0)79 123-45-67", "", "+41791234567"),
        ("079 123 45 67", "CH", "+41791234567"),
        ("0041791234567", "CH", "+41791234567"),
        ("+1 415 555 2671", "CH", "+14155552671"),
    ],
)
def test_a_number_has_one_spelling(settings: Any, text: str, region: str, number: str) -> None:
    settings.PHONE_REGION = region

    assert phones.clean_number(text) == number


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("079 123 45 67", "names no country"),
        ("ann@example.org", "not a telephone number"),
        ("+41 79 1", "no number that exists"),
        ("+41 79 123 45 67 ext. 9", "no number that exists"),
        ("+", "not a telephone number"),
    ],
)
def test_what_is_no_number_is_refused_in_a_sentence(text: str, words: str) -> None:
    with pytest.raises(ValueError, match=words) as caught:
        phones.clean_number(text)

    assert str(caught.value).endswith((".", "?"))


@pytest.mark.parametrize(
    ("path", "body", "words"),
    [
        ("/sms/3/messages", {"messages": [{"from": "P", "text": "x"}]}, "missing"),
        ("/sms/3/messages", {"message": []}, "missing"),
        ("/sms/2/text/advanced", {}, "documented"),
        ("/whatsapp/1/message/text", {"messages": []}, "missing"),
    ],
)
def test_the_played_company_refuses_what_is_not_documented(
    settings: Any, path: str, body: dict[str, Any], words: str
) -> None:
    with phone_company(settings) as playing:
        answer = infobip.call("POST", path, Deadline(5), payload=json.dumps(body).encode())
        (complaint,), playing.complaints = playing.complaints, []

    assert answer.status == 400
    assert words in complaint


def test_what_knows_numbers_is_loaded_by_a_form_only() -> None:
    code = (
        "import os, sys; os.environ['DJANGO_SETTINGS_MODULE'] = 'pagerpal.test_settings'\n"
        "import django; django.setup()\n"
        "import pagerpal.urls, notifications.tasks; sys.exit('phonenumbers' in sys.modules)"
    )

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
