"""Which addresses a mail was sent to, and the keys of alert sources in them.

`<name>+<key>@domain`: the name is for people. Keys are lower case, so the case of an address,
which some mail servers change, does not matter.
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from django.conf import settings
from django.utils.text import slugify

from alertsources.mail.message import Mail

# What a mailbox is told about the envelope, the surest first; the last are the author's words.
ENVELOPE_HEADERS = (
    *("delivered-to", "x-original-to", "envelope-to", "x-envelope-to", "x-delivered-to"),
    *("x-forwarded-to", "x-real-to", "resent-to", "to", "cc"),
)
FOR = re.compile(r"\bfor <([^<>\s]{3,320})>")
LEAST_KEY = 16


def address_of(source_name: str, key: str) -> str:
    """The address to send this source's mail to."""
    name = slugify(source_name)[:24].strip("-") or "alerts"
    return f"{name}+{key}@{settings.INBOUND_MAIL_DOMAIN}"


def keys_in(addresses: Iterable[str]) -> list[str]:
    """Everything in these addresses that may be a key, each once."""
    return list(dict.fromkeys(key for address in addresses for key in _candidates(address)))


def recipients_of(mail: Mail) -> list[str]:
    """Every address that the mail names as one it was meant for or delivered to."""
    found = mail.addresses(*ENVELOPE_HEADERS)
    for trace in mail.headers.get("received", []):
        found += FOR.findall(trace)
    return list(dict.fromkeys(address.lower() for address in found))


def masked(raw: bytes, keys: Iterable[str]) -> bytes:
    """The mail with these keys hidden in it but for their end, as long as it was."""
    for key in keys:
        hidden = b"*" * (len(key) - 4) + key[-4:].encode()
        raw = re.sub(re.escape(key.encode()), hidden, raw, flags=re.IGNORECASE)
    return raw


def _candidates(address: str) -> list[str]:
    local = address.rpartition("@")[0].strip("<> \"'").lower()
    # Some mail servers separate by "-", "=" or "_" where others have "+".
    parts = [local.rpartition("+")[2], *re.split(r"[+=_-]", local), local]
    return [part for part in parts if len(part) >= LEAST_KEY and part.isalnum()]
