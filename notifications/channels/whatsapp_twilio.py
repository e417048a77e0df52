"""WhatsApp by Twilio."""

from __future__ import annotations

import json
from typing import ClassVar

from django.conf import settings

from notifications.channels import phones, short_texts, twilio
from notifications.channels.base import Deadline, Message, Receipt, register


class WhatsAppByTwilio(twilio.Twilio, phones.WhatsApp):
    slug: ClassVar[str] = "whatsapp_twilio"

    def needs(self) -> list[str]:
        return twilio.needs("TWILIO_WHATSAPP_FROM")

    def send(self, message: Message, address: str, deadline: Deadline) -> Receipt:
        sender = settings.TWILIO_WHATSAPP_FROM.removeprefix("whatsapp:")
        fields = {
            "To": f"whatsapp:{phones.checked(address)}",
            "From": f"whatsapp:{sender}",
            **_content(message),
        }
        return twilio.send(message, fields, address=address, deadline=deadline)


def _content(message: Message) -> dict[str, str]:
    template = settings.TWILIO_WHATSAPP_TEMPLATE
    if message.is_reply or not template:
        return {"Body": short_texts.free_text(message)}
    values = enumerate(short_texts.variables(message), start=1)
    variables = {str(number): value for number, value in values}
    return {
        "ContentSid": template,
        "ContentVariables": json.dumps(variables, ensure_ascii=False),
    }


register(WhatsAppByTwilio())
