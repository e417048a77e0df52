"""Makes any text safe to hand to a provider or the database: clean, on one line, short enough."""

from __future__ import annotations

import re
from typing import Any

# Everything below a blank except the line feed, and the C1 range; no display needs them.
_CONTROL = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f]")
_LINE_ENDS = re.compile(r"\r\n?|[\x85\u2028\u2029]")
_BLANKS = re.compile(r"\s+")
ELLIPSIS = "…"


def clean(text: str) -> str:
    """Without control characters and halves of characters; lines end in a line feed."""
    whole = text.encode("utf-8", "replace").decode("utf-8")
    return _CONTROL.sub(" ", _LINE_ENDS.sub("\n", whole)).strip()


def one_line(text: str) -> str:
    return _BLANKS.sub(" ", clean(text)).strip()


def clip(text: str, size: int) -> str:
    """At most `size` bytes of UTF-8, cut between characters, with an ellipsis when cut."""
    raw = text.encode()
    if len(raw) <= size:
        return text
    room = max(0, size - len(ELLIPSIS.encode()))
    return (raw[:room].decode(errors="ignore").rstrip() + ELLIPSIS) if room else ""


def clean_json(value: Any) -> Any:
    """The same value with every text in it cleaned: PostgreSQL stores no NUL."""
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, dict):
        return {clean(str(key)): clean_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [clean_json(item) for item in value]
    return value
