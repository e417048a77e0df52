"""Which alerts are the same, and which belong together: pure functions of plain values."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from alertsources.sources.base import ParsedAlert

LONGEST_KEY = 255


def digest(*parts: object) -> str:
    """SHA-256 over the parts; only the last one may hold a colon."""
    text = ":".join(str(part) for part in parts)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def stored_key(key: str) -> str:
    """The key as it fits the column: one that is too long or cannot be stored as its hash."""
    storable = len(key) <= LONGEST_KEY and "\0" not in key and key.isprintable()
    return key if storable else digest(key)


def group_of(alert: ParsedAlert, group_by: str, group_labels: Any) -> str:
    """The name of the alert's group, as its source is set to group."""
    if group_by == "labels" and isinstance(group_labels, list) and group_labels:
        values = [[str(name), alert.labels.get(str(name), "")] for name in group_labels]
        return f"labels {json.dumps(values)}"
    if group_by == "sender" and alert.group:
        return f"group {alert.group}"
    return f"alert {alert.key}"
