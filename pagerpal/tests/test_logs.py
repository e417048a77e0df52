"""What the logs never show."""

import io
import logging

import pytest

from pagerpal.logs import MaskSecrets, mask


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("Not Found: /ical/12-3.Ab_c-9.ics", "Not Found: /ical/***"),
        ("Not Found: /a/12-3.Ab_c-9", "Not Found: /a/***"),
        ("Gone: /me/got-it/12-3f.Ab_c-9", "Gone: /me/got-it/***"),
        ("Forbidden: /in/0123456789abcdef", "Forbidden: /in/***"),
        ("Forbidden: /hooks/infobip/receipts/Ab_c-9", "Forbidden: /hooks/infobip/receipts/***"),
        ("Not Found: /calendar", "Not Found: /calendar"),
    ],
)
def test_secret_parts_of_an_address_are_masked(text: str, masked: str) -> None:
    assert mask(text) == masked


KEY = "k3y" * 10 + "00"


@pytest.mark.parametrize(
    "text",
    [
        f"POST /in/{KEY}/ failed",
        f"Not Found: /api/v1/alerts/{KEY}",
        f"GET /api/v1/alerts?msg=x&key={KEY} HTTP/1.1",
        f"GET /api/v1/alerts?apiKey={KEY}&msg=x",
        f"/x?auth_token={KEY}",
        f"{{'X-Api-Key': '{KEY}'}}",
        f"HTTP_X_API_KEY={KEY}",
        f"x-alert-source-key: {KEY}",
        f"Authorization: Bearer {KEY}",
        f"{{'HTTP_AUTHORIZATION': 'GenieKey {KEY}'}}",
        f"'Authorization': b'Token {KEY}'",
        f"sent Basic cGFnZXJwYWw6{KEY}==",
        f"https://pagerpal:{KEY}@pager.example.org/in",
        f"https://{KEY}@pager.example.org/v2/alerts",
        f"Mail to platform+{KEY}@pager.example.org",
    ],
)
def test_a_key_is_masked_wherever_it_stands(text: str) -> None:
    assert KEY not in mask(text)
    assert "***" in mask(text)


@pytest.mark.parametrize(
    "text",
    [
        "Basic authentication is used",
        "The key of Platform was replaced",
        "https://pager.example.org/a@b",
        "Unreadable alert from source 7: it has no title",
    ],
)
def test_plain_words_stay(text: str) -> None:
    assert mask(text) == text


def test_an_exception_is_masked_like_its_message() -> None:
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.addFilter(MaskSecrets())
    logger = logging.Logger("one")
    logger.addHandler(handler)

    try:
        raise ValueError(f"no route for /in/{KEY}")
    except ValueError:
        logger.exception("It failed at /in/%s", KEY)

    assert KEY not in written.getvalue()
    assert "ValueError: no route for /in/***" in written.getvalue()
