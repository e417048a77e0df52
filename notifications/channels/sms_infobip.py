"""SMS by Infobip, version 3 of its API."""

from __future__ import annotations

from typing import Any, ClassVar
from urllib.parse import quote

from django.conf import settings

from notifications.channels import infobip, phones, short_texts
from notifications.channels.base import Deadline, Message, Receipt, Report, register


class SmsByInfobip(infobip.Infobip, phones.Sms):
    slug: ClassVar[str] = "sms_infobip"

    def needs(self) -> list[str]:
        return infobip.needs("INFOBIP_SMS_SENDER")

    def send(self, message: Message, address: str, deadline: Deadline) -> Receipt:
        body = {"messages": [_entry(message, phones.checked(address))]}
        return infobip.send("/sms/3/messages", body, message, address=address, deadline=deadline)

    def ask(self, provider_id: str, deadline: Deadline) -> Report | None:
        """From the logs, which say the same each time; reports are given out once only."""
        path = f"/sms/3/logs?messageId={quote(provider_id, safe='')}"
        answer = infobip.call("GET", path, deadline)
        if not answer.is_taken:
            raise infobip.refusal(answer)
        found = infobip.reports(answer.json)
        return next((one for one in found if one.provider_id == provider_id), None)


def _entry(message: Message, number: str) -> dict[str, Any]:
    minutes = infobip.URGENT_FOR if message.priority >= 5 else infobip.QUIET_FOR
    entry: dict[str, Any] = {
        "sender": settings.INFOBIP_SMS_SENDER,
        "destinations": [{"to": infobip.digits(number), "messageId": infobip.message_id(message)}],
        "content": {"text": short_texts.sms(message)},
        "options": {"validityPeriod": {"amount": minutes, "timeUnit": "MINUTES"}},
    }
    if url := infobip.receipts_url():
        entry["webhooks"] = {"delivery": {"url": url}, "contentType": "application/json"}
    return entry


register(SmsByInfobip())
