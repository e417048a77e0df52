"""Providers played on loopback: one that answers as told, and one that hangs, drips or slams."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, TypeVar

Playing = TypeVar("Playing", bound="Provider")


@dataclass(frozen=True)
class Call:
    """One request as it came."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> dict[str, Any]:
        value: dict[str, Any] = json.loads(self.body)
        return value


@dataclass
class Reply:
    status: int = 200
    body: str = '{"id": "sPs71M8A2T8n", "event": "message"}'
    headers: Mapping[str, str] = field(default_factory=dict)
    is_half: bool = False  # the connection breaks in the middle of the body


class Provider:
    """An HTTP server that gives its replies in order, the last one again and again."""

    def __init__(self, *replies: Reply) -> None:
        self.calls: list[Call] = []
        self.replies = list(replies) or [Reply()]
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}"

    def reply_to(self, call: Call) -> Reply:
        return self.replies.pop(0) if len(self.replies) > 1 else self.replies[0]

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        provider = self

        class Handler(BaseHTTPRequestHandler):
            def answer(self) -> None:
                size = int(self.headers.get("Content-Length") or 0)
                call = Call(self.command, self.path, dict(self.headers), self.rfile.read(size))
                provider.calls.append(call)
                reply = provider.reply_to(call)
                body = reply.body.encode()
                self.send_response(reply.status)
                for name, value in {**reply.headers, "Content-Length": str(len(body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body[: len(body) // 2] if reply.is_half else body)
                self.close_connection = self.close_connection or reply.is_half

            do_GET = do_POST = do_PUT = answer  # noqa: N815

            def log_message(self, *_: Any) -> None:
                pass

        return Handler


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


@contextmanager
def provider(*replies: Reply) -> Iterator[Provider]:
    with serving(Provider(*replies)) as playing:
        yield playing


@contextmanager
def serving(playing: Playing) -> Iterator[Playing]:
    thread = threading.Thread(target=playing.server.serve_forever, args=(0.01,), daemon=True)
    thread.start()
    try:
        yield playing
    finally:
        playing.server.shutdown()
        playing.server.server_close()
        thread.join()


class Slow:
    """Says something at once, then a byte each `every` seconds, then nothing more."""

    def __init__(self, at_once: bytes, drip: bytes, every: float) -> None:
        self.at_once, self.drip, self.every = at_once, drip, every
        self.stop = threading.Event()
        self.heard = bytearray()
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(0.05)

    @property
    def port(self) -> int:
        return int(self.listener.getsockname()[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def serve(self) -> None:
        while not self.stop.is_set():
            with suppress(TimeoutError):
                connection, _ = self.listener.accept()
                with connection, suppress(OSError):
                    self._talk(connection)

    def _talk(self, connection: socket.socket) -> None:
        connection.settimeout(0.05)
        connection.sendall(self.at_once)
        for byte in self.drip:
            if self.stop.wait(self.every):
                return
            connection.sendall(bytes([byte]))
        while not self.stop.is_set():
            with suppress(TimeoutError):
                self.heard += connection.recv(4096)
            self.stop.wait(0.02)


@contextmanager
def slow(at_once: bytes = b"", drip: bytes = b"", every: float = 1.0) -> Iterator[Slow]:
    playing = Slow(at_once, drip, every)
    thread = threading.Thread(target=playing.serve, daemon=True)
    thread.start()
    try:
        yield playing
    finally:
        playing.stop.set()
        thread.join()
        playing.listener.close()
