"""Makes hostile bodies out of real ones, the same for the same seed."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from alertsources.sources.base import registry
from alertsources.tests.bodies import KEY, PAYLOADS

# Folders that are not called like their kind.
KINDS = {"sns": "cloudwatch"}

HUGE_NUMBER = "1" * 5000
VALUES: list[Any] = [
    *(None, True, False, 0, -1, 3.5e300, float("nan"), float("inf"), 10**400, "HUGE NUMBER"),
    *("", " ", "\0", "\ud800", "\u202e", "x" * 6000, "\n" * 300, "0", "-", "💥" * 300),
    *([], {}, [[]], {"": ""}, [None] * 20, {"a": {"b": [1]}}),
    *(
        "javascript:alert(1)",
        "https://[",
        "http://",
        "//x",
        "https://u:p@example.com/" + "y" * 3000,
    ),
    *("0001-01-01T00:00:00Z", "9999-12-31T23:59:59.999999-23:59", "2026-13-45", "99999999999999"),
    *("resolved", "firing", "ok", "ALARM", "0", "1", 2, 3),
    *("' OR 1=1 --", "%s%n%x", "{{ url }}", "<script>", "a.b[0].c", "\\"),
]
INSERTED = [b"\0", b"\xff\xfe", b"\xef\xbb\xbf", b'"', b"{", b"}", b"[", b",", b"\\", b"\\ud800"]
CONTENT_TYPES = [
    *("application/json", "text/plain; charset=UTF-8", "application/x-www-form-urlencoded"),
    *("multipart/form-data; boundary=x", "multipart/form-data", "application/json; charset=utf-16"),
    *("", "x" * 300, "text/html; charset=nonsense", "message/rfc822"),
]


@dataclass(frozen=True)
class Hostile:
    """A request to come: where to, with what."""

    path: str
    body: bytes
    content_type: str
    headers: dict[str, str] = field(default_factory=dict)


def key_of(kind: str) -> str:
    """The key of the source of this kind."""
    return f"{kind.replace('-', '')}{KEY}"[:32]


def hostile(seed: int) -> Iterator[Hostile]:
    """Without end."""
    dice = random.Random(seed)
    real = _real_bodies()
    nasty = [path.read_bytes() for path in sorted((PAYLOADS / "nasty").glob("*.txt"))]
    while True:
        kind = dice.choice([*real])
        body = _mutated(dice, dice.choice(nasty if _one_in(dice, 10) else real[kind]))
        yield Hostile(
            _path(dice, kind), body, dice.choice(CONTENT_TYPES), _headers(dice, key_of(kind))
        )


def _real_bodies() -> dict[str, list[bytes]]:
    found = {kind: [json.dumps(source.example).encode()] for kind, source in registry.items()}
    for path in sorted(PAYLOADS.rglob("*.*")):
        folder = path.relative_to(PAYLOADS).parts[0]
        if path.suffix in {".json", ".txt", ".eml"} and folder != "nasty":
            found[KINDS.get(folder, folder)].append(path.read_bytes())
    return found


def _path(dice: random.Random, kind: str) -> str:
    path = dice.choice(
        [
            *("/api/v1/alerts", f"/api/v1/alerts/{kind}", f"/in/{key_of(kind)}"),
            *(f"/api/v1/alerts/{dice.choice([*registry])}/", "/api/v1/alerts/%00%ff"),
        ]
    )
    return (
        f"{path}?{quote(str(dice.choice(VALUES)), errors='replace')}" if _one_in(dice, 10) else path
    )


def _headers(dice: random.Random, key: str) -> dict[str, str]:
    headers = {"X-API-Key": key}
    if _one_in(dice, 5):
        headers["x-checkly-timestamp"] = dice.choice(["1787408380544", "-1", "9" * 40, "x", ""])
    if _one_in(dice, 10):
        headers["x-amz-sns-message-type"] = dice.choice(["Notification", "?", ""])
    return headers


def _mutated(dice: random.Random, body: bytes) -> bytes:
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return _other_bytes(dice, body)
    for _ in range(dice.randint(1, 4)):
        value = _other_value(dice, value)
    body = _dumped(value)
    return _other_bytes(dice, body) if _one_in(dice, 8) else body


def _dumped(value: Any) -> bytes:
    try:
        text = json.dumps(value, ensure_ascii=False)
    except (ValueError, RecursionError):
        text = "[" * 3000
    return text.replace('"HUGE NUMBER"', HUGE_NUMBER).encode("utf-8", "surrogatepass")


def _other_value(dice: random.Random, value: Any, depth: int = 0) -> Any:
    """The value with one place in it changed."""
    if isinstance(value, dict) and value and (depth == 0 or not _one_in(dice, 4)):
        name = dice.choice([*value])
        return _other_member(dice, value, name, depth)
    if isinstance(value, list) and value and (depth == 0 or not _one_in(dice, 4)):
        place = dice.randrange(len(value))
        changed = [*value]
        if _one_in(dice, 6):
            return changed[:place] + [value[place]] * dice.choice([0, 2, 30]) + changed[place:]
        changed[place] = _other_value(dice, value[place], depth + 1)
        return changed
    return _replacement(dice, value)


def _other_member(
    dice: random.Random, value: dict[str, Any], name: str, depth: int
) -> dict[str, Any]:
    act = dice.randrange(8)
    if act == 0:
        return {key: item for key, item in value.items() if key != name}
    if act == 1:
        return value | {dice.choice([*value, "status", "alerts", "title"]): value[name]}
    if act == 2:
        return value | {str(dice.choice(VALUES)): dice.choice(VALUES)}
    return value | {name: _other_value(dice, value[name], depth + 1)}


def _replacement(dice: random.Random, value: Any) -> Any:
    act = dice.randrange(6)
    if act == 0:
        return [value]
    if act == 1:
        return {"value": value}
    if act == 2 and isinstance(value, str):
        return f"{value}{dice.choice(VALUES)}"
    if act == 3:
        return json.dumps(value)
    return dice.choice(VALUES)


def _other_bytes(dice: random.Random, body: bytes) -> bytes:
    for _ in range(dice.randint(1, 5)):
        place, end = sorted((dice.randint(0, len(body)), dice.randint(0, len(body))))
        act = dice.randrange(7)
        if act == 0:
            body = body[:place]
        elif act == 1:
            body = body[:place] + dice.choice(INSERTED) + body[place:]
        elif act == 2:
            body = body[:place] + dice.randbytes(dice.randint(1, 8)) + body[place:]
        elif act == 3:
            body = body[:place] + body[end:]
        elif act == 4:
            body = (body[:place] + body[place:end] * 3 + body[end:])[:200_000]
        elif act == 5:
            body = body.decode("utf-8", "replace").encode(dice.choice(["utf-16", "utf-8-sig"]))
        else:
            body = dice.choice([b"data=", b"payload=", b"--x\r\n", b"a=b&msg=", b"%7b"]) + body
    return body


def _one_in(dice: random.Random, number: int) -> bool:
    return dice.randrange(number) == 0
