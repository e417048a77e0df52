"""How a sender is set up: its source's words, and snippets of its configuration to copy."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby

from alertsources.sources.base import registry

INDENT = "    "


@dataclass(frozen=True)
class Part:
    """Words, or a snippet that is copied as it is."""

    text: str
    is_snippet: bool = False


def setup_parts(kind: str, *, url: str, key: str, mail: str = "") -> Iterator[Part]:
    """The set-up text of a kind in its parts, with this address and key filled in."""
    text = registry[kind].setup if kind in registry else "This kind of source is not installed."
    for name, value in (("url", url), ("key", key), ("mail", mail)):
        text = text.replace(f"{{{{ {name} }}}}", value)
    paragraphs = (part.splitlines() for part in text.strip("\n").split("\n\n"))
    for is_snippet, found in groupby(paragraphs, _is_snippet):
        lines = "\n\n".join(
            "\n".join(line.removeprefix(INDENT) if is_snippet else line for line in paragraph)
            for paragraph in found
        )
        yield Part(lines, is_snippet)


def _is_snippet(lines: list[str]) -> bool:
    return all(line.startswith(INDENT) for line in lines)
