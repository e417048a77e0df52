"""Anybody's own program, by a signed POST. https://www.standardwebhooks.com"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Mapping
from string import Template
from typing import Any, ClassVar

from notifications.channels import links
from notifications.channels.base import Deadline, Message, Receipt, SendError, register

PREFIX = "whsec_"
SECRET_BYTES = 32
LEAST_BYTES, MOST_BYTES = 16, 64
GONE = 410


class Webhook(links.ByLink):
    slug: ClassVar[str] = "webhook"
    kind: ClassVar[str] = "webhook"
    label: ClassVar[str] = "webhook"
    address_label: ClassVar[str] = "URL"
    example_address: ClassVar[str] = "https://tools.example.org/pagerpal"

    def send(self, message: Message, address: str, deadline: Deadline) -> Receipt:
        body = body_of(message).encode()
        signed = signature_headers(message.key, int(time.time()), body, message.secret)
        told = {"User-Agent": "PagerPal", **signed}
        answer = links.post(address, body, deadline=deadline, headers=told)
        said = links.words(answer.text, address)
        if answer.is_taken:
            return Receipt(text=f"HTTP {answer.status} {said}".strip())
        error = links.refused(answer, said)
        error.is_gone = answer.status == GONE
        raise error


def new_secret() -> str:
    return PREFIX + base64.b64encode(secrets.token_bytes(SECRET_BYTES)).decode()


def clean_secret(text: str) -> str:
    """One or more secrets, blanks between them; ValueError with a sentence for anything else."""
    for one in text.split():
        if not LEAST_BYTES <= len(_key(one)) <= MOST_BYTES:
            raise ValueError(f"A secret is {PREFIX} and 16 to 64 bytes in base64.")
    return " ".join(text.split())


def _key(secret: str) -> bytes:
    try:
        return base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        return b""


def signature_headers(key: str, at: int, body: bytes, secret: str) -> dict[str, str]:
    """The same `webhook-id` for the same message sent again, so that a receiver can drop it.

    One signature for each secret: while one is replaced by another, both hold.
    """
    name = f"msg_{hashlib.sha256(key.encode()).hexdigest()[:32]}"
    headers = {"webhook-id": name, "webhook-timestamp": str(at)}
    if secret:
        headers["webhook-signature"] = " ".join(sign(one, name, at, body) for one in secret.split())
    return headers


def sign(secret: str, name: str, at: int, body: bytes) -> str:
    key = _key(secret)
    if not key:
        raise SendError("the secret is not one: make a new one", permanent=True)
    digest = hmac.new(key, f"{name}.{at}.".encode() + body, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode()}"


def body_of(message: Message) -> str:
    """The facts as JSON, or the team's own JSON with the facts put in."""
    if message.template:
        return filled(message.template, message.event)
    return json.dumps(message.event or {"type": "message", "data": _bare(message)})


def _bare(message: Message) -> dict[str, str]:
    return {"title": message.title, "text": message.body, "url": message.open_url}


def filled(template: str, event: Mapping[str, Any]) -> str:
    """The template with each `${name}` replaced by that fact, escaped for a JSON text.

    Names that are none become nothing; no expression is ever evaluated.
    """
    data = event.get("data")
    facts = {**(data if isinstance(data, Mapping) else {}), "type": event.get("type", "")}
    return Template(template).safe_substitute(_Facts(facts))


class _Facts(dict[str, Any]):
    """Facts as they stand inside a JSON text."""

    def __getitem__(self, name: str) -> str:
        value = self.get(name)
        text = "" if value is None else value if isinstance(value, str) else json.dumps(value)
        return json.dumps(text)[1:-1]


def clean_template(text: str, example: Mapping[str, Any]) -> str:
    """The template; ValueError with a sentence when it makes no JSON, or names what is no fact."""
    template = Template(text)
    if not template.is_valid():
        raise ValueError("A $ begins a name, as in ${title}; write $$ for a plain one.")
    known = {"type", *example["data"]}
    if unknown := sorted(set(template.get_identifiers()) - known):
        raise ValueError(f"No such fact: {unknown[0]}. There are {', '.join(sorted(known))}.")
    try:
        json.loads(filled(text, example))
    except ValueError as error:
        raise ValueError(f"This makes no JSON: {error}.") from None
    return text


register(Webhook())
