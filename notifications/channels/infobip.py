"""Infobip's API, which carries SMS and WhatsApp. https://www.infobip.com/docs/api"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any, ClassVar
from urllib.parse import quote

from django.conf import settings

from notifications.channels import calls
from notifications.channels.base import Deadline, Message, Receipt, Report, SendError
from notifications.channels.texts import one_line

RECEIPTS_PATH = "/hooks/infobip/receipts"
# How long a page may wait for a phone that is off, and how long anything else may (minutes).
URGENT_FOR, QUIET_FOR = 10, 240
# Groups of states: https://www.infobip.com/docs/essentials/response-status-and-error-codes
PENDING, UNDELIVERABLE, DELIVERED, EXPIRED, REJECTED = range(1, 6)
TO_OPERATOR, TO_HANDSET = 2, 5
DUPLICATE = 23
FLOODING = 20
HINTS = {
    12: "top up the account at Infobip",
    13: "check the sender",
    14: "the number is on Infobip's blocklist",
    18: "a trial account: register the number at Infobip",
    19: "Infobip has no route to this network for the account",
    29: "it may have arrived",
}


class Infobip:
    """What its SMS and its WhatsApp share."""

    receipt_within: ClassVar[timedelta] = timedelta(seconds=60)


def needs(*names: str) -> list[str]:
    wanted = ("INFOBIP_BASE_URL", "INFOBIP_API_KEY", *names)
    return [name for name in wanted if not getattr(settings, name)]


def message_id(message: Message) -> str:
    """The same for the same key: Infobip refuses to send a message it knows a second time."""
    return f"pp-{hashlib.sha256(message.key.encode()).hexdigest()[:32]}"


def digits(number: str) -> str:
    """Numbers go without their plus."""
    return number.removeprefix("+")


def receipts_url() -> str:
    """Where Infobip reports to; empty while nobody may."""
    token = settings.INFOBIP_RECEIPT_TOKEN
    if not token:
        return ""
    return f"{settings.PAGERPAL_BASE_URL}{RECEIPTS_PATH}?token={quote(token, safe='')}"


def send(
    path: str, body: Mapping[str, Any], message: Message, *, address: str, deadline: Deadline
) -> Receipt:
    """Post one message and read what became of it, which the HTTP status alone does not say."""
    payload = json.dumps(body, ensure_ascii=False).encode()
    answer = call("POST", path, deadline, payload=payload)
    said = answer.json
    first = next(iter(_objects(said.get("messages", [said]))), {})
    status = first.get("status")
    if not answer.is_taken or not isinstance(status, Mapping):
        raise refusal(answer, address)
    _check(status)
    provider_id = one_line(str(first.get("messageId") or ""))
    return Receipt(
        provider_id=provider_id or message_id(message), text=f"Infobip: {_words(status)}"
    )


def call(method: str, path: str, deadline: Deadline, *, payload: bytes = b"") -> calls.Answer:
    headers = {
        "Authorization": f"App {settings.INFOBIP_API_KEY}",
        "Accept": "application/json",
    }
    if payload:
        headers["Content-Type"] = "application/json"
    url = f"{settings.INFOBIP_BASE_URL}{path}"
    return calls.request(method, url, deadline=deadline, headers=headers, payload=payload)


def _check(status: Mapping[str, Any]) -> None:
    """Raise SendError for what was refused although the request was in order."""
    group, number = _number(status, "groupId"), _number(status, "id")
    if group in {PENDING, DELIVERED} or number == DUPLICATE:
        return
    permanent = group == REJECTED and number != FLOODING
    raise SendError(f"Infobip: {_words(status)}", permanent=permanent)


def refusal(answer: calls.Answer, address: str = "") -> SendError:
    """Why an answer does not mean that Infobip has the message."""
    if 300 <= answer.status < 400:
        words = "Infobip redirects, which is never followed; check INFOBIP_BASE_URL"
        return calls.refusal(answer, words)
    if answer.text.lstrip().startswith("<"):
        words = "a web page answered instead of Infobip; check INFOBIP_BASE_URL"
        return SendError(words) if answer.is_taken else calls.refusal(answer, words)
    words = calls.quoted(_complaint(answer.json), settings.INFOBIP_API_KEY, address)
    if answer.is_taken:
        return SendError(f"Infobip: {words or 'an answer without a state; it may have been sent'}")
    if answer.status in {401, 403}:
        words = f"{words or 'not allowed'}; check INFOBIP_API_KEY and INFOBIP_BASE_URL"
    error = calls.refusal(answer, words)
    error.text = f"Infobip: {error.text}"
    return error


def _complaint(said: Mapping[str, Any]) -> str:
    """The words of an error, of which there are an old and a new shape."""
    inner = said.get("requestError")
    old = inner.get("serviceException") if isinstance(inner, Mapping) else None
    if isinstance(old, Mapping):
        return f"{old.get('text') or ''} ({old.get('messageId') or ''})"
    found = [f"{one.get('property')}: {one.get('violation')}" for one in _violations(said)]
    words = [str(said.get("description") or ""), *found[:3], str(said.get("errorCode") or "")]
    return ", ".join(word for word in words if word)


def _violations(said: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield from _objects(said.get("violations"))


def _objects(value: Any) -> Iterator[Mapping[str, Any]]:
    """Those entries of a list that are objects; of anything else none."""
    yield from (one for one in value if isinstance(one, Mapping)) if isinstance(value, list) else ()


def reports(said: Any) -> Iterator[Report]:
    """The receipts in a report, or in an answer of the logs; what is none is left out."""
    results = said.get("results") if isinstance(said, Mapping) else None
    for one in _objects(results):
        provider_id = one.get("messageId")
        if isinstance(provider_id, str) and provider_id:
            yield _report(provider_id, one)


def _report(provider_id: str, one: Mapping[str, Any]) -> Report:
    if one.get("seenAt"):
        return Report(provider_id, "seen", is_delivered=True)
    status, error = one.get("status"), one.get("error")
    if not isinstance(status, Mapping):
        return Report(provider_id)
    group, number = _number(status, "groupId"), _number(status, "id")
    failed = group in {UNDELIVERABLE, EXPIRED, REJECTED} and number != DUPLICATE
    arrived = (group, number) == (DELIVERED, TO_HANDSET)
    words = "" if arrived else _words(status)
    if failed and isinstance(error, Mapping) and _number(error, "id"):
        words = f"{words}, {one_line(str(error.get('name') or error.get('id')))}"
    return Report(
        provider_id,
        words[:300],
        is_delivered=arrived,
        has_failed=failed,
    )


def _number(values: Mapping[str, Any], name: str) -> int:
    text = str(values.get(name))
    return int(text) if text.isdecimal() and len(text) < 10 else 0


def _words(status: Mapping[str, Any]) -> str:
    name = one_line(str(status.get("name") or status.get("groupName") or "no state"))[:80]
    hint = HINTS.get(_number(status, "id"), "")
    return f"{name}: {hint}" if hint else name
