"""What a text message costs, counted as the networks count it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from notifications.channels import gsm


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("", 1),
        ("x" * 160, 1),
        ("x" * 161, 2),
        ("x" * 306, 2),
        ("x" * 307, 3),
        ("€" * 80, 1),  # each takes two
        ("€" * 81, 2),
        ("x" * 152 + "€" + "x" * 152, 3),  # and is not split between two parts
        ("ж" * 70, 1),
        ("ж" * 71, 2),
        ("ж" * 134, 2),
        ("ж" * 135, 3),
        ("🔥" * 35, 1),
        ("🔥" * 36, 2),
    ],
)
def test_a_text_takes_as_many_messages_as_the_networks_count(text: str, parts: int) -> None:
    assert gsm.parts(text) == parts


def test_typography_accents_and_pictures_cost_nothing_extra() -> None:
    assert gsm.plain("“Ünïcödé” \u2013 🔥 full…") == '"Ünicödé" -  full...'
    assert gsm.plain("Диск") == "Диск"


@given(st.text(max_size=400), st.text(max_size=60), st.integers(1, 3))
def test_a_fitted_text_fits_and_keeps_its_end(text: str, end: str, most: int) -> None:
    fitted = gsm.fit(text, most, end=end)

    assert fitted.endswith(end)
    assert gsm.parts(fitted) <= max(most, gsm.parts(end))
