"""SMS by Twilio."""

from __future__ import annotations

import re
from typing import ClassVar

from django.conf import settings

from notifications.channels import phones, short_texts, twilio
from notifications.channels.base import Deadline, Message, Receipt, register

SERVICE = re.compile(r"MG[0-9a-fA-F]{32}")


class SmsByTwilio(twilio.Twilio, phones.Sms):
    slug: ClassVar[str] = "sms_twilio"

    def needs(self) -> list[str]:
        return twilio.needs("TWILIO_SMS_FROM")

    def send(self, message: Message, address: str, deadline: Deadline) -> Receipt:
        sender = settings.TWILIO_SMS_FROM
        fields = {
            "To": phones.checked(address),
            "MessagingServiceSid" if SERVICE.fullmatch(sender) else "From": sender,
            "Body": short_texts.sms(message),
        }
        return twilio.send(message, fields, address=address, deadline=deadline)


register(SmsByTwilio())
