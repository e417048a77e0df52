"""Web addresses that are passwords: the incoming webhooks of chats, and everybody's own."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import ClassVar
from urllib.parse import urlsplit

from notifications.channels import calls, outbound
from notifications.channels.base import Deadline, SendError

LONGEST = 1000
LONGEST_CARRIER = 24
_LINK = re.compile(r"[!-~]+")  # what a URL is made of; anything else has to be escaped in it


class ByLink:
    """What all channels are alike in whose address is a link that is posted to."""

    kind: ClassVar[str]
    is_for_people: ClassVar[bool] = False

    def needs(self) -> list[str]:
        return []

    def clean_address(self, text: str) -> str:
        return clean_link(text)

    def carrier(self, address: str) -> str:
        return carrier(self.kind, address)


def clean_link(text: str) -> str:
    """The URL with its host in small letters; ValueError with a sentence when it cannot be one.

    Where a name leads is looked at when it is called, see `outbound`.
    """
    link = text.strip()
    if len(link) > LONGEST:
        raise ValueError(f"This address has {len(link)} letters, {LONGEST} is the most.")
    scheme, host = _parts(link)
    if scheme not in {"http", "https"} or not host or not _LINK.fullmatch(link):
        raise ValueError("An address begins with https:// or http:// and has no blanks in it.")
    if "@" in host or "#" in link:
        raise ValueError("An address has no user, password or # in it: its path is the secret.")
    try:
        outbound.refuse_literal(urlsplit(link).hostname or "")
    except outbound.Forbidden as error:
        raise ValueError(error.text) from None
    return f"{scheme}://{host}{link.partition('://')[2][len(host) :]}"


def _parts(link: str) -> tuple[str, str]:
    try:
        parts = urlsplit(link)
        _ = parts.port  # raises for one that is no number
    except ValueError:
        return "", ""
    return parts.scheme, parts.netloc.lower() if parts.hostname else ""


def carrier(kind: str, address: str) -> str:
    """Names the host, as long as the name of a provider may be."""
    return f"{kind}@{_parts(address)[1]}"[:LONGEST_CARRIER]


def post(
    address: str,
    payload: bytes,
    *,
    deadline: Deadline,
    headers: Mapping[str, str] | None = None,
    query: str = "",
) -> calls.Answer:
    """One JSON to an address that somebody entered; SendError when that is none to be called."""
    try:
        url = clean_link(address)
    except ValueError as error:
        raise SendError(str(error), permanent=True) from None
    return calls.request(
        "POST",
        f"{url}{query}",
        deadline=deadline,
        headers={"Content-Type": "application/json", **(headers or {})},
        payload=payload,
        guard=outbound.guarded(),
    )


def words(text: str, address: str) -> str:
    """What a receiver said, without the secret parts of the address; nothing for a web page."""
    if text.lstrip().startswith("<"):
        return ""
    path = urlsplit(address).path
    return calls.quoted(text, address, path, *(one for one in path.split("/") if len(one) > 7))


def refused(answer: calls.Answer, said: str) -> SendError:
    """The error for an answer that is not 2xx; a redirect is never followed, so it is final."""
    if 300 <= answer.status < 400:
        said = "it redirects, which is never followed; enter the address it leads to"
    return calls.refusal(answer, said)
