"""How a sender is set up: its source's words, and snippets of its configuration to copy."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

from django.conf import settings

from alertsources.mail.addresses import address_of
from alertsources.models import AlertSource
from alertsources.sources.base import registry

INDENT = "    "


@dataclass(frozen=True)
class Part:
    """Words, or a snippet that is copied as it is."""

    text: str
    is_snippet: bool = False


def address_for(source: AlertSource) -> str:
    """Where its sender posts to, with the key in a header."""
    return f"{settings.PAGERPAL_BASE_URL}/api/v1/alerts/{source.kind}"


def address_with_key(key: str) -> str:
    """For senders that cannot set headers."""
    return f"{settings.PAGERPAL_BASE_URL}/in/{key}"


def set_up_of(source: AlertSource, key: str = "") -> list[Part]:
    """How this source's sender is set up; the key is masked where it is not given."""
    key = key or source.masked_api_key
    mail = address_of(source.name, key)
    return list(setup_parts(source.kind, url=address_for(source), key=key, mail=mail))


def shell_line(source: AlertSource, key: str = "") -> str:
    """Sends the example of its kind from a shell, as its sender would: it pages for real."""
    example = registry[source.kind].example if source.kind in registry else {}
    parts = [
        *("curl", "-X", "POST", address_for(source)),
        *("-H", f"X-API-Key: {key or source.masked_api_key}"),
        *("-H", "Content-Type: application/json", "-d", json.dumps(example, ensure_ascii=False)),
    ]
    return shlex.join(parts)


def setup_parts(kind: str, *, url: str, key: str, mail: str = "") -> Iterator[Part]:
    """The set-up text of a kind in its parts, with this address and key filled in."""
    text = registry[kind].setup if kind in registry else "This kind of source is not installed."
    for name, value in (("url", url), ("key", key), ("mail", mail)):
        text = text.replace(f"{{{{ {name} }}}}", value)
    paragraphs = (part.splitlines() for part in text.strip("\n").split("\n\n"))
    for is_snippet, found in groupby(paragraphs, _is_snippet):
        yield Part("\n\n".join(_as_shown(lines, is_snippet) for lines in found), is_snippet)


def _as_shown(lines: list[str], is_snippet: bool) -> str:
    """A snippet line by line; words as wide as the page is."""
    if not is_snippet:
        return " ".join(lines)
    return "\n".join(line.removeprefix(INDENT) for line in lines)


def _is_snippet(lines: list[str]) -> bool:
    return all(line.startswith(INDENT) for line in lines)
