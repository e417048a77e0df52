"""Puts raw messages into a form that a person can read."""

from __future__ import annotations

import json
from typing import Any

from alertsources.cleaning import paragraphs
from alertsources.models import ReceivedPayload
from alertsources.reading import decode

LONGEST = 20_000


def readable_body(payload: ReceivedPayload) -> str:
    """The body indented if it is JSON, else as it came; cut, without characters that hide."""
    body = bytes(payload.body)
    try:
        text = _indented(decode(body))
    except (ValueError, RecursionError):
        text = body[: 4 * LONGEST].decode("utf-8", "replace")
    return paragraphs(text, LONGEST)


def _indented(value: Any) -> str:
    """Piece by piece, as a small body that is nested deeply would grow beyond all memory."""
    pieces, length = [], 0
    for piece in json.JSONEncoder(indent=2, ensure_ascii=False).iterencode(value):
        pieces.append(piece)
        length += len(piece)
        if length > LONGEST:
            break
    return "".join(pieces)
