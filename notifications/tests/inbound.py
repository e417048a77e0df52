"""Builders of what people write to us, as the providers hand it over."""

from __future__ import annotations

import itertools
import json
from typing import Any
from urllib.parse import urlencode

from django.test import Client

from notifications.channels import twilio
from notifications.channels.inbound import Heard
from notifications.models import ContactMethod
from schedules.models import User

NUMBER = "+41791234567"
BASE = "https://pager.example.org"
_names = itertools.count(1)


def has_number(user: User, kind: str = "sms", **fields: Any) -> ContactMethod:
    return ContactMethod.objects.create(user=user, channel=kind, address=NUMBER, **fields)


def heard(text: str, kind: str = "sms", **fields: Any) -> Heard:
    name = f"SM{next(_names):032x}"
    values: dict[str, Any] = {"provider": f"{kind}_twilio", "provider_id": name, **fields}
    return Heard(kind=kind, number=NUMBER, text=text, **values)


def by_twilio(client: Client, text: str, *, token: str = "s3cret", **fields: str) -> int:
    posted = {"MessageSid": f"SM{next(_names):032x}", "From": NUMBER, "Body": text, **fields}
    path = "/hooks/twilio/inbound"
    lists = {name: [value] for name, value in posted.items()}
    headers = {"X-Twilio-Signature": twilio.signature(f"{BASE}{path}", lists, token)}
    form = "application/x-www-form-urlencoded"
    return client.post(path, urlencode(posted), content_type=form, headers=headers).status_code


def by_infobip(client: Client, *results: Any, token: str = "receipt-t0ken") -> int:
    path = f"/hooks/infobip/inbound?token={token}"
    body = json.dumps({"results": list(results)})
    return client.post(path, body, content_type="application/json").status_code


def infobip_sms(text: str, **fields: Any) -> dict[str, Any]:
    """One text message, as it stands in `results`."""
    return {
        "messageId": f"8177{next(_names):014d}",
        "from": NUMBER.removeprefix("+"),
        "to": "385921004026",
        "text": text,
        "cleanText": text.partition(" ")[2],
        "keyword": text.partition(" ")[0].upper(),
        "receivedAt": None,
        "smsCount": 1,
        **fields,
    }


def infobip_whatsapp(**message: Any) -> dict[str, Any]:
    """One WhatsApp message, as it stands in `results`."""
    return {
        "messageId": f"wamid.{next(_names)}==",
        "from": NUMBER.removeprefix("+"),
        "to": "441134960000",
        "integrationType": "WHATSAPP",
        "contact": {"name": "alice"},
        "message": message,
    }
