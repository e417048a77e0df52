"""The answers that wait in a topic of the ntfy server, where no phone can reach PagerPal itself."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.core import signing

from notifications.channels import calls
from notifications.channels.base import Deadline, SendError
from notifications.channels.texts import one_line

# The settings it signs in with, for who has to look at them.
SIGNS_IN = "NTFY_TOKEN, or NTFY_USER and NTFY_PASSWORD"
_signer = signing.Signer(salt="notifications.ack_topic", sep=".")


@dataclass(frozen=True)
class Posted:
    """One message of the topic, by its name there."""

    name: str
    text: str
    at: datetime


def token_for(key: str) -> str:
    """What the button of the message with this key posts; it opens no page and no other act."""
    return _signer.sign(key)


def key_of(token: str) -> str:
    """The key of the message whose button was pressed; empty for what is none of ours."""
    try:
        return _signer.unsign(token.strip())
    except signing.BadSignature:
        return ""


def address() -> str:
    """Where the buttons post to; empty while they post to PagerPal itself."""
    topic = settings.NTFY_ACK_TOPIC
    return f"{settings.NTFY_BASE_URL}/{topic}" if topic else ""


def authorization() -> dict[str, str]:
    """How PagerPal signs in at the server: by a token, else by a user and password, else not."""
    if token := settings.NTFY_TOKEN:
        return {"Authorization": f"Bearer {token}"}
    if not settings.NTFY_USER:
        return {}
    pair = f"{settings.NTFY_USER}:{settings.NTFY_PASSWORD}".encode()
    return {"Authorization": f"Basic {base64.b64encode(pair).decode()}"}


def quoted(answer: calls.Answer, *secrets: str) -> str:
    """The server's words about an error, without what PagerPal signs in with."""
    own = (settings.NTFY_TOKEN, settings.NTFY_PASSWORD)
    return calls.quoted(str(answer.json.get("error") or ""), *own, *secrets)


def fetch(since: str, deadline: Deadline) -> list[Posted]:
    """What was posted after `since`, the oldest first: a name, or seconds since 1970.

    At most 64 kB of it; the rest is there the next time. Raises SendError.
    """
    url = f"{address()}/json?poll=1&since={since}"
    answer = calls.request("GET", url, deadline=deadline, headers=authorization())
    if not answer.is_taken:
        raise calls.refusal(answer, quoted(answer) or f"check NTFY_ACK_TOPIC and {SIGNS_IN}")
    if answer.text.lstrip().startswith("<"):
        raise SendError("a web page answered instead of an ntfy server; check NTFY_BASE_URL")
    return list(_posted(answer.text))


def _posted(text: str) -> Iterator[Posted]:
    """Of whole lines; the last one may have been cut."""
    for line in text.split("\n")[:-1]:
        try:
            said: Any = json.loads(line)
            name, at = said["id"], datetime.fromtimestamp(said["time"], UTC)
            is_message = said["event"] == "message"
        except (ValueError, KeyError, TypeError, OverflowError, OSError):
            continue
        if is_message and isinstance(name, str) and 0 < len(one_line(name)) <= 200:
            yield Posted(one_line(name), str(said.get("message") or ""), at)
