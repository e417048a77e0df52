"""Reads single values of decoded JSON, whatever type a monitor or its template gave them."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from alertsources.sources.base import Link


def text_of(value: Any) -> str:
    """The value as text; nothing for null, compact JSON for a list or an object."""
    if value is None:
        return ""
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False)
    return str(value)


def first_text(values: dict[str, Any], *names: str) -> str:
    """The first of these that says something."""
    return next((text for name in names if (text := text_of(values.get(name)))), "")


def text_map(value: Any) -> dict[str, str]:
    """An object of texts; null is the empty one."""
    return {str(k): text_of(v) for k, v in value.items()} if isinstance(value, dict) else {}


def labels_of(value: Any) -> dict[str, str]:
    """Labels as an object, or as a list of tags such as ["db", "cluster:eu"]."""
    if not isinstance(value, list):
        return text_map(value)
    tags = (text_of(tag).partition(":") for tag in value)
    return {name: rest.strip() for name, _, rest in tags if name}


def links_of(value: Any) -> tuple[Link, ...]:
    """Links as one address, a list of addresses or objects, or an object of label and address."""
    if isinstance(value, str):
        return (Link("link", value),)
    if isinstance(value, dict):
        if isinstance(value.get("url"), str):
            return (_link_of(value),)
        return tuple(Link(str(label), text_of(url)) for label, url in value.items())
    return tuple(_link_of(item) for item in value) if isinstance(value, list) else ()


def _link_of(item: Any) -> Link:
    if not isinstance(item, dict):
        return Link("link", text_of(item))
    return Link(first_text(item, "label", "title", "text"), first_text(item, "url", "href"))


def time_of(value: Any) -> datetime | None:
    """An RFC 3339 time as UTC, cut to microseconds; nothing for what cannot be one.

    Go writes "no time" as the year 1.
    """
    try:
        found = datetime.fromisoformat(text_of(value))
        found = found if found.tzinfo else found.replace(tzinfo=UTC)
        return found.astimezone(UTC) if found.year > 1 else None
    except (ValueError, OverflowError):
        return None
