"""Answers that wait where PagerPal has to fetch them: when, how often, once, over a restart."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from email.utils import format_datetime
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from notifications import fetching, pressed, tasks, trials
from notifications.channels import ntfy_answers
from notifications.channels.base import Message
from notifications.channels.ntfy import payload
from notifications.models import Bundle, InboundMessage, Inbox, Notification, ProviderState
from notifications.signals import answer_received
from notifications.tests.inbound import NUMBER, has_number, infobip_sms
from notifications.tests.pages import first, send
from notifications.tests.phone_companies import ACCOUNT, API_KEY, TOKEN
from notifications.tests.servers import Call, Provider, Reply, serving
from pagerpal.testing import NOON, Recorder, make_user, minutes, seconds
from schedules.models import User

pytestmark = pytest.mark.django_db
TOPIC = "oncall-answers"


class Mailbox(Provider):
    """Plays ntfy's topic, Twilio's list and Infobip's inbox: what is in them, and who asked."""

    def __init__(self) -> None:
        super().__init__()
        self.posted: list[dict[str, Any]] = []
        self.listed: list[dict[str, Any]] = []
        self.inbox: list[dict[str, Any]] = []
        self.fault: Reply | None = None

    def post(self, text: str, at: datetime = NOON) -> str:
        name = f"m{len(self.posted):04}"
        said = {"id": name, "time": int(at.timestamp()), "event": "message", "message": text}
        self.posted.append(said)
        return name

    def reply_to(self, call: Call) -> Reply:
        if self.fault is not None:
            return self.fault
        url = urlsplit(call.path)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        if url.path == f"/{TOPIC}/json":
            return self._topic(query)
        if url.path == f"/2010-04-01/Accounts/{ACCOUNT}/Messages.json":
            assert set(query) - {"To"} == {"DateSent>", "PageSize"}
            to = query.get("To")
            newest = [one for one in reversed(self.listed) if to in {None, one["to"]}]
            return Reply(200, json.dumps({"messages": newest}))
        assert (url.path, query) == ("/sms/1/inbox/reports", {"limit": "20"})
        given, self.inbox = self.inbox, []
        return Reply(200, json.dumps({"results": given}))

    def _topic(self, query: dict[str, str]) -> Reply:
        assert query["poll"] == "1"
        since = query["since"]
        names = [one["id"] for one in self.posted]
        new = self.posted[names.index(since) + 1 :] if since in names else self.posted
        others = {"id": "x", "time": 1, "event": "keepalive"}
        return Reply(200, "".join(f"{json.dumps(one)}\n" for one in [others, *new]))


@pytest.fixture
def mailbox(settings: Any) -> Iterator[Mailbox]:
    settings.NOTIFICATION_SENDING_ENABLED = True
    with serving(Mailbox()) as playing:
        settings.NTFY_BASE_URL = settings.TWILIO_BASE_URL = settings.INFOBIP_BASE_URL = playing.url
        yield playing


@pytest.fixture
def ntfy(mailbox: Mailbox, settings: Any) -> Mailbox:
    settings.NTFY_ACK_TOPIC = TOPIC
    went_out("ntfy")
    return mailbox


@pytest.fixture
def told() -> Iterator[list[dict[str, Any]]]:
    """What the floor above is told; it answers that all went well."""
    others, answer_received.receivers = answer_received.receivers, []
    calls: list[dict[str, Any]] = []

    def listen(**said: Any) -> str:
        calls.append(said)
        return "#412 is yours."

    answer_received.connect(listen)
    yield calls
    answer_received.receivers = others
    answer_received.sender_receivers_cache.clear()


def went_out(provider: str, at: datetime = NOON) -> None:
    ProviderState.objects.update_or_create(provider=provider, defaults={"last_taken_at": at})


def fetch(at: datetime = NOON) -> list[str]:
    return fetching.fetch(at, seconds=5)


def paged() -> Notification:
    return first(make_user())


