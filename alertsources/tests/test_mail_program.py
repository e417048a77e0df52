"""Tests of the program around listener and mailbox: what it tells /health, what it outlives."""

from __future__ import annotations

import asyncio
import socket
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from django.db import OperationalError

from alertsources import health
from alertsources.mail import program, taking
from alertsources.mail.listener import Listener
from alertsources.mail.liveness import FRESH_FOR, is_wanted
from alertsources.mail.program import Receiver
from alertsources.models import MailReceiver
from pagerpal.testing import NOON

NOBODY = "Mail is set up to be received, but nothing receives it: start manage.py mail."


@pytest.fixture
def wanted(settings: Any) -> Any:
    settings.INBOUND_SMTP_PORT = 2525
    return settings


@pytest.mark.django_db
def test_nothing_is_said_where_no_mail_is_wanted() -> None:
    assert not is_wanted()
    assert health.health(NOON) == []


@pytest.mark.django_db
def test_mail_that_is_set_up_but_not_received_is_told(wanted: Any) -> None:
    before = health.health(NOON)
    Receiver().beat(NOON)
    alive = health.health(NOON + FRESH_FOR)
    dead = health.health(NOON + FRESH_FOR + timedelta(seconds=1))

    assert (before, alive, dead) == ([NOBODY], [], [NOBODY])


@pytest.mark.django_db
def test_what_keeps_mail_from_coming_in_is_told(wanted: Any) -> None:
    wanted.IMAP_HOST = "imap.example.com"
    receiver = Receiver()
    assert receiver.mailbox
    receiver.mailbox.trouble = "The mailbox cannot be read."
    receiver.smtp_trouble = "No mail is received on 127.0.0.1:25: Permission denied."

    receiver.beat(NOON)

    assert health.health(NOON) == [receiver.smtp_trouble, receiver.mailbox.trouble]


@pytest.mark.django_db
def test_receivers_of_old_are_forgotten(wanted: Any) -> None:
    old = NOON - timedelta(hours=2)
    MailReceiver.objects.create(name="old:1", beat_at=old)

    Receiver().beat(NOON)

    assert MailReceiver.objects.get().beat_at == NOON


@pytest.mark.django_db(transaction=True)
def test_a_database_that_is_away_does_not_end_the_program(
    wanted: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(**options: Any) -> None:
        raise OperationalError("gone")

    receiver = Receiver()
    with monkeypatch.context() as away:
        away.setattr(taking, "forget", gone)
        receiver.beat(NOON)

    receiver.beat(NOON + timedelta(minutes=1))

    assert MailReceiver.objects.get().beat_at == NOON + timedelta(minutes=1)


def test_a_port_that_is_taken_is_told_and_tried_again(wanted: Any) -> None:
    async def story() -> tuple[str, str]:
        with socket.socket() as other, ThreadPoolExecutor(1) as pool:
            other.bind(("127.0.0.1", 0))
            other.listen()
            wanted.INBOUND_SMTP_PORT = other.getsockname()[1]
            receiver, listener = Receiver(), Listener(pool, hostname="pager.example.org")
            trying = asyncio.create_task(receiver._listen(listener))
            while not receiver.smtp_trouble:
                await asyncio.sleep(0.01)
            told = receiver.smtp_trouble
            other.close()
            await asyncio.wait_for(trying, 20)
            await listener.stop(within=0)
            return told, receiver.smtp_trouble

    with ThreadPoolExecutor(1) as elsewhere:  # browsers of other tests have a loop in this thread
        told, later = elsewhere.submit(lambda: asyncio.run(story())).result()

    assert told.startswith("No mail is received on 127.0.0.1:")
    assert later == ""


def test_a_mailbox_that_hangs_does_not_hold_up_a_stop(wanted: Any) -> None:
    wanted.IMAP_HOST = "imap.example.com"
    receiver = Receiver()
    hanging = threading.Event()
    assert receiver.mailbox
    receiver.mailbox.run = lambda stop: bool(hanging.wait(60))  # type: ignore[method-assign,assignment]

    thread = receiver._watch()

    assert thread
    assert thread.daemon
    hanging.set()
    thread.join()


def test_the_account_is_read_from_the_settings(settings: Any) -> None:
    settings.IMAP_HOST, settings.IMAP_USER, settings.IMAP_PASSWORD = "h", "u", "secret"

    account = program.account()

    assert account
    assert (account.host, account.port, account.folder, account.every) == ("h", 993, "INBOX", 30)
    assert "secret" not in repr(account)
