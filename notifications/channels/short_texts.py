"""How a message reads in a text message, in WhatsApp, and in a template of WhatsApp."""

from __future__ import annotations

from notifications.channels import gsm
from notifications.channels.base import Message
from notifications.channels.texts import clean, clip, one_line

# Of what was not written for text messages; each is paid for.
MOST_PARTS = 2
# Twilio takes no more.
MOST_SMS = 1600
MOST_FREE_TEXT = 1500
MOST_VARIABLE = 500


def sms(message: Message) -> str:
    """What is wrong and where to answer."""
    if message.sms:
        return message.sms[:MOST_SMS]
    end = f" {_link(message)}".rstrip()
    return gsm.fit(gsm.plain(one_line(message.title)), MOST_PARTS, end=end)


def free_text(message: Message) -> str:
    """All of it; WhatsApp takes it for a day after its reader wrote to us."""
    parts = [one_line(message.title), clean(message.body)]
    text = clip("\n".join(part for part in parts if part), MOST_FREE_TEXT)
    return f"{text}\n{_link(message)}".strip()


def variables(message: Message) -> list[str]:
    """What an approved template says: {{1}} what is wrong, {{2}} where to answer.

    WhatsApp refuses line breaks, tabs, five blanks in a row, and nothing at all.
    """
    title = clip(one_line(message.title), MOST_VARIABLE) or "-"
    return [title, _link(message) or "-"]


def _link(message: Message) -> str:
    return message.answer_url or message.open_url
