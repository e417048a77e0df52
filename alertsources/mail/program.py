"""The program that receives mail: the listener, the mailbox, and a row that says it is alive."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime, timedelta
from urllib.parse import urlsplit

from django.conf import settings
from django.db import Error, connections, transaction
from django.utils import timezone

from alertsources.mail import taking
from alertsources.mail.listener import Listener
from alertsources.mail.liveness import BEAT_EVERY
from alertsources.mail.mailbox import Account, Mailbox
from alertsources.models import MailReceiver

logger = logging.getLogger(__name__)

# Threads that work for the listener, each with a connection to the database.
THREADS = 4
FORGET_AFTER = timedelta(hours=1)
FORGET_MAILS_EVERY = 3600.0
# How long a stop waits for mails that are being delivered.
STOP_WITHIN = 20.0
MOST_PAUSE = 60.0


def account() -> Account | None:
    if not settings.IMAP_HOST:
        return None
    return Account(
        settings.IMAP_HOST,
        settings.IMAP_PORT,
        settings.IMAP_USER,
        settings.IMAP_PASSWORD,
        settings.IMAP_FOLDER,
        settings.IMAP_SECURITY,
        settings.IMAP_POLL_EVERY.total_seconds(),
    )


class Receiver:
    """Runs until it is told to stop. Trouble with one way in never ends the other."""

    def __init__(self) -> None:
        self.smtp_trouble = ""
        where = account()
        self.mailbox = Mailbox(where) if where else None
        self._name = f"{socket.gethostname()[:100]}:{os.getpid()}"
        self._stop = threading.Event()
        self._forgot_at = 0.0

    def run(self) -> None:
        asyncio.run(self._run())

    async def _run(self) -> None:
        stopping = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stopping.set)
        executor = ThreadPoolExecutor(THREADS, thread_name_prefix="mail")
        listener = Listener(executor, hostname=_own_host())
        watching = self._watch()
        tasks = [asyncio.create_task(self._beat(executor))]
        if settings.INBOUND_SMTP_PORT:
            tasks.append(asyncio.create_task(self._listen(listener)))
        await stopping.wait()
        self._stop.set()
        for task in tasks:
            task.cancel()
        await listener.stop(within=STOP_WITHIN)
        await asyncio.to_thread(self._end, watching, executor)

    def _watch(self) -> threading.Thread | None:
        if self.mailbox is None:
            return None
        # A daemon: what waits for a mail server does not hold up a stop.
        watching = threading.Thread(target=self.mailbox.run, args=(self._stop,), daemon=True)
        watching.start()
        return watching

    async def _listen(self, listener: Listener) -> None:
        host, port, pause = settings.INBOUND_SMTP_HOST, settings.INBOUND_SMTP_PORT, 1.0
        while True:
            try:
                await listener.start(host, port)
                break
            except OSError as error:
                self.smtp_trouble = f"No mail is received on {host}:{port}: {error.strerror}."
                logger.error("%s Next try in %.0f s.", self.smtp_trouble, pause)
            await asyncio.sleep(pause)
            pause = min(2 * pause, MOST_PAUSE)
        self.smtp_trouble = ""
        logger.info("Mail is received on %s:%s", host, port)

    async def _beat(self, executor: ThreadPoolExecutor) -> None:
        loop = asyncio.get_running_loop()
        while True:
            await loop.run_in_executor(executor, self.beat, timezone.now())
            await asyncio.sleep(BEAT_EVERY)

    def beat(self, now: datetime) -> None:
        """Write the row by which /health knows us. Never raises."""
        troubles = {
            "smtp_trouble": self.smtp_trouble[:300],
            "imap_trouble": self.mailbox.trouble[:300] if self.mailbox else "",
        }
        try:
            with transaction.atomic():
                MailReceiver.objects.filter(beat_at__lt=now - FORGET_AFTER).delete()
                MailReceiver.objects.update_or_create(
                    name=self._name, defaults={"beat_at": now, **troubles}
                )
            if time.monotonic() - self._forgot_at > FORGET_MAILS_EVERY or not self._forgot_at:
                taking.forget(now=now)
                self._forgot_at = time.monotonic()
        except Error as error:
            logger.error("The database cannot take a sign of life: %s", error)
            connections.close_all()

    def _end(self, watching: threading.Thread | None, executor: ThreadPoolExecutor) -> None:
        executor.shutdown()
        if watching:
            watching.join(5)
        with suppress(Error):
            MailReceiver.objects.filter(name=self._name).delete()
        connections.close_all()


def _own_host() -> str:
    return urlsplit(settings.PAGERPAL_BASE_URL).hostname or "localhost"
