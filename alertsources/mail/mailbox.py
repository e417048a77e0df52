"""Fetches alerts from a mailbox by IMAP, with the standard library.

A mail is marked as seen after the commit, so one that could not be stored is there the next time.
Several machines may watch one mailbox: a mail that two of them fetch counts once.
"""

from __future__ import annotations

import imaplib
import logging
import ssl
from dataclasses import dataclass, field
from datetime import datetime
from threading import Event
from typing import Any

from django.db import Error, connections
from django.utils import timezone

from alertsources.mail import taking
from alertsources.mail.addresses import recipients_of
from alertsources.mail.message import headers_of

logger = logging.getLogger(__name__)

TIMEOUT = 30.0
# After trouble the next try waits, longer each time.
LEAST_PAUSE, MOST_PAUSE = 5.0, 300.0
# Rounds in which a mail that cannot be fetched or stored is left alone, doubled each time.
MOST_ROUNDS_LEFT_ALONE = 64
TLS_PORT = 993


@dataclass(frozen=True)
class Account:
    """Where the mailbox is, and how often it is looked at."""

    host: str
    port: int
    user: str
    password: str = field(repr=False)
    folder: str = "INBOX"
    security: str = "auto"
    every: float = 30.0


@dataclass
class _Spoilt:
    """A mail that made trouble: when it is tried again."""

    rounds: int = 1
    wait: int = 1


class Mailbox:
    """One mailbox that is looked at again and again, over one connection while that lasts."""

    def __init__(self, account: Account) -> None:
        self.account = account
        # What keeps it from being read, in one sentence; empty when nothing does.
        self.trouble = ""
        self._server: imaplib.IMAP4 | None = None
        self._spoilt: dict[bytes, _Spoilt] = {}

    def run(self, stop: Event) -> None:
        """Look until told to stop. Never raises."""
        pause = 0.0
        while not stop.is_set():
            try:
                self.look()
                pause, self.trouble = 0.0, self._about_spoilt()
            except Exception as error:
                pause = min(max(2 * pause, LEAST_PAUSE), MOST_PAUSE)
                self._failed(error, pause)
            stop.wait(pause or self.account.every)
        self.close()

    def look(self) -> int:
        """Take in all that is unseen; returns how many mails were. One bad mail costs only itself.

        Raises when the mailbox cannot be read or the database cannot store.
        """
        server = self._connected()
        _expect(server.select(_quoted(self.account.folder)))
        found = _expect(server.uid("SEARCH", "UNSEEN"))
        uids = b" ".join(part for part in found if isinstance(part, bytes)).split()
        self._spoilt = {uid: bad for uid, bad in self._spoilt.items() if uid in set(uids)}
        return sum(self._take(server, uid) for uid in uids if self._is_due(uid))

    def close(self) -> None:
        server, self._server = self._server, None
        if server is None:
            return
        try:
            server.shutdown()
        except OSError:
            return

    def _connected(self) -> imaplib.IMAP4:
        if self._server is None:
            self._server = _sign_in(self.account)
            logger.info("Watching the mailbox %s at %s", self.account.folder, self.account.host)
        return self._server

    def _take(self, server: imaplib.IMAP4, uid: bytes) -> bool:
        try:
            raw = _fetch(server, uid)
            _store(raw, timezone.now())
            _expect(server.uid("STORE", uid.decode(), "+FLAGS", r"(\Seen)"))
        except (imaplib.IMAP4.abort, OSError, Error):
            raise  # the connection or the database, not this mail
        except taking.TooMany:
            return False  # it stays unseen; its team has been told
        except Exception:
            logger.exception("Mail %s of the mailbox cannot be taken in", uid.decode())
            bad = self._spoilt.setdefault(uid, _Spoilt())
            bad.rounds, bad.wait = min(2 * bad.rounds, MOST_ROUNDS_LEFT_ALONE), bad.rounds
            return False
        self._spoilt.pop(uid, None)
        return True

    def _is_due(self, uid: bytes) -> bool:
        bad = self._spoilt.get(uid)
        if bad is None:
            return True
        bad.wait -= 1
        return bad.wait < 0

    def _about_spoilt(self) -> str:
        if not self._spoilt:
            return ""
        return f"Mails in {self.account.folder} that cannot be taken in: {len(self._spoilt)}."

    def _failed(self, error: Exception, pause: float) -> None:
        self.close()
        if isinstance(error, Error):
            connections.close_all()  # those of this thread
            self.trouble = "Mails wait in the mailbox: the database cannot store them."
        else:
            said = _in_words(error, self.account)
            self.trouble = f"The mailbox at {self.account.host} cannot be read: {said}."
        logger.error("%s Next try in %.0f s. (%r)", self.trouble, pause, type(error).__name__)


def _store(raw: bytes, now: datetime) -> None:
    """Take the mail in for each source that it names; one that names none is no alert of ours."""
    found = taking.addressees(recipients_of(headers_of(raw)), now=now)
    active = [one for one in found if not taking.is_switched_off(one, now=now)]
    if active:
        taking.take(raw, active, now=now)
    else:
        why = "is for a source that is switched off" if found else "names no alert source"
        logger.warning("A mail in the mailbox %s: it is marked as seen and left there", why)


def _fetch(server: imaplib.IMAP4, uid: bytes) -> bytes:
    """The mail without marking it; of one that is too large the beginning, which has the text."""
    part = f"BODY.PEEK[]<0.{taking.LARGEST}>"
    answer = _expect(server.uid("FETCH", uid.decode(), f"({part})"))
    raw = next((item[1] for item in answer if isinstance(item, tuple)), None)
    if not isinstance(raw, bytes):
        raise ValueError("the server does not give it")
    return raw


def _sign_in(account: Account) -> imaplib.IMAP4:
    """TLS on port 993, STARTTLS on any other, none only when told so."""
    context = ssl.create_default_context()
    server: imaplib.IMAP4
    if account.security == "auto" and account.port == TLS_PORT:
        server = imaplib.IMAP4_SSL(account.host, account.port, ssl_context=context, timeout=TIMEOUT)
    else:
        server = imaplib.IMAP4(account.host, account.port, timeout=TIMEOUT)
    try:
        if account.security == "auto" and account.port != TLS_PORT:
            server.starttls(context)
        server.login(account.user, account.password)
    except BaseException:
        server.shutdown()
        raise
    return server


def _expect(answer: tuple[str, Any]) -> list[Any]:
    status, data = answer
    if status != "OK":
        raise imaplib.IMAP4.error(f"the server says {status}")
    return list(data or [])


def _quoted(folder: str) -> str:
    escaped = folder.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _in_words(error: Exception, account: Account) -> str:
    """The server's words without the password, for the health page."""
    said = str(error) or type(error).__name__
    said = said[2:-1] if said.startswith("b'") else said
    hidden = said.replace(account.password, "***") if account.password else said
    return " ".join(hidden.split())[:200].rstrip(".")
