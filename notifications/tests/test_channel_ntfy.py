"""ntfy, played by a server on loopback."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifications.channels import ntfy
from notifications.channels.base import Action, Deadline, Message, Receipt, SendError, registry
from notifications.tests.receivers import receiver
from notifications.tests.servers import Provider, Reply, slow

TOPIC = "oncall-ann-7f3k9"


def message(**fields: Any) -> Message:
    values: dict[str, Any] = {
        "key": "page:981/method:7/repeat:0",
        "thread": "incident:412",
        "title": "[critical] Disk full on db-6 (#412)",
        "body": "Since 03:00 UTC.\nNext: bob at 03:16",
        "priority": 5,
        "tags": ("rotating_light",),
        "open_url": "https://pager.example.org/incidents/412",
        "answer_url": "https://pager.example.org/a/t0ken",
        **fields,
    }
    return Message(**values)


@pytest.fixture
def server(settings: Any) -> Iterator[Provider]:
    with receiver("ntfy") as playing:
        settings.NTFY_BASE_URL = playing.url
        settings.NTFY_TOKEN = "tk_secret"
        yield playing


def send(what: Message | None = None, *, topic: str = TOPIC, within: float = 5.0) -> Receipt:
    return registry["ntfy"].send(what or message(), topic, Deadline(within))


def error_of(what: Message | None = None) -> SendError:
    with pytest.raises(SendError) as caught:
        send(what)
    return caught.value


def test_a_page_is_published_as_json_to_the_root(server: Provider) -> None:
    receipt = send()

    (call,) = server.calls
    assert (call.method, call.path) == ("POST", "/")
    assert call.headers["Authorization"] == "Bearer tk_secret"
    assert call.headers["Content-Type"] == "application/json"
    assert call.json == {
        "topic": TOPIC,
        "title": "[critical] Disk full on db-6 (#412)",
        "message": "Since 03:00 UTC.\nNext: bob at 03:16",
        "priority": 5,
        "tags": ["rotating_light"],
        "click": "https://pager.example.org/incidents/412",
        "sequence_id": "page-981-method-7-repeat-0",
        "actions": [
            {
                "action": "http",
                "label": "Acknowledge",
                "url": "https://pager.example.org/a/t0ken",
                "method": "POST",
                "clear": True,
            },
            {"action": "view", "label": "Open", "url": "https://pager.example.org/incidents/412"},
        ],
    }
    assert receipt.provider_id == "sPs71M8A2T8n"


def test_without_a_token_nothing_is_said_about_one(server: Provider, settings: Any) -> None:
    settings.NTFY_TOKEN = ""

    send()

    assert "Authorization" not in server.calls[0].headers


def test_a_user_and_password_sign_in_where_there_is_no_token(
    server: Provider, settings: Any
) -> None:
    settings.NTFY_USER, settings.NTFY_PASSWORD = "pager", "pass:w\u00f6rd"
    send()
    settings.NTFY_TOKEN = ""
    send()

    given = [call.headers["Authorization"] for call in server.calls]
    assert given == ["Bearer tk_secret", "Basic cGFnZXI6cGFzczp3w7ZyZA=="]


def test_a_wrong_password_stays_secret(server: Provider, settings: Any) -> None:
    settings.NTFY_TOKEN, settings.NTFY_USER, settings.NTFY_PASSWORD = "", "pager", "s3cret"
    server.replies = [Reply(401, '{"code":40101,"error":"unauthorized s3cret"}')]

    assert error_of().text.startswith("HTTP 401: unauthorized ***; check NTFY_TOKEN, or NTFY_USER")


def test_a_wild_title_becomes_one_line_that_fits(server: Provider) -> None:
    send(
        message(title="Ünïcödé 🔥\r\nX-Evil: 1\x00" + "ß" * 5000, body="\x07bell\r\n" + "🔥" * 5000)
    )

    said = server.calls[0].json
    assert said["title"].startswith("Ünïcödé 🔥 X-Evil: 1 ßß")
    assert "\n" not in said["title"]
    assert len(said["title"].encode()) <= ntfy.MOST_TITLE
    assert said["message"].startswith("bell\n🔥")
    assert len(said["message"].encode()) <= ntfy.MOST_MESSAGE
    assert len(said["actions"]) == 2
    assert len(server.calls[0].body) <= ntfy.MOST_BODY


@given(st.text(max_size=4000), st.text(max_size=4000))
def test_whatever_is_said_the_limits_hold(title: str, body: str) -> None:
    raw = ntfy.payload(message(title=title or "x", body=body * 3), TOPIC)

    said = json.loads(raw)
    assert len(raw) <= ntfy.MOST_BODY
    assert len(said["message"].encode()) <= ntfy.MOST_MESSAGE
    assert len(said["actions"]) == 2


def test_a_message_of_nothing_but_quotes_still_fits() -> None:
    raw = ntfy.payload(message(body='"\\' * 4000, open_url="https://x.example/" + "p" * 900), TOPIC)

    assert len(raw) <= ntfy.MOST_BODY
    assert json.loads(raw)["message"]


def test_at_most_three_buttons_and_acknowledge_is_the_first() -> None:
    more = tuple(Action(f"More {n}", "https://x.example/") for n in range(4))

    said = json.loads(ntfy.payload(message(actions=more), TOPIC))

    assert [button["label"] for button in said["actions"]] == ["Acknowledge", "More 0", "Open"]


def test_the_same_key_has_the_same_sequence_id_of_allowed_characters() -> None:
    long = "page:1/" + "x" * 200

    assert ntfy.sequence_id(long) == ntfy.sequence_id(long)
    assert ntfy.sequence_id(long) != ntfy.sequence_id(long + "y")
    for key in (long, "page:9/rule:4/method:7/repeat:0", "ö"):
        assert ntfy.TOPIC.fullmatch(ntfy.sequence_id(key))


def test_a_message_is_cleared_by_its_key(server: Provider) -> None:
    send(message(clears="page:981/method:7/repeat:0"))

    (call,) = server.calls
    assert call.method == "PUT"
    assert call.path == f"/{TOPIC}/page-981-method-7-repeat-0/clear"
    assert call.headers["Authorization"] == "Bearer tk_secret"


@pytest.mark.parametrize("status", [404, 405])
def test_a_server_too_old_to_clear_is_no_failure(server: Provider, status: int) -> None:
    server.replies = [Reply(status, '{"code":40401,"http":404,"error":"page not found"}')]

    receipt = send(message(clears="page:981/method:7/repeat:0"))

    assert "too old" in receipt.text


def test_a_wrong_token_is_final_and_stays_secret(server: Provider) -> None:
    server.replies = [Reply(401, f'{{"code":40101,"error":"unauthorized tk_secret for {TOPIC}"}}')]

    error = error_of()

    assert error.permanent
    assert "HTTP 401: unauthorized *** for ***" in error.text
    assert "check NTFY_TOKEN" in error.text


def test_too_many_requests_wait_as_long_as_the_server_asks(server: Provider) -> None:
    server.replies = [Reply(429, '{"code":42901,"error":"limit reached"}', {"Retry-After": "2"})]

    error = error_of()

    assert not error.permanent
    assert error.retry_after == 2.0


def test_too_many_requests_without_a_time_wait_some_seconds(server: Provider) -> None:
    server.replies = [Reply(429, '{"code":42901,"error":"limit reached"}')]

    assert error_of().retry_after == ntfy.PAUSE_AT_LIMIT


def test_the_days_allowance_used_up_is_final(server: Provider) -> None:
    server.replies = [Reply(429, '{"code":42908,"error":"daily message quota reached"}')]

    assert error_of().permanent


@pytest.mark.parametrize("body", ['{"code":50001,"error":"internal"}', "<html>Bad Gateway</html>"])
@pytest.mark.parametrize("status", [500, 502, 507])
def test_trouble_of_the_server_is_tried_again(server: Provider, status: int, body: str) -> None:
    server.replies = [Reply(status, body)]

    error = error_of()

    assert not error.permanent
    assert error.text.startswith(f"HTTP {status}")
    assert "<" not in error.text


def test_a_redirect_is_final_and_points_at_the_setting(server: Provider) -> None:
    server.replies = [Reply(301, "", {"Location": "https://elsewhere.example/"})]

    error = error_of()

    assert error.permanent
    assert "NTFY_BASE_URL" in error.text
    assert len(server.calls) == 1


def test_a_web_page_with_200_is_no_ntfy_server(server: Provider) -> None:
    server.replies = [Reply(200, "<!doctype html><title>Welcome to nginx</title>")]

    assert "check NTFY_BASE_URL" in error_of().text


def test_a_message_too_large_for_the_server_is_cut_once_more(server: Provider) -> None:
    server.replies = [Reply(413, '{"code":41303,"error":"too large"}'), Reply()]

    receipt = send(message(body="x" * 3000))

    assert receipt.provider_id
    assert [len(call.json["message"].encode()) for call in server.calls] == [3000, 1000]
    assert len(server.calls[1].json["actions"]) == 2


@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")  # given up at any point
def test_a_server_that_hangs_is_given_up_at_the_deadline(settings: Any) -> None:
    with slow() as server:
        settings.NTFY_BASE_URL = server.url
        with pytest.raises(SendError) as caught:
            send(within=0.3)

    assert caught.value.timed_out


@pytest.mark.parametrize("topic", ["", "a b", "ä", "x" * 65, "a/b", "docs", "Settings"])
def test_what_cannot_be_a_topic_is_refused_in_a_sentence(topic: str) -> None:
    with pytest.raises(ValueError, match=r".+\.$"):
        registry["ntfy"].clean_address(topic)


def test_a_topic_is_kept_as_it_is() -> None:
    assert registry["ntfy"].clean_address(" On-Call_7 ") == "On-Call_7"


def test_nothing_is_sent_to_an_address_that_is_no_topic(server: Provider) -> None:
    with pytest.raises(SendError) as caught:
        send(topic="../v1/account")

    assert caught.value.permanent
    assert server.calls == []