# --- ntfy's topic --------------------------------------------------------------------------------
def test_the_button_posts_to_the_topic_what_only_acknowledges(settings: Any) -> None:
    message = Message(
        key="page:9/method:7", thread="t", title="x", body="y", answer_url="https://p.example/a/tk"
    )
    (before,) = json.loads(payload(message, "topic"))["actions"]
    settings.NTFY_ACK_TOPIC, settings.NTFY_BASE_URL = TOPIC, "https://ntfy.example.org"

    (after,) = json.loads(payload(message, "topic"))["actions"]

    assert (before["url"], before.get("body")) == ("https://p.example/a/tk", None)
    assert (after["url"], after["method"]) == (f"https://ntfy.example.org/{TOPIC}", "POST")
    assert ntfy_answers.key_of(after["body"]) == message.key
    assert "/a/tk" not in json.dumps(after)


def test_a_press_is_an_acknowledgement_of_what_the_message_told(
    ntfy: Mailbox, told: list[dict[str, Any]]
) -> None:
    page = paged()
    ntfy.post(ntfy_answers.token_for(page.key), at=NOON + seconds(3))

    assert fetch(NOON + seconds(5)) == ["ntfy"]

    (said,) = told
    assert (said["user"], said["threads"], said["via"]) == (page.user, [page.thread], "ntfy")
    assert (said["reply"].act, said["said_at"]) == ("acknowledge", NOON + seconds(3))
    answer = Notification.objects.get(purpose="notice")
    assert (answer.address, answer.context) == (page.address, {"answer": "#412 is yours."})


def test_nothing_is_handled_twice_or_lost_over_a_restart(
    ntfy: Mailbox, told: list[dict[str, Any]]
) -> None:
    page, other = paged(), first(make_user("bob"), ref="page:982", thread="thing:413")
    last = ntfy.post(ntfy_answers.token_for(page.key))
    fetch()
    assert Inbox.objects.get().cursor == last
    ntfy.post(ntfy_answers.token_for(other.key))  # while nobody looks

    fetch(NOON + minutes(3))
    fetch(NOON + minutes(4))

    assert [said["threads"] for said in told] == [[page.thread], [other.thread]]
    asked = [parse_qs(urlsplit(call.path).query)["since"][0] for call in ntfy.calls]
    assert asked == [str(int(NOON.timestamp()) - 900), "m0000", "m0001"]


def test_what_could_not_be_stored_is_fetched_again(
    ntfy: Mailbox, told: list[dict[str, Any]], monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: Any, **__: Any) -> bool:
        raise OSError("disk full")

    ntfy.post(ntfy_answers.token_for(paged().key))
    with monkeypatch.context() as broken:
        broken.setattr(pressed, "press", fail)
        fetch()
    assert Inbox.objects.get().cursor == ""

    fetch(NOON + seconds(10))

    assert len(told) == 1


@pytest.mark.parametrize("text", ["", "page:981/method:7", "x.y", "a" * 5000, "12a"])
def test_forged_buttons_are_ignored(ntfy: Mailbox, told: list[dict[str, Any]], text: str) -> None:
    page = paged()
    forged = ntfy_answers.token_for(page.key)[:-1] + "!"
    for one in (text, forged, ntfy_answers.token_for("page:404/method:1")):
        ntfy.post(one)

    fetch()

    assert not told
    assert not InboundMessage.objects.exists()


def test_each_button_is_good_once(ntfy: Mailbox, told: list[dict[str, Any]]) -> None:
    token = ntfy_answers.token_for(paged().key)
    for _ in range(3):  # whoever reads the topic posts it again
        ntfy.post(token)

    fetch()
    ntfy.post(token)
    fetch(NOON + minutes(1))

    assert len(told) == 1


def test_old_buttons_and_those_of_people_who_left_are_ignored(
    ntfy: Mailbox, told: list[dict[str, Any]]
) -> None:
    page = paged()
    eve = make_user("eve")
    gone = first(eve, ref="page:982")
    User.objects.filter(pk=eve.pk).update(is_active=False)
    went_out("ntfy", NOON + timedelta(days=2))
    for row in (page, gone):
        ntfy.post(ntfy_answers.token_for(row.key), at=NOON + timedelta(days=2))

    fetch(NOON + timedelta(days=2, seconds=1))

    assert not told


