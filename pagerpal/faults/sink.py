"""Plays the providers: ntfy over HTTP and HTTPS, and a mail server; notes what reached them.

A script of the standard library. It writes its ports as a line of JSON, then obeys lines on its
standard input (`ntfy slow 0.3`, `mail defer`), and ends with it. To topics that begin with `tap` it
answers as a person would: by the message's own button, a moment later.
"""

from __future__ import annotations

import json
import re
import socket
import socketserver
import ssl
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any, ClassVar

from pagerpal.faults.ledger import Ledger

TAPS_AFTER = 0.3
HANGS_FOR = 60.0
WHOLE = b'HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n{"id": "x"}'
REFUSALS = {"defer": "451 come again", "deny": "554 never"}


class How:
    """How a provider behaves now: work, slow N, 500, 429, hang, drip, half, refused; or for
    mail work, defer (4xx), deny (5xx), drop (after the message was taken in)."""

    def __init__(self) -> None:
        self.word, self.seconds = "work", 0.0
        self.changed = threading.Event()

    def become(self, word: str, seconds: float) -> None:
        self.word, self.seconds = word, seconds
        self.changed.set()
        self.changed = threading.Event()


class Server(socketserver.ThreadingTCPServer):
    """Listens until it is told to refuse, and again on the same port."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, handler: Any, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), handler)
        self.port = int(self.server_address[1])
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A caller that was killed is what this is about."""


class Sink:
    """Both providers and their ledger."""

    def __init__(self, ledger: Ledger, folder: Path) -> None:
        self.ledger = ledger
        self.ntfy, self.mail = How(), How()
        Ntfy.sink = Mail.sink = self
        self.servers = {name: Server(handler) for name, handler in HANDLERS.items()}
        self.tls = Server(Ntfy)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate(folder))
        self.tls.socket = context.wrap_socket(self.tls.socket, server_side=True)

    def obey(self, name: str, word: str, seconds: float) -> None:
        {"ntfy": self.ntfy, "mail": self.mail}[name].become(word, seconds)
        server = self.servers[name]
        if word == "refused":
            server.shutdown()
            server.server_close()
        elif server.socket.fileno() < 0:
            self.servers[name] = Server(HANDLERS[name], server.port)

    def tap(self, key: str, url: str) -> None:
        """Press the button, again while nobody answers."""
        time.sleep(TAPS_AFTER)
        for _ in range(60):
            try:
                with urllib.request.urlopen(url, data=b"", timeout=10):  # noqa: S310  our own message's
                    return self.ledger.note("ack", key=key)
            except urllib.error.HTTPError as error:
                if error.code < 500:
                    return None
            except OSError:
                pass
            time.sleep(0.5)
        return None


def certificate(folder: Path) -> Path:
    """One that nobody has signed."""
    path = folder / "sink.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    command += ["-subj", "/CN=other.example", "-keyout", str(path), "-out", f"{path}.crt"]
    subprocess.run(command, check=True, capture_output=True)  # noqa: S603
    path.write_text(path.read_text() + Path(f"{path}.crt").read_text())
    return path


class Ntfy(BaseHTTPRequestHandler):
    """One connection to the server that plays ntfy."""

    sink: ClassVar[Sink]
    protocol_version = "HTTP/1.1"
    timeout = 90

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length") or 0)))
        how = self.sink.ntfy
        taken = how.word in {"work", "slow"}
        facts = {"channel": "ntfy", "key": body["sequence_id"], "address": body["topic"]}
        self.sink.ledger.note("message", **facts, taken=taken, how=how.word)
        if taken and body["topic"].startswith("tap") and body["actions"]:
            press = (body["sequence_id"], body["actions"][0]["url"])
            threading.Thread(target=self.sink.tap, args=press, daemon=True).start()
        self.play(how)

    def do_PUT(self) -> None:
        self.play(self.sink.ntfy)

    def play(self, how: How) -> None:
        if how.word == "slow":
            how.changed.wait(how.seconds)
        if how.word in {"work", "slow"}:
            self.say(200, b'{"id": "x"}')
        elif how.word in {"500", "429"}:
            self.say(int(how.word), b'{"error": "told to"}')
        else:
            self.close_connection = True
            self.spoil(how)

    def spoil(self, how: How) -> None:
        """No answer, or no whole one."""
        if how.word == "hang":
            how.changed.wait(HANGS_FOR)
        elif how.word == "half":
            self.wfile.write(WHOLE[:-10])
        for byte in WHOLE if how.word == "drip" else b"":
            self.wfile.write(bytes([byte]))
            if how.changed.wait(1):
                break

    def say(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        if status == 429:
            self.send_header("Retry-After", "3")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:
        return


class Mail(socketserver.StreamRequestHandler):
    """One connection to the mail server."""

    sink: ClassVar[Sink]
    timeout = 90

    def handle(self) -> None:
        self.address = ""
        self.say("220 sink")
        while line := self.rfile.readline():
            words = line.decode(errors="replace").strip()
            command = words[:4].upper()
            if command == "QUIT" or not self.step(command, words):
                return

    def step(self, command: str, words: str) -> bool:
        """False when the dialogue is over."""
        how = self.sink.mail.word
        if command == "DATA":
            self.say("354 go on")
            return self.take(how)
        if command == "RCPT" and how in REFUSALS:
            self.say(REFUSALS[how])
            return True
        if command == "RCPT":
            self.address = words.partition("<")[2].partition(">")[0]
        self.say("250 ok")
        return True

    def take(self, how: str) -> bool:
        key = ""
        for line in iter(self.rfile.readline, b".\r\n"):
            if not line:
                return False
            if found := re.match(rb"(?i)message-id: *<(.*)@", line):
                key = found[1].decode()
        facts = {"channel": "mail", "key": key, "address": self.address}
        self.sink.ledger.note("message", **facts, taken=how != "drop", how=how)
        if how == "drop":
            self.connection.shutdown(socket.SHUT_RDWR)
            return False
        self.say("250 taken")
        return True

    def say(self, text: str) -> None:
        self.wfile.write(f"{text}\r\n".encode())


HANDLERS = {"ntfy": Ntfy, "mail": Mail}


def main(path: str, folder: str) -> None:
    sink = Sink(Ledger(Path(path)), Path(folder))
    ports = {name: server.port for name, server in sink.servers.items()} | {"tls": sink.tls.port}
    print(json.dumps(ports), flush=True)
    for line in sys.stdin:
        name, word, *seconds = line.split()
        sink.obey(name, word, float(seconds[0]) if seconds else 0.0)
        print("done", flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
