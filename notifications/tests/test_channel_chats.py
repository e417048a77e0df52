"""Slack, Mattermost and Discord, each played by a server on loopback that refuses surprises."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from notifications.channels.base import Deadline, Message, Receipt, SendError, registry
from notifications.tests.receivers import PATHS, receiver
from notifications.tests.servers import Call, Provider, Reply, slow

CHATS = ["discord", "mattermost", "slack"]


@pytest.fixture(params=CHATS)
def chat(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def server(chat: str) -> Iterator[Provider]:
    with receiver(chat) as playing:
        yield playing


def message(**fields: Any) -> Message:
    values: dict[str, Any] = {
        "key": "update:412/2/channel:3/0",
        "thread": "incident:412",
        "title": "[critical] Disk full (#412)",
        "body": "Since 03:00 UTC.",
        "open_url": "https://pager.example.org/incidents/412",
        "answer_url": "https://pager.example.org/a/t0ken",
        **fields,
    }
    return Message(**values)


def send(chat: str, server: Provider, what: Message | None = None) -> Receipt:
    return registry[chat].send(what or message(), server.url + PATHS[chat], Deadline(5))


def text_of(chat: str, call: Call) -> str:
    text: str = call.json["content" if chat == "discord" else "text"]
    return text


def text_sent(chat: str, what: Message) -> str:
    with receiver(chat) as playing:
        send(chat, playing, what)
        return text_of(chat, playing.calls[0])


def error_of(chat: str, reply: Reply) -> SendError:
    with receiver(chat, reply) as playing, pytest.raises(SendError) as caught:
        send(chat, playing)
    return caught.value


def test_a_room_reads_what_is_wrong_and_gets_a_link(chat: str, server: Provider) -> None:
    send(chat, server)

    text = text_of(chat, server.calls[0])
    plain = text.replace("\\", "")
    assert "[critical] Disk full (#412)" in plain
    assert "Since 03:00 UTC." in plain
    assert "https://pager.example.org/incidents/412" in text


def test_a_room_gets_no_link_that_answers_as_somebody(chat: str) -> None:
    assert "t0ken" not in text_sent(chat, message())


def test_a_long_text_is_cut_and_keeps_its_link(chat: str) -> None:
    text = text_sent(chat, message(title="*" * 5000, body="\\_" * 9000))

    assert "https://pager.example.org/incidents/412" in text


def test_control_characters_do_not_arrive(chat: str) -> None:
    text = text_sent(chat, message(title="a\x00b\r\nc", body="\x1b[31mred\x07"))

    assert not {"\x00", "\r", "\x1b", "\x07"} & set(text)
    assert "Ünïcödé 🔥" in text_sent(chat, message(title="Ünïcödé 🔥"))


@pytest.mark.parametrize("name", ["@everyone", "@here", "@channel", "<!channel>", "<@U012AB>"])
def test_a_title_rings_at_nobody(chat: str, name: str) -> None:
    text = text_sent(chat, message(title=name, body=name))

    if chat == "slack":  # there a mention is in angle brackets, and nothing else is one
        assert "<!" not in text
        assert "<@" not in text
    if chat == "mattermost":
        assert "@here" not in text
        assert "@everyone" not in text
        assert "@channel" not in text


def test_slack_reads_signs_as_signs() -> None:
    assert "*a &amp; b &lt;https://x|y&gt;*" in text_sent(
        "slack", message(title="a & b <https://x|y>")
    )


@pytest.mark.parametrize("chat", ["mattermost", "discord"])
def test_a_title_is_no_markdown(chat: str) -> None:
    text = text_sent(chat, message(title="[x](https://evil.example) *b* `c`"))

    assert r"\[x\]\(https://evil.example\) \*b\* \`c\`" in text


@pytest.mark.parametrize("status", [400, 401, 403, 404, 410, 301])
def test_what_is_refused_is_not_tried_again(chat: str, status: int) -> None:
    headers = {"Location": "https://elsewhere.example/"} if status == 301 else {}

    error = error_of(chat, Reply(status, "no_service", headers))

    assert error.permanent
    assert str(status) in error.text


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503])
def test_trouble_is_tried_again(chat: str, status: int) -> None:
    error = error_of(chat, Reply(status, "<html>bad gateway</html>"))

    assert not error.permanent


def test_the_pause_it_asks_for_is_kept(chat: str) -> None:
    assert error_of(chat, Reply(429, "{}", {"Retry-After": "7"})).retry_after == 7


def test_a_web_page_that_answers_is_not_the_chat(chat: str) -> None:
    error = error_of(chat, Reply(200, "<html>log in</html>"))

    assert not error.permanent
    assert "check the address" in error.text


@pytest.mark.parametrize(
    ("body", "taken"),
    [
        ('{"ok": true}', True),
        ('{"success": true}', True),
        ('{"result": "success"}', True),
        ('{"ok": false, "error": "x"}', False),
        ("{}", False),
    ],
)
def test_what_speaks_like_slack_may_answer_in_json(body: str, taken: bool) -> None:
    with receiver("slack", Reply(body=body)) as playing:
        if taken:
            send("slack", playing)
            return
        with pytest.raises(SendError, match="not Slack's"):
            send("slack", playing)


def test_an_error_page_is_not_quoted(chat: str) -> None:
    assert error_of(chat, Reply(502, "<html>bad gateway</html>")).text == "HTTP 502"


def test_no_error_shows_the_secret_of_the_address(chat: str) -> None:
    words = f"unknown {PATHS[chat]} s3cr3tpart"

    for body in (words, json.dumps({"message": words})):
        assert "s3cr3tpart" not in error_of(chat, Reply(400, body)).text


@pytest.mark.filterwarnings("ignore:unclosed <socket:ResourceWarning")  # given up at any point
def test_a_chat_that_hangs_takes_only_its_deadline() -> None:
    with slow() as hanging, pytest.raises(SendError) as caught:
        registry["slack"].send(message(), f"{hanging.url}/services/x", Deadline(0.2))

    assert caught.value.timed_out


def test_discord_says_its_pause_in_the_body() -> None:
    reply = Reply(429, '{"retry_after": 0.65, "global": false}', {"Retry-After": "1"})

    assert error_of("discord", reply).retry_after == 0.65


def test_a_webhook_deleted_in_discord_is_refused_for_good() -> None:
    error = error_of("discord", Reply(404, '{"code": 10015, "message": "Unknown Webhook"}'))

    assert error.permanent
    assert "deleted" in error.text


def test_discord_says_the_number_of_its_message() -> None:
    with receiver("discord") as playing:
        assert send("discord", playing).provider_id == "9911"


@pytest.mark.parametrize(
    "text",
    [
        "hooks.slack.com/services/x",
        "ftp://chat.example.org/x",
        "https://",
        "https://chat.example.org/a b",
        "https://user:secret@chat.example.org/hooks/x",
        "https://chat.example.org:port/x",
        "https://chat.example.org/x#y",
        "https://chat.example.org/" + "x" * 1000,
    ],
)
def test_an_address_is_a_whole_web_address(chat: str, text: str) -> None:
    with pytest.raises(ValueError, match=r"\.$"):
        registry[chat].clean_address(text)


def test_a_chat_of_ones_own_may_be_anywhere(chat: str) -> None:
    address = registry[chat].clean_address("HTTP://Chat.Internal:8065/hooks/Ab3")

    assert address == "http://chat.internal:8065/hooks/Ab3"
