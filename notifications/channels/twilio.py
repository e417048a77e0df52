"""Twilio's Messages API, which carries SMS and WhatsApp alike.

https://www.twilio.com/docs/messaging/api/message-resource
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import ipaddress
import re
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from typing import Any, ClassVar
from urllib.parse import urlencode, urlsplit

from django.conf import settings

from notifications.channels import calls
from notifications.channels.base import Deadline, Message, Receipt, Report, SendError
from notifications.channels.texts import one_line

STATUS_PATH = "/hooks/twilio/status"
# How long a page may wait in Twilio's queue, and how long anything else may (seconds).
URGENT_FOR, QUIET_FOR = 600, 14400
SID = re.compile(r"[A-Za-z0-9]{2,64}")
DELIVERED = frozenset({"delivered", "read"})
FAILED = frozenset({"undelivered", "failed", "canceled"})
# What to do about it, where that is not plain; https://www.twilio.com/docs/api/errors
HINTS = {
    20003: "check TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN",
    20404: "check TWILIO_ACCOUNT_SID and TWILIO_BASE_URL",
    21408: "allow the country in Twilio's geo permissions",
    21603: "check the sender",
    21606: "check the sender",
    21608: "a trial account: verify the number at Twilio",
    21610: "its owner sent STOP to the sender, and has to send START",
    21659: "check the sender",
    30002: "Twilio has suspended the account",
    30003: "the phone is off or has no network",
    30004: "blocked",
    30005: "no such phone",
    30006: "a landline, or a network that cannot be reached",
    30007: "taken for spam by the network: register the sender",
    30032: "the toll-free number is not registered",
    30034: "the number is not registered for messages in the US",
    63016: "nobody wrote from there within a day: set TWILIO_WHATSAPP_TEMPLATE",
}


class Twilio:
    """What its SMS and its WhatsApp share."""

    receipt_within: ClassVar[timedelta] = timedelta(seconds=60)

    def ask(self, provider_id: str, deadline: Deadline) -> Report | None:
        if not SID.fullmatch(provider_id):
            return None
        answer = call("GET", f"Messages/{provider_id}.json", deadline)
        if not answer.is_taken or answer.json.get("sid") != provider_id:
            raise refusal(answer)
        said = answer.json
        return report(provider_id, said.get("status"), said.get("error_code"))


def needs(*names: str) -> list[str]:
    wanted = ("TWILIO_ACCOUNT_SID", "TWILIO_AUTH_TOKEN", *names)
    return [name for name in wanted if not getattr(settings, name)]


def send(
    message: Message, fields: Mapping[str, str], *, address: str, deadline: Deadline
) -> Receipt:
    """Post one message; `fields` say to whom, from whom and what."""
    urgent = message.priority >= 5
    form = {**fields, "ValidityPeriod": str(URGENT_FOR if urgent else QUIET_FOR)}
    if url := status_url():
        form["StatusCallback"] = url
    answer = call("POST", "Messages.json", deadline, payload=urlencode(form).encode())
    said = answer.json
    sid, status = said.get("sid"), one_line(str(said.get("status") or ""))
    if not answer.is_taken or not isinstance(sid, str) or not SID.fullmatch(sid):
        raise refusal(answer, address)
    if status in FAILED:
        raise SendError(f"Twilio: {report(sid, status, said.get('error_code')).text}")
    return Receipt(provider_id=sid, text=f"Twilio: {status}")


def call(method: str, path: str, deadline: Deadline, *, payload: bytes = b"") -> calls.Answer:
    account = settings.TWILIO_ACCOUNT_SID
    pair = f"{account}:{settings.TWILIO_AUTH_TOKEN}".encode()
    headers = {
        "Authorization": f"Basic {base64.b64encode(pair).decode()}",
        "Accept": "application/json",
    }
    if payload:
        headers["Content-Type"] = "application/x-www-form-urlencoded"
    url = f"{settings.TWILIO_BASE_URL}/2010-04-01/Accounts/{account}/{path}"
    return calls.request(method, url, deadline=deadline, headers=headers, payload=payload)


def listed(sender: str, since: date, most: int, deadline: Deadline) -> dict[str, Any]:
    """The list of the newest messages to this sender of ours, or of all, since that day (UTC)."""
    query = {"DateSent>": since.isoformat(), "PageSize": str(most)}
    if sender:
        query["To"] = sender
    answer = call("GET", f"Messages.json?{urlencode(query)}", deadline)
    if not answer.is_taken or not isinstance(answer.json.get("messages"), list):
        raise refusal(answer)
    return answer.json


def refusal(answer: calls.Answer, address: str = "") -> SendError:
    """Why an answer does not mean that Twilio has the message."""
    if 300 <= answer.status < 400:
        words = "Twilio redirects, which is never followed; check TWILIO_BASE_URL"
        return calls.refusal(answer, words)
    if answer.text.lstrip().startswith("<"):
        words = "a web page answered instead of Twilio; check TWILIO_BASE_URL"
        return SendError(words) if answer.is_taken else calls.refusal(answer, words)
    said = answer.json
    code: int = said["code"] if isinstance(said.get("code"), int) else 0
    if answer.is_taken and not code:
        return SendError("Twilio: an answer without a message id; it may have been sent")
    text = calls.quoted(str(said.get("message") or ""), settings.TWILIO_AUTH_TOKEN, address)
    words = "; ".join(part for part in (text, HINTS.get(code, "")) if part)
    error = calls.refusal(_with_status_said(answer), f"{words} ({code})" if code else words)
    error.text = f"Twilio: {error.text}"
    return error


def _with_status_said(answer: calls.Answer) -> calls.Answer:
    """An error that comes with 200 counts as the status it names itself."""
    said = answer.json.get("status")
    if not answer.is_taken or not isinstance(said, int):
        return answer
    return calls.Answer(said, answer.text, answer.headers)


def report(sid: str, status: Any, code: Any) -> Report:
    """What one of Twilio's states means."""
    state = one_line(str(status or ""))
    number = int(code) if str(code or "").isdecimal() else 0
    parts = ["" if state == "delivered" else state, HINTS.get(number, "")]
    text = ": ".join(part for part in parts if part)
    return Report(
        provider_id=sid,
        text=f"{text} ({number})" if number else text,
        is_delivered=state in DELIVERED,
        has_failed=state in FAILED,
    )