def test_a_message_that_told_of_several_answers_exactly_those(
    ntfy: Mailbox, told: list[dict[str, Any]]
) -> None:
    page = paged()
    bundle = Bundle.objects.create(lead=page, threads=["thing:412", "thing:9"], created_at=NOON)
    for key in (bundle.key, "bundle:404", "bundle:x"):
        ntfy.post(ntfy_answers.token_for(key))

    fetch()

    (said,) = told
    assert (said["user"], said["threads"]) == (page.user, ["thing:412", "thing:9"])


def test_a_test_of_ones_own_ends_by_its_button(
    ntfy: Mailbox, told: list[dict[str, Any]], recorder: Recorder
) -> None:
    alice = make_user()
    trials.page_now(alice, now=NOON)
    page = Notification.objects.filter(purpose="test").order_by("pk")[0]
    send(page)
    ntfy.post(ntfy_answers.token_for(page.key))

    fetch(NOON + seconds(5))

    assert not Notification.objects.filter(purpose="test", state="pending").exists()
    assert not told
    recorder.take_all()


# --- When ----------------------------------------------------------------------------------------
def test_nobody_is_asked_while_nobody_can_answer(mailbox: Mailbox, settings: Any) -> None:
    settings.NTFY_ACK_TOPIC = TOPIC
    assert (fetching.is_due(NOON), fetch()) == (False, [])

    went_out("ntfy", NOON - timedelta(days=1))
    assert (fetching.is_due(NOON), fetch()) == (False, [])
    went_out("ntfy", NOON)
    settings.NOTIFICATION_SENDING_ENABLED = False
    assert (fetching.is_due(NOON), fetch()) == (False, [])
    settings.NOTIFICATION_SENDING_ENABLED, settings.NTFY_ACK_TOPIC = True, ""
    assert (fetching.is_due(NOON), fetch()) == (False, [])

    assert not mailbox.calls
    assert not Inbox.objects.exists()


def test_it_is_asked_often_at_first_then_seldom(ntfy: Mailbox) -> None:
    soon = [fetch(NOON + seconds(at)) for at in range(0, 60, 5)]
    late = [fetch(NOON + minutes(20) + seconds(at)) for at in range(0, 180, 10)]

    assert [bool(asked) for asked in soon] == [True, False] * 6
    assert sum(map(bool, late)) == 3


def test_one_that_fails_is_asked_ever_more_rarely_and_named_once(
    ntfy: Mailbox, caplog: pytest.LogCaptureFixture
) -> None:
    ntfy.fault = Reply(403, '{"code": 40301, "error": "forbidden"}')

    asked = [fetch(NOON + seconds(at)) for at in range(0, 300, 10)]

    assert sum(map(bool, asked)) == 4  # at once, after 20, 60 and 140 seconds
    inbox = Inbox.objects.get()
    assert (inbox.failures, inbox.last_error) == (4, "HTTP 403: forbidden")
    assert len([one for one in caplog.records if one.name == fetching.__name__]) == 1
    ntfy.fault = None
    fetch(NOON + minutes(14))
    assert Inbox.objects.get().failures == 0


@pytest.mark.parametrize("body", ["<html>", "{", '{"id": 7}\n', '{"id":"a","time":1e99}\n'])
def test_what_is_no_list_does_no_harm(ntfy: Mailbox, told: list[dict[str, Any]], body: str) -> None:
    ntfy.fault = Reply(200, body)

    fetch()

    assert Inbox.objects.get().cursor == ""


def test_the_worker_asks_when_it_is_time(ntfy: Mailbox, monkeypatch: pytest.MonkeyPatch) -> None:
    went_out("ntfy", datetime.now(NOON.tzinfo))

    assert fetching.ask_soon(datetime.now(NOON.tzinfo)) == 1
    tasks.fetch_answers()

    assert not fetching.is_due(datetime.now(NOON.tzinfo))
    assert len(ntfy.calls) == 1


# --- Twilio and Infobip --------------------------------------------------------------------------
def by_twilio(text: str, at: datetime, **fields: str) -> dict[str, str]:
    """One entry of the list of messages."""
    return {
        "sid": f"SM{int(at.timestamp()):032x}",
        "direction": "inbound",
        "from": NUMBER,
        "to": "+14155550100",
        "body": text,
        "status": "received",
        "date_sent": format_datetime(at),
        **fields,
    }


