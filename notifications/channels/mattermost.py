"""Mattermost, by an incoming webhook. https://developers.mattermost.com/integrate/webhooks/incoming/"""

from __future__ import annotations

import json
import re
from typing import ClassVar

from django.utils.translation import gettext

from notifications.channels import calls, links
from notifications.channels.base import Deadline, Message, Receipt, SendError, register
from notifications.channels.texts import clean, clip, one_line

MOST_TITLE = 250
MOST_TEXT = 3500  # with everything escaped still within the 16,383 letters of a server
_MARKDOWN = re.compile(r"([\\`*_~\[\]()<>#|!])")
# Between @ and a name: without it `@here` rings at everybody.
NOTHING = "\u200b"


class Mattermost(links.ByLink):
    slug: ClassVar[str] = "mattermost"
    kind: ClassVar[str] = "mattermost"
    label: ClassVar[str] = "Mattermost"
    address_label: ClassVar[str] = "Incoming webhook's URL"
    example_address: ClassVar[str] = "https://chat.example.org/hooks/3f9xk2m47q"

    def send(self, message: Message, address: str, deadline: Deadline) -> Receipt:
        body = json.dumps({"text": text_of(message)}).encode()
        answer = links.post(address, body, deadline=deadline)
        return _receipt(answer, address)


def text_of(message: Message) -> str:
    lines = [f"**{escaped(clip(one_line(message.title), MOST_TITLE))}**"]
    if body := clean(message.body):
        lines.append(escaped(clip(body, MOST_TEXT)))
    if message.open_url:
        lines.append(f"[{gettext('Open')}]({message.open_url})")
    return "\n".join(lines)


def escaped(text: str) -> str:
    return _MARKDOWN.sub(r"\\\1", text).replace("@", f"@{NOTHING}")


def _receipt(answer: calls.Answer, address: str) -> Receipt:
    if not answer.is_taken:
        raise links.refused(answer, links.words(str(answer.json.get("message", "")), address))
    if answer.text.strip() != "ok":
        raise SendError("the answer is not Mattermost's; check the address")
    return Receipt(text="ok")


register(Mattermost())
