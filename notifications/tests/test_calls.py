"""One provider call keeps its deadline, whatever the provider does."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

import pytest

from notifications.channels import calls
from notifications.channels.base import Deadline, SendError
from notifications.channels.calls import Answer
from notifications.tests.servers import Reply, provider, slow

ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 40\r\n\r\n"


def post(url: str, *, within: float = 5.0) -> Answer:
    return calls.request("POST", f"{url}/", deadline=Deadline(within), payload=b"{}")


def error_of(call: Callable[[], object]) -> SendError:
    with pytest.raises(SendError) as caught:
        call()
    return caught.value


@pytest.mark.parametrize(
    ("at_once", "drip"),
    [(b"", b""), (b"", ANSWER), (ANSWER, b"x" * 40), (b"HTTP/1.1 200 OK\r\n", b"X-Slow: " * 9)],
    ids=["hangs", "drips from the first byte", "drips its body", "drips its headers"],
)
def test_a_slow_provider_costs_no_more_than_the_deadline(at_once: bytes, drip: bytes) -> None:
    with slow(at_once, drip, every=0.1) as server:
        began = time.monotonic()
        error = error_of(lambda: post(server.url, within=0.4))
        took = time.monotonic() - began

    assert error.timed_out
    assert not error.permanent
    assert error.text == "no answer within 0.4 s"
    assert took < 1.0


def test_an_abandoned_call_says_nothing_more() -> None:
    said: list[str] = []

    def dawdle() -> None:
        for _ in range(100):
            time.sleep(0.02)
        said.append("too late")

    error = error_of(lambda: calls.within(Deadline(0.1), dawdle))
    time.sleep(0.3)

    assert error.timed_out
    assert said == []


def test_a_call_that_raises_raises_at_its_caller() -> None:
    def fail() -> None:
        raise SendError("no", permanent=True)

    assert error_of(lambda: calls.within(Deadline(1), fail)).permanent


def test_a_refused_connection_says_so_without_the_path() -> None:
    with slow() as server:
        url = server.url

    error = error_of(lambda: calls.request("PUT", f"{url}/secret-topic", deadline=Deadline(1)))

    assert "Connection refused" in error.text
    assert "secret-topic" not in error.text
    assert not error.permanent
    assert not error.timed_out


def test_a_closed_connection_is_tried_again() -> None:
    with provider(Reply(body="")) as server:
        server.server.RequestHandlerClass = lambda *_: None  # type: ignore[assignment]

        error = error_of(lambda: post(server.url))

    assert not error.permanent


def test_redirects_are_not_followed() -> None:
    with provider(Reply(302, "", {"Location": "/login"}), Reply()) as server:
        answer = post(server.url)

    assert answer.status == 302
    assert len(server.calls) == 1


def test_only_64_kb_of_an_answer_are_read() -> None:
    with provider(Reply(body="x" * 300_000)) as server:
        answer = post(server.url)

    assert answer.status == 200
    assert len(answer.text) == calls.MOST_BYTES


@pytest.mark.parametrize("status", [302, 400, 401, 404, 413])
def test_most_refusals_are_final(status: int) -> None:
    assert calls.refusal(Answer(status, ""), "no").permanent


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 507])
def test_trouble_on_their_side_is_worth_another_try(status: int) -> None:
    assert not calls.refusal(Answer(status, ""), "no").permanent


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("2", 2.0),
        ("Mon, 23 Nov 2026 12:00:30 GMT", 30.0),
        ("Mon, 23 Nov 2026 11:00:00 GMT", 0.0),
        ("soon", None),
        ("", None),
        ("-5", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(value: str, seconds: float | None) -> None:
    now = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)

    assert calls.retry_after(Answer(429, "", {"Retry-After": value}), now=now) == seconds


def test_quoted_words_are_one_line_cut_and_without_secrets() -> None:
    words = calls.quoted("bad\r\ntoken tk_secret\x00 " + "é" * 400, "tk_secret")

    assert words.startswith("bad token *** é")
    assert len(words.encode()) <= calls.MOST_QUOTED
