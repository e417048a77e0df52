"""Expressions that people write: what is refused at the form, and what stops in time."""

from __future__ import annotations

import contextlib
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from alertsources.expressions import (
    LONGEST,
    MOST_STEPS,
    FoundNothing,
    WrongExpression,
    compiled,
)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("a.b", 1),
        ("a.c", None),
        ("list[?name == 'x'].value | [0]", 2),
        ("join(' on ', [a.word, host][?@])", "full on db1"),
        ("split(host, 'b')[0]", "d"),
        ("lower(a.word)", "full"),
        ("to_string(a)", '{"b":1,"word":"full"}'),
    ],
)
def test_an_expression_finds_what_it_names(text: str, found: Any) -> None:
    message = {
        "a": {"b": 1, "word": "full"},
        "host": "db1",
        "list": [{"name": "x", "value": 2}],
    }

    assert compiled(text).find(message) == found


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "The expression is empty."),
        ("a.", "It goes wrong at character 3: 'the end'."),
        ("a b", "It goes wrong at character 3: 'b'."),
        ("a[", "The expression ends too early."),
        ("'x", 'It goes wrong at character 1: "\'x".'),
        ("nope(@)", "There is no function nope()."),
        ("length(a, b)", "length() takes 1 values, not 2."),
        ("a" * (LONGEST + 1), f"An expression has at most {LONGEST} characters."),
        (".".join("a" * 120), "The expression is too long: name fewer things in it."),
        ("[@,@]|" * 9 + "@", "The expression makes too many copies of the message."),
    ],
)
def test_a_wrong_expression_is_told_in_one_sentence(text: str, sentence: str) -> None:
    with pytest.raises(WrongExpression) as told:
        compiled(text)

    assert str(told.value) == sentence


@pytest.mark.parametrize(
    ("text", "message", "why"),
    [
        ("length(@)", 1, "length() cannot take number"),
        ("[?@ > `5`]", list(range(MOST_STEPS)), "it takes too many steps on this message"),
        ("sort(@)", list(range(MOST_STEPS + 1)), "it takes too many steps on this message"),
        ("[@, @] | to_string(@)", "x" * 99_999, "the text is too long"),
        ("join('', @)", ["x" * 1000] * 101, "join() makes too long a text"),
        ("[::0]", [1], "it does not fit the message (ValueError)"),
        ("avg(@)", [10**400, 1.5], "it does not fit the message (OverflowError)"),
    ],
)
def test_what_does_not_fit_a_message_says_why(text: str, message: Any, why: str) -> None:
    with pytest.raises(FoundNothing) as told:
        compiled(text).find(message)

    assert str(told.value) == why


@pytest.mark.parametrize(
    "text",
    [
        "[@,@]|[@,@]|[@,@]|[@,@]|[@,@]|[@,@]|[]|[]|[]|[]|[]|[]|[]",
        "[@,@,@,@,@,@,@,@]|to_string(@)",
        "[*].to_string(@)",
        "[*].[@,@][][].[@,@][][]",
        "[?contains(to_string(@), '9')] | sort_by(@, &to_string(@))",
        "[@,@]|[@,@]|[@,@] == [@,@]|[@,@]|[@,@]",
    ],
)
def test_the_worst_expression_on_a_large_message_ends_soon(text: str) -> None:
    message = [[number] for number in range(60_000)]
    begun = time.process_time()

    with contextlib.suppress(FoundNothing):
        compiled(text).find(message)

    assert time.process_time() - begun < 3


@pytest.mark.filterwarnings("ignore:deprecated string literal")
@given(st.text(alphabet="ab.[]*@?&|!=<>`'\"(){},:0123 -_lengthsorjin", max_size=60))
def test_no_text_makes_the_compiler_or_the_search_fail_otherwise(text: str) -> None:
    with contextlib.suppress(WrongExpression, FoundNothing):
        compiled(text).find({"a": [{"b": "x"}, 1, None], "b": {"a": 1.5}})
