"""The SMTP listener: mail servers and monitors deliver here; 250 is said after the commit.

aiosmtpd speaks the protocol on one event loop; what needs the database runs on a few threads.
There is no STARTTLS: a mail server of the site stands in front, or the sender is near.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import Executor
from datetime import datetime
from typing import Any, cast

from aiosmtpd.smtp import SMTP, Envelope, Session
from django.db import Error, OperationalError, connections
from django.utils import timezone

from alertsources.mail import taking
from alertsources.mail.taking import Addressee

logger = logging.getLogger(__name__)
# It writes whole commands, and with them keys, to its log.
logging.getLogger("mail.log").setLevel(logging.ERROR)

MOST_CONNECTIONS = 50
MOST_RECIPIENTS = 20
# Refused addresses in one connection before it is ended: nobody shall guess keys here.
MOST_REFUSED = 10
# From one command to the next, a message being one; and for a whole connection.
COMMAND_TIMEOUT, CONNECTION_TIMEOUT = 60.0, 600.0
# Commands of one kind in one connection.
MOST_COMMANDS = 1000

UNKNOWN = "550 5.1.1 No alert source has this address; its key may have been replaced."
SWITCHED_OFF = "550 5.2.1 This alert source is switched off."
NOT_NOW = "451 4.3.0 PagerPal cannot store alerts at the moment; send this again."
TOO_MANY_RECIPIENTS = "452 4.5.3 Too many recipients; send the rest in another mail."
ENOUGH = "421 4.7.0 Too many unknown addresses; goodbye."
BUSY = b"421 4.7.0 Too many connections; try again in a moment.\r\n"
STORED = "250 2.0.0 Stored."


class Handler:
    """What aiosmtpd asks about one connection."""

    def __init__(self, executor: Executor) -> None:
        self._executor = executor
        self._refused = 0

    async def handle_RCPT(  # noqa: N802  aiosmtpd's name
        self, server: SMTP, session: Session, envelope: Envelope, address: str, options: list[str]
    ) -> str:
        if self._refused >= MOST_REFUSED:
            asyncio.get_running_loop().call_soon(_close, server)
            return ENOUGH
        if len(envelope.rcpt_tos) >= MOST_RECIPIENTS:
            return TOO_MANY_RECIPIENTS
        found = await self._in_thread(_find, address, timezone.now())
        if isinstance(found, str):
            self._refused += found != NOT_NOW
            return found
        envelope.rcpt_tos.append(address)
        _named(envelope).append(found)
        return "250 2.1.5 OK"

    async def handle_DATA(  # noqa: N802
        self, server: SMTP, session: Session, envelope: Envelope
    ) -> str:
        raw = envelope.original_content or b""
        to = {one.sender.source.pk: one for one in _named(envelope)}
        sender = envelope.mail_from or ""
        stored: str = await self._in_thread(_take, raw, list(to.values()), sender, timezone.now())
        return stored

    async def handle_exception(self, error: Exception) -> str:
        """What nobody thought of costs no mail: the sender comes again."""
        logger.error("A mail could not be received", exc_info=error)
        return NOT_NOW

    async def _in_thread(self, work: Callable[..., Any], *arguments: Any) -> Any:
        # Shielded: should the sender hang up, what was begun is finished all the same.
        loop = asyncio.get_running_loop()
        return await asyncio.shield(loop.run_in_executor(self._executor, work, *arguments))


class Connection(SMTP):
    """One connection. Mails with long lines are read, though they should not be sent."""

    line_length_limit = 256 * 1024

    def __init__(self, listener: Listener, hostname: str) -> None:
        super().__init__(
            Handler(listener.executor),
            data_size_limit=taking.LARGEST,
            enable_SMTPUTF8=True,
            hostname=hostname,
            ident="PagerPal",
            timeout=COMMAND_TIMEOUT,
            command_call_limit=MOST_COMMANDS,
            loop=listener.loop,
        )
        self._listener = listener
        self._end: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._listener.open.add(self)
        self._end = self._listener.loop.call_later(CONNECTION_TIMEOUT, transport.close)
        super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        self._listener.open.discard(self)
        if self._end:
            self._end.cancel()
        super().connection_lost(error)

    @property
    def is_idle(self) -> bool:
        """Whether nobody is owed an answer: ending it now loses nothing."""
        return not (self.envelope and self.envelope.rcpt_tos)


class Refusal(asyncio.Protocol):
    """The connection that is one too many."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        writing = cast(asyncio.Transport, transport)
        writing.write(BUSY)
        writing.close()


class Listener:
    """The port, and the connections that are open on it."""

    def __init__(self, executor: Executor, *, hostname: str) -> None:
        self.executor = executor
        self.loop = asyncio.get_running_loop()
        self.open: set[Connection] = set()
        self._hostname = hostname
        self._server: asyncio.Server | None = None

    async def start(self, host: str, port: int) -> int:
        """Listen; returns the port, which is another one when 0 was asked for."""
        self._server = await self.loop.create_server(self._connection, host, port)
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self, *, within: float) -> None:
        """Take no more, and let what is being delivered finish."""
        if self._server:
            self._server.close()
        ends = self.loop.time() + within
        while self.loop.time() < ends and not all(one.is_idle for one in self.open):
            await asyncio.sleep(0.05)
        for one in list(self.open):
            _close(one)

    def _connection(self) -> asyncio.Protocol:
        if len(self.open) >= MOST_CONNECTIONS:
            return Refusal()
        return Connection(self, self._hostname)


def _close(server: SMTP) -> None:
    if server.transport is not None:
        server.transport.close()


def _named(envelope: Envelope) -> list[Addressee]:
    """The sources that the addresses so far name; a new envelope begins with none."""
    found: list[Addressee] = vars(envelope).setdefault("addressees", [])
    return found


def _find(address: str, now: datetime) -> Addressee | str:
    """The source behind the address, or the answer that refuses it."""
    try:
        found = taking.addressees([address], now=now)
        if not found:
            taking.count_unknown([address], now=now)
            return UNKNOWN
    except Error as error:
        return _database_trouble(error)
    return SWITCHED_OFF if taking.is_switched_off(found[0], now=now) else found[0]


def _take(raw: bytes, to: list[Addressee], envelope_sender: str, now: datetime) -> str:
    try:
        taking.take(_return_path(envelope_sender) + raw, to, now=now)
    except taking.TooMany as error:
        return f"451 4.7.1 {error}"
    except Error as error:
        return _database_trouble(error)
    except Exception:
        logger.exception("A mail could not be stored")
        return NOT_NOW
    return STORED


def _return_path(sender: str) -> bytes:
    """The envelope's sender as a header, which whoever delivers a mail for good puts on top."""
    address = sender if sender.startswith("<") else f"<{sender}>"
    return f"Return-Path: {address}\r\n".encode("utf-8", "surrogateescape")


def _database_trouble(error: Error) -> str:
    logger.error("The database cannot take a mail: %s", error)
    if isinstance(error, OperationalError):
        connections.close_all()  # those of this thread; the next mail connects anew
    return NOT_NOW