@pytest.fixture
def twilio(mailbox: Mailbox, settings: Any) -> Mailbox:
    settings.TWILIO_ACCOUNT_SID, settings.TWILIO_AUTH_TOKEN = ACCOUNT, TOKEN
    settings.TWILIO_SMS_FROM = "+14155550100"
    went_out("sms_twilio")
    has_number(make_user())
    return mailbox


def test_twilio_is_asked_for_what_people_wrote(twilio: Mailbox, told: list[dict[str, Any]]) -> None:
    twilio.listed = [
        by_twilio("1a", NOON - minutes(40)),  # from before anybody asked
        by_twilio("12a", NOON - seconds(9)),
        by_twilio("#12 HIGH Disk full", NOON - seconds(8), direction="outbound-api"),
        by_twilio("13a", NOON - seconds(7)),
        by_twilio("14a", NOON - seconds(6), date_sent="soon"),
    ]

    fetch()
    twilio.listed.append(by_twilio("15a", NOON + seconds(18)))
    fetch(NOON + seconds(20))

    assert [said["reply"].numbers for said in told] == [(12,), (13,), (15,)]
    assert told[0]["said_at"] == NOON - seconds(9)
    query = parse_qs(urlsplit(twilio.calls[0].path).query)
    assert query == {"To": ["+14155550100"], "DateSent>": ["2026-11-23"], "PageSize": ["40"]}


def test_what_twilio_refuses_is_asked_for_again(
    twilio: Mailbox, told: list[dict[str, Any]]
) -> None:
    twilio.listed = [by_twilio("12a", NOON)]
    said = '{"code": 20003, "message": "Authenticate", "status": 401}'
    for number, fault in enumerate([Reply(401, said), Reply(200, "[]"), Reply(502, "<html>")]):
        twilio.fault = fault
        fetch(NOON + minutes(6 * number))
    assert Inbox.objects.get().failures == 3

    twilio.fault = None
    fetch(NOON + minutes(18))

    assert [said["reply"].numbers for said in told] == [(12,)]


def test_a_service_of_twilio_and_whatsapp_are_asked_too(
    twilio: Mailbox, told: list[dict[str, Any]], settings: Any
) -> None:
    settings.TWILIO_SMS_FROM = f"MG{'0' * 32}"
    settings.TWILIO_WHATSAPP_FROM = "whatsapp:+14155550199"
    has_number(make_user("bob"), "whatsapp")
    whatsapp = {"from": f"whatsapp:{NUMBER}", "to": "whatsapp:+14155550199"}
    twilio.listed = [
        by_twilio("12a", NOON - seconds(9)),
        by_twilio("13a", NOON - seconds(8), **whatsapp),
    ]

    fetch()

    assert [(said["via"], said["reply"].numbers) for said in told] == [
        ("sms", (12,)),
        ("whatsapp", (13,)),
    ]


def test_infobip_is_asked_for_what_people_wrote(
    mailbox: Mailbox, told: list[dict[str, Any]], settings: Any
) -> None:
    settings.INFOBIP_API_KEY, settings.INFOBIP_SMS_SENDER = API_KEY, "41790000000"
    went_out("sms_infobip")
    has_number(make_user())
    mailbox.inbox = [infobip_sms("12a", receivedAt="2026-11-23T12:59:50.000+0100")]

    fetch()
    fetch(NOON + seconds(20))

    (said,) = told
    assert said["said_at"] == NOON - seconds(10)
    assert len(mailbox.calls) == 2


def test_senders_with_a_name_get_no_answers(mailbox: Mailbox, settings: Any) -> None:
    settings.TWILIO_ACCOUNT_SID, settings.TWILIO_AUTH_TOKEN = ACCOUNT, TOKEN
    settings.TWILIO_SMS_FROM = settings.INFOBIP_SMS_SENDER = "PagerPal"
    settings.INFOBIP_API_KEY = API_KEY
    for provider in ("sms_twilio", "sms_infobip"):
        went_out(provider)

    assert not fetch()
