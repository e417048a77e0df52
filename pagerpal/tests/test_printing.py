"""Tests of how pages print lengths of time."""

from __future__ import annotations

from datetime import timedelta

import pytest

from pagerpal.templatetags import pagerpal


@pytest.mark.parametrize(
    ("length", "words"),
    [
        (timedelta(0), "0 s"),
        (timedelta(seconds=-5), "0 s"),
        (timedelta(seconds=160), "2 min 40 s"),
        (timedelta(seconds=3601), "1 h"),
        (timedelta(hours=26, minutes=59), "1 d 2 h"),
        (None, "-"),
    ],
)
def test_lengths_are_said_in_two_units_at_most(length: timedelta | None, words: str) -> None:
    assert pagerpal.length(length) == words
