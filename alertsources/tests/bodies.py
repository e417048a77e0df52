"""Recorded and made-up request bodies, and the ways to send them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.test import Client

PAYLOADS = Path(__file__).parent / "payloads"
KEY = "k" * 32
NASTY = sorted(path.name for path in (PAYLOADS / "nasty").iterdir())


@dataclass(frozen=True)
class Recorded:
    """A request as a monitor sent it: `<case>.headers` and the bytes of its body beside it."""

    kind: str
    case: str
    method: str
    query: str
    headers: dict[str, str]
    body: bytes

    def __str__(self) -> str:
        return f"{self.kind}/{self.case}"

    def send(self, path: str, *, key: str = "", **more: str) -> Any:
        """To this path, with its own credentials, or with this key where it has none."""
        headers = {"X-Api-Key": key, **self.headers} if key else dict(self.headers)
        content_type = headers.pop("Content-Type", headers.pop("content-type", ""))
        return Client().generic(
            self.method,
            f"{path}?{self.query}" if self.query else path,
            self.body,
            content_type=content_type,
            headers=headers | more,
        )


# Of the connection, or made anew by whoever sends it again.
UNSENT = frozenset({"host", "connection", "content-length", "transfer-encoding"})


def recorded(kind: str, case: str) -> Recorded:
    head = PAYLOADS / kind / f"{case}.headers"
    body = next(path for path in head.parent.glob(f"{case}.*") if path.suffix != ".headers")
    first, *lines = head.read_text().splitlines()
    method, target, _ = first.split(" ")
    pairs = (line.partition(":") for line in lines if ":" in line)
    headers = {name: value.strip() for name, _, value in pairs if name.lower() not in UNSENT}
    return Recorded(kind, case, method, target.partition("?")[2], headers, body.read_bytes())


def all_recorded(*kinds: str) -> list[Recorded]:
    """Every request of these kinds, in the order of their names."""
    return [
        recorded(kind, path.name.removesuffix(".headers"))
        for kind in kinds
        for path in sorted((PAYLOADS / kind).glob("*.headers"))
    ]


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
