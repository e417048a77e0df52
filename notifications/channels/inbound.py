"""What somebody wrote to us by SMS or WhatsApp, as Twilio and Infobip hand it over."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Any

from django.conf import settings

from notifications.channels import phones, sms_twilio
from notifications.channels.texts import one_line
from notifications.replies import UNKNOWN, parse

ID = re.compile(r"[\x21-\x7e]{1,200}")
# A sender to which a telephone can write back; one with a name has no number.
NUMBER = re.compile(r"\+?[0-9]{3,15}")
WHATSAPP = "whatsapp"


@dataclass(frozen=True)
class Heard:
    """One message to us. `provider` and `provider_id` name it for good."""

    provider: str
    provider_id: str
    kind: str
    number: str  # +41791234567, who wrote it
    text: str
    replied_to: str = ""  # the provider's id of the message of ours that it answers
    said_at: datetime | None = None  # None: just now


def can_be_answered(provider: str) -> bool:
    """Whether PagerPal reads what is written back to a message that this provider carries."""
    if provider == "sms_twilio":
        sender = settings.TWILIO_SMS_FROM
        return bool(NUMBER.fullmatch(sender) or sms_twilio.SERVICE.fullmatch(sender))
    if provider == "sms_infobip":
        return bool(NUMBER.fullmatch(settings.INFOBIP_SMS_SENDER))
    if provider == "whatsapp_infobip":
        return bool(settings.INFOBIP_RECEIPT_TOKEN)  # it can only be told, not asked
    return provider == "whatsapp_twilio"


def texts_are_read() -> bool:
    """Whether what is written back to a text message arrives, whoever has carried it."""
    carriers = [f"sms_{name}" for name in settings.SMS_PROVIDERS]
    return bool(carriers) and all(can_be_answered(one) for one in carriers)


# --- Twilio --------------------------------------------------------------------------------------
def of_twilio(posted: Mapping[str, str]) -> Iterator[Heard]:
    """The message in a request that Twilio made; none where it is about something else."""
    words = ("OptOutType", "ButtonPayload", "ButtonText", "Body")
    yield from _by_twilio(
        posted.get("MessageSid") or posted.get("SmsSid") or "",
        posted.get("From", ""),
        _clearest([posted.get(word, "") for word in words]),
        replied_to=posted.get("OriginalRepliedMessageSid", ""),
    )


def listed_by_twilio(said: Mapping[str, Any]) -> Iterator[Heard]:
    """The messages to us in Twilio's list of messages, the oldest first."""
    found = [one for one in _objects(said.get("messages")) if one.get("direction") == "inbound"]
    for one in reversed(found):
        fields = [str(one.get(name) or "") for name in ("sid", "from", "body")]
        sent_at = _rfc_2822(one.get("date_sent") or one.get("date_created"))
        if sent_at is not None:
            yield from _by_twilio(*fields, said_at=sent_at)


def _by_twilio(sid: str, sender: str, text: str, **rest: Any) -> Iterator[Heard]:
    kind, _, number = sender.rpartition(":")
    own = {settings.TWILIO_SMS_FROM, settings.TWILIO_WHATSAPP_FROM.rpartition(":")[2]}
    if kind in {"", WHATSAPP} and number not in own and _is_whole(sid, number):
        kind = kind or "sms"
        yield Heard(f"{kind}_twilio", sid, kind, number, text, **rest)


# --- Infobip -------------------------------------------------------------------------------------
def of_infobip(said: Any) -> Iterator[Heard]:
    """The messages in a request that Infobip made, or in its answer about the inbox."""
    for one in _objects(said.get("results") if isinstance(said, Mapping) else None):
        number = f"+{str(one.get('from') or '').removeprefix('+')}"
        name = str(one.get("messageId") or "")
        own = {settings.INFOBIP_SMS_SENDER, settings.INFOBIP_WHATSAPP_SENDER}
        if not _is_whole(name, number) or {number, number[1:]} & own:
            continue
        kind, text, replied_to = _content(one)
        if kind:
            said_at = _iso(one.get("receivedAt"))
            yield Heard(f"{kind}_infobip", name, kind, number, text, replied_to, said_at)


def _content(one: Mapping[str, Any]) -> tuple[str, str, str]:
    """The kind of a message, its words or those of its button, and what it replies to."""
    message = one.get("message")
    if isinstance(message, Mapping):
        context = message.get("context")
        replied_to = str(context.get("id") or "") if isinstance(context, Mapping) else ""
        words = ("payload", "id", "title", "text")
        return WHATSAPP, _clearest([str(message.get(word) or "") for word in words]), replied_to
    return ("sms", str(one["text"] or ""), "") if "text" in one else ("", "", "")


# --- Both ----------------------------------------------------------------------------------------
def _is_whole(name: str, number: str) -> bool:
    return bool(ID.fullmatch(name) and phones.E164.fullmatch(number))


def _clearest(texts: Sequence[str]) -> str:
    """Of what a button may say, the first that means anything; else the last, what it shows."""
    return next((text for text in texts if parse(text).act != UNKNOWN), texts[-1])


def _objects(value: Any) -> Iterable[Mapping[str, Any]]:
    return [one for one in value if isinstance(one, Mapping)] if isinstance(value, list) else []


def _rfc_2822(text: Any) -> datetime | None:
    try:
        moment = parsedate_to_datetime(one_line(str(text or "")))
    except ValueError:
        return None
    return moment if moment.tzinfo else None


def _iso(text: Any) -> datetime | None:
    try:
        moment = datetime.fromisoformat(str(text or ""))
    except ValueError:
        return None
    return moment if moment.tzinfo else None
