"""What the logs never show."""

import pytest

from pagerpal.logs import mask


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("Not Found: /ical/12-3.Ab_c-9.ics", "Not Found: /ical/***"),
        ("Not Found: /a/12-3.Ab_c-9", "Not Found: /a/***"),
        ("Forbidden: /in/0123456789abcdef", "Forbidden: /in/***"),
        ("Not Found: /calendar", "Not Found: /calendar"),
    ],
)
def test_secret_parts_of_an_address_are_masked(text: str, masked: str) -> None:
    assert mask(text) == masked
