"""Recorded and made-up request bodies, and the ways to send them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from django.test import Client

PAYLOADS = Path(__file__).parent / "payloads"
KEY = "k" * 32
NASTY = sorted(path.name for path in (PAYLOADS / "nasty").iterdir())


def alertmanager(case: str) -> bytes:
    return (PAYLOADS / "alertmanager" / f"{case}.json").read_bytes()


def nasty(name: str) -> bytes:
    return (PAYLOADS / "nasty" / name).read_bytes()


def post(body: Any, url: str = "/api/v1/alerts", *, key: str = KEY, **headers: str) -> Any:
    """Send bytes as they are, anything else as JSON, with the key in X-API-Key."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    if key:
        headers = {"X-API-Key": key, **headers}
    return Client().post(url, raw, content_type="application/json", headers=headers)
