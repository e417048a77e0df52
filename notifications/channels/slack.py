"""Slack, by an incoming webhook. https://docs.slack.dev/messaging/sending-messages-using-incoming-webhooks"""

from __future__ import annotations

import json
from typing import ClassVar

from django.utils.translation import gettext

from notifications.channels import calls, links
from notifications.channels.base import Deadline, Message, Receipt, SendError, register
from notifications.channels.texts import clean, clip, one_line

MOST_TITLE = 250
MOST_TEXT = 3000


class Slack(links.ByLink):
    slug: ClassVar[str] = "slack"
    kind: ClassVar[str] = "slack"
    label: ClassVar[str] = "Slack"
    address_label: ClassVar[str] = "Incoming webhook's URL"
    example_address: ClassVar[str] = "https://hooks.slack.com/services/T0/B0/3f9xk2"

    def send(self, message: Message, address: str, deadline: Deadline) -> Receipt:
        body = json.dumps(payload(message)).encode()
        answer = links.post(address, body, deadline=deadline)
        return _receipt(answer, address)


def payload(message: Message) -> dict[str, object]:
    lines = [f"*{escaped(clip(one_line(message.title), MOST_TITLE))}*"]
    if body := clean(message.body):
        lines.append(escaped(clip(body, MOST_TEXT)))
    if message.open_url:
        lines.append(f"<{message.open_url}|{gettext('Open')}>")
    return {"text": "\n".join(lines), "unfurl_links": False, "unfurl_media": False}


def escaped(text: str) -> str:
    """Mentions and links are written in angle brackets, so that escaped ones are plain text."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _receipt(answer: calls.Answer, address: str) -> Receipt:
    """Slack answers in plain text: `ok`, or a word for what is wrong.

    Those that speak its language say `{"ok": true}` (Zulip: "result", Rocket.Chat: "success").
    """
    said = links.words(answer.text, address)
    if not answer.is_taken:
        raise links.refused(answer, said)
    spoken = {str(answer.json.get(name)) for name in ("ok", "success", "result")}
    if said != "ok" and not spoken & {"True", "success"}:
        raise SendError("the answer is not Slack's; check the address")
    return Receipt(text=said)


register(Slack())