def status_url() -> str:
    """Where Twilio reports to; empty where it could not, as it refuses messages that say so."""
    host = urlsplit(settings.PAGERPAL_BASE_URL).hostname or ""
    private = host.endswith((".local", ".localhost", ".internal", ".lan", ".home.arpa"))
    if private or "." not in host or "_" in host or _is_ip(host):
        return ""
    return f"{settings.PAGERPAL_BASE_URL}{STATUS_PATH}"


def _is_ip(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def signature(url: str, fields: Mapping[str, Sequence[str]], token: str) -> str:
    """What Twilio signs its requests with: https://www.twilio.com/docs/usage/security"""
    said = "".join(name + value for name in sorted(fields) for value in sorted(set(fields[name])))
    digest = hmac.new(token.encode(), (url + said).encode(), hashlib.sha1).digest()
    return base64.b64encode(digest).decode()


def is_signed(given: str, url: str, fields: Mapping[str, Sequence[str]]) -> bool:
    """Whether this came from who has our token; `url` as it is written in our own settings.

    Twilio signs the URL with its port or without, whichever way it called.
    """
    token = settings.TWILIO_AUTH_TOKEN
    if not token:
        return False
    spellings = (signature(one, fields, token) for one in _spellings(url))
    return any([hmac.compare_digest(one.encode(), given.encode()) for one in spellings])


def _spellings(url: str) -> list[str]:
    parts = urlsplit(url)
    port = {"https": 443, "http": 80}.get(parts.scheme, 0)
    if parts.port not in {None, port}:
        return [url]
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else str(parts.hostname)
    return [parts._replace(netloc=netloc).geturl() for netloc in (host, f"{host}:{port}")]
