"""WhatsApp by Infobip."""

from __future__ import annotations

from typing import Any, ClassVar

from django.conf import settings

from notifications.channels import infobip, phones, short_texts
from notifications.channels.base import Deadline, Message, Receipt, Report, register


class WhatsAppByInfobip(infobip.Infobip, phones.WhatsApp):
    slug: ClassVar[str] = "whatsapp_infobip"

    def needs(self) -> list[str]:
        return infobip.needs("INFOBIP_WHATSAPP_SENDER")

    def send(self, message: Message, address: str, deadline: Deadline) -> Receipt:
        entry = _entry(message, phones.checked(address))
        template = settings.INFOBIP_WHATSAPP_TEMPLATE
        path, body = "/whatsapp/1/message/text", entry
        if message.is_reply or not template:
            entry["content"] = {"text": short_texts.free_text(message)}
        else:
            entry["content"] = _template(message, template)
            path, body = "/whatsapp/1/message/template", {"messages": [entry]}
        return infobip.send(path, body, message, address=address, deadline=deadline)

    def ask(self, provider_id: str, deadline: Deadline) -> Report | None:
        """Infobip tells the state of WhatsApp messages by webhook only."""
        return None


def _entry(message: Message, number: str) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "from": infobip.digits(settings.INFOBIP_WHATSAPP_SENDER),
        "to": infobip.digits(number),
        "messageId": infobip.message_id(message),
    }
    if url := infobip.receipts_url():
        entry["notifyUrl"] = url
    return entry


def _template(message: Message, name: str) -> dict[str, Any]:
    values: dict[str, Any] = {"body": {"placeholders": short_texts.variables(message)}}
    if buttons := settings.INFOBIP_WHATSAPP_BUTTONS:
        # What the template has must be there, whatever this message is about.
        number = message.headers.get("X-PagerPal-Incident", "")
        values["buttons"] = [
            {"type": "QUICK_REPLY", "parameter": f"{word} {number}".strip()} for word in buttons
        ]
    return {
        "templateName": name,
        "language": settings.INFOBIP_WHATSAPP_LANGUAGE,
        "templateData": values,
    }


register(WhatsAppByInfobip())
