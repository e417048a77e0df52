"""Discord, by a webhook of a channel. https://docs.discord.com/developers/resources/webhook"""

from __future__ import annotations

import json
import re
from typing import ClassVar

from notifications.channels import calls, links
from notifications.channels.base import Deadline, Message, Receipt, SendError, register
from notifications.channels.texts import clean, clip, one_line

MOST_TITLE = 250
MOST_CONTENT = 1900  # Discord takes 2,000, and counts an emoji twice
SHOWS_NO_PREVIEW = 1 << 2
UNKNOWN_WEBHOOK = 10015
_MARKDOWN = re.compile(r"([\\`*_~|>\[\]()#-])")


class Discord(links.ByLink):
    slug: ClassVar[str] = "discord"
    kind: ClassVar[str] = "discord"
    label: ClassVar[str] = "Discord"
    address_label: ClassVar[str] = "Webhook's URL"
    example_address: ClassVar[str] = "https://discord.com/api/webhooks/112233/3f9xk2m47q"

    def clean_address(self, text: str) -> str:
        return super().clean_address(text).partition("?")[0]

    def send(self, message: Message, address: str, deadline: Deadline) -> Receipt:
        body = json.dumps(payload(message)).encode()
        # Without the query it says nothing of what became of it.
        answer = links.post(address, body, deadline=deadline, query="?wait=true")
        return _receipt(answer, address)


def payload(message: Message) -> dict[str, object]:
    return {
        "content": _content(message),
        "allowed_mentions": {"parse": []},
        "flags": SHOWS_NO_PREVIEW,
    }


def _content(message: Message) -> str:
    title = f"**{escaped(clip(one_line(message.title), MOST_TITLE))}**"
    link = f"\n{message.open_url}" if message.open_url else ""
    body = escaped(clean(message.body))
    room = MOST_CONTENT - len(title) - len(link) - 1
    if len(body) > room:
        body = body[: room - 1].rstrip("\\") + "…"
    return title + (f"\n{body}" if body else "") + link


def escaped(text: str) -> str:
    return _MARKDOWN.sub(r"\\\1", text)


def _receipt(answer: calls.Answer, address: str) -> Receipt:
    said = answer.json
    if answer.is_taken:
        if not said.get("id"):
            raise SendError("the answer is not Discord's; check the address")
        return Receipt(provider_id=one_line(str(said["id"]))[:200])
    if said.get("code") == UNKNOWN_WEBHOOK:
        raise SendError("this webhook was deleted in Discord", permanent=True)
    error = links.refused(answer, links.words(str(said.get("message", "")), address))
    if answer.status == 429:
        error.retry_after = _seconds(said.get("retry_after"), error.retry_after)
    raise error


def _seconds(asked: object, otherwise: float | None) -> float | None:
    """The body says it more exactly than the header."""
    is_number = isinstance(asked, int | float) and not isinstance(asked, bool)
    return max(0.0, float(asked)) if is_number else otherwise  # type: ignore[arg-type]


register(Discord())
