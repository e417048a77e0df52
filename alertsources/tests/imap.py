"""A small IMAP server on loopback: one mailbox, the few commands that a reader of mail needs."""

from __future__ import annotations

import re
import socketserver
import threading
from collections.abc import Callable

CAPABILITIES = "IMAP4rev1"


class ImapServer:
    """Its mails are numbered from 1. What it is told to spoil, it spoils."""

    def __init__(self) -> None:
        self.mails: dict[int, bytes] = {}
        self.seen: set[int] = set()
        # How often anybody signed in, and each command that came, without its tag.
        self.logins = 0
        self.commands: list[str] = []
        self.password = "secret"
        self.refused: set[int] = set()  # NO to fetching these
        self.silent_about: set[int] = set()  # OK without the mail
        self.hang_up_at = ""  # the beginning of a command, once
        self.before: Callable[[str], None] = lambda command: None
        self._lock = threading.Lock()
        self._server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.port = int(self._server.server_address[1])
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def deliver(self, *mails: bytes) -> None:
        with self._lock:
            for mail in mails:
                self.mails[len(self.mails) + 1] = mail

    @property
    def unseen(self) -> list[int]:
        return sorted(self.mails.keys() - self.seen)

    def stop(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def answer(self, command: str) -> tuple[list[bytes], str]:
        """Untagged answers, and the tagged one."""
        verb = command.upper()
        if verb.startswith("CAPABILITY"):
            return [f"* CAPABILITY {CAPABILITIES}\r\n".encode()], "OK done"
        if verb.startswith("LOGIN"):
            self.logins += 1
            is_right = command.endswith(f'"{self.password}"')
            return [], "OK welcome" if is_right else "NO [AUTHENTICATIONFAILED] wrong password"
        if verb.startswith("SELECT"):
            is_known = command.split(" ", 1)[1].strip('"') == "INBOX"
            lines = [f"* {len(self.mails)} EXISTS\r\n".encode(), b"* OK [UIDVALIDITY 1] ok\r\n"]
            return (lines, "OK [READ-WRITE] done") if is_known else ([], "NO no such mailbox")
        if verb.startswith("UID SEARCH UNSEEN"):
            return [f"* SEARCH {' '.join(map(str, self.unseen))}\r\n".encode()], "OK done"
        if found := re.match(r"UID FETCH (\d+) \(BODY\.PEEK\[\]<0\.(\d+)>\)", verb):
            return self._fetched(int(found[1]), int(found[2]))
        if found := re.match(r"UID STORE (\d+) \+FLAGS \(\\SEEN\)", verb):
            self.seen.add(int(found[1]))
            return [], "OK done"
        return [], "BAD what?"

    def _fetched(self, uid: int, limit: int) -> tuple[list[bytes], str]:
        if uid in self.refused:
            return [], "NO it cannot be read"
        if uid in self.silent_about:
            return [], "OK done"
        mail = self.mails[uid][:limit]
        head = f"* {uid} FETCH (UID {uid} BODY[]<0> {{{len(mail)}}}\r\n".encode()
        return [head + mail + b")\r\n"], "OK done"

    def _handler(self) -> type[socketserver.StreamRequestHandler]:
        playing = self

        class Handler(socketserver.StreamRequestHandler):
            def handle(self) -> None:
                try:
                    self.wfile.write(b"* OK ready\r\n")
                    for line in self.rfile:
                        if not self.respond(line.decode().strip()):
                            return
                except OSError:
                    return

            def respond(self, line: str) -> bool:
                tag, _, command = line.partition(" ")
                playing.commands.append(command)
                playing.before(command)
                if playing.hang_up_at and command.upper().startswith(playing.hang_up_at):
                    playing.hang_up_at = ""
                    return False
                untagged, tagged = playing.answer(command)
                self.wfile.write(b"".join(untagged) + f"{tag} {tagged}\r\n".encode())
                return True

        return Handler
