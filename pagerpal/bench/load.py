"""Posts alerts over keep-alive connections as fast as they are answered.

Runs in a process of its own, so that the client's threads take nothing from what is measured.
"""

from __future__ import annotations

import json
import multiprocessing
import re
import selectors
import socket
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

CONNECTIONS = 8


@dataclass(frozen=True)
class Fired:
    """What came of a load: how long it took in all, each answer's wait, and how many refused."""

    alerts: int
    seconds: float
    waits: list[float]
    refused: int

    @property
    def rate(self) -> float:
        return self.alerts / self.seconds


def fire(
    port: int,
    *keys: str,
    alerts: int,
    name: str = "storm",
    distinct: bool = True,
    status: str = "firing",
) -> Fired:
    """Post so many alerts, of these sources in turn; all of them the same one unless distinct."""
    which = name, distinct, status
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_fire, (port, keys, alerts, which))


def _fire(port: int, keys: Sequence[str], alerts: int, which: tuple[str, bool, str]) -> Fired:
    selector = selectors.DefaultSelector()
    requests = _requests(keys, alerts, *which)
    waits: list[float] = []
    refused = 0
    begun = time.monotonic()
    for _ in range(CONNECTIONS):
        connection = socket.create_connection(("127.0.0.1", port))
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        connection.sendall(next(requests))
        selector.register(connection, selectors.EVENT_READ, [time.monotonic(), b""])
    while selector.get_map():
        for entry, _ in selector.select(10):
            connection = entry.fileobj  # type: ignore[assignment]
            entry.data[1] += connection.recv(65536)
            if not _is_whole(entry.data[1]):
                continue
            waits.append(time.monotonic() - entry.data[0])
            refused += not entry.data[1].startswith(b"HTTP/1.1 2")
            following = next(requests, None)
            if following is None:
                selector.unregister(connection)
                connection.close()
                continue
            entry.data[:] = [time.monotonic(), b""]
            connection.sendall(following)
    return Fired(alerts, time.monotonic() - begun, waits, refused)


def _requests(
    keys: Sequence[str], alerts: int, name: str, distinct: bool, status: str
) -> Iterator[bytes]:
    for number in range(alerts):
        which = number if distinct else 0
        yield _request(keys[number % len(keys)], f"{name}-{which}", which, status)


def _request(key: str, name: str, number: int, status: str) -> bytes:
    body = json.dumps(
        {
            "title": f"Disk {number % 100}% full on db-{number}",
            "description": "Grows by 1% every 3 minutes.",
            "severity": "critical",
            "external_id": name,
            "status": status,
            "labels": {"host": f"db-{number}", "env": "prod"},
        }
    ).encode()
    head = (
        f"POST /api/v1/alerts HTTP/1.1\r\nHost: 127.0.0.1\r\nX-API-Key: {key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


def _is_whole(answer: bytes) -> bool:
    head, found, body = answer.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)content-length: *(\d+)", head)
    return bool(found) and len(body) >= int(length[1] if length else 0)
