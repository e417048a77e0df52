"""Texts are made safe for providers and databases."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifications.channels.texts import clean, clean_json, clip, one_line


def test_control_characters_go_and_line_ends_become_one() -> None:
    assert clean("a\x00b\r\nc\x1b[0m\u2028d\x85e") == "a b\nc [0m\nd\ne"


def test_one_line_has_no_line_ends() -> None:
    assert one_line(" Disk\r\nfull \t on\ndb ") == "Disk full on db"


def test_half_a_character_is_replaced() -> None:
    assert clean("broken \ud83d end") == "broken ? end"


@pytest.mark.parametrize("size", [0, 1, 2, 3, 4, 5, 6, 7, 8, 50])
def test_a_cut_text_fits_and_holds_whole_characters(size: int) -> None:
    cut = clip("äöü🔥 and so on", size)

    assert len(cut.encode()) <= size


@given(st.text(), st.integers(0, 40))
def test_any_text_can_be_cleaned_and_cut(text: str, size: int) -> None:
    cut = clip(clean(text), size)

    assert len(cut.encode()) <= size
    assert "\x00" not in cut


def test_json_is_cleaned_all_through() -> None:
    dirty = {"a\x00": ["x\x00", {"b": "\ud800"}], "n": 1, "none": None}

    assert clean_json(dirty) == {"a": ["x", {"b": "?"}], "n": 1, "none": None}
