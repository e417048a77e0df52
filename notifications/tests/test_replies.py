"""The parser of what people write back."""

from __future__ import annotations

import pytest

from notifications import previews, replies
from notifications.replies import Reply, parse
from pagerpal.testing import NOON
from schedules.models import User

A, R, E = replies.ACKNOWLEDGE, replies.RESOLVE, replies.ESCALATE


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("12a", Reply(A, (12,))),
        ("ack 12", Reply(A, (12,))),
        ("Ack #12", Reply(A, (12,))),
        ("  '12A.' \n", Reply(A, (12,))),
        ("\u201c#12 ACK!\u201d", Reply(A, (12,))),
        ("a12", Reply(A, (12,))),
        ("\uff11\uff12\uff41", Reply(A, (12,))),  # full width
        ("\u0661\u0662a", Reply(A, (12,))),  # Arabic digits
        ("acknowledge:12", Reply(A, (12,))),
        ("12a 13a", Reply(A, (12, 13))),
        ("ack 13, 12, 13", Reply(A, (12, 13))),
        ("12r", Reply(R, (12,))),
        ("Resolve 12", Reply(R, (12,))),
        ("12e", Reply(E, (12,))),
        ("escalate #12", Reply(E, (12,))),
        ("a", Reply(A)),
        ("Acknowledge", Reply(A)),
        ("\U0001f44d ack", Reply(A)),
        ("r", Reply(R)),
        ("all", Reply(A, is_for_all=True)),
        ("Ack all", Reply(A, is_for_all=True)),
        ("STOP", Reply(replies.STOP)),
        (" unsubscribe.", Reply(replies.STOP)),
        ("Start", Reply(replies.START)),
    ],
)
def test_what_is_understood(text: str, expected: Reply) -> None:
    assert parse(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "?",
        "\U0001f44d",
        "12",
        "not 12a",
        "12a 13r",
        "a r",
        "resolve all",
        "all 12",
        "stop 12",
        "please stop",
        "1234567890a",
        "12a" * 30,
        "a" * 5000,
        "\x00",
        "Re: 12a thanks",
        "I am out of office until Monday, call Ann at +41 79 123 45 67",
    ],
)
def test_what_is_not_understood(text: str) -> None:
    assert parse(text) == Reply(replies.UNKNOWN)


def test_none_of_our_own_texts_means_anything_when_it_comes_back() -> None:
    reader = User(name="a", email="a@example.org")
    said = [one for sample in previews.samples(reader, NOON) for one in sample.previews]

    texts = [text for one in said for text in (one.message.title, one.message.sms)]

    assert len(texts) > 20
    assert {parse(text).act for text in texts} == {replies.UNKNOWN}
