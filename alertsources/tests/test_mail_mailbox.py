"""Tests of the mailbox: a small IMAP server on loopback, read by the real code."""

from __future__ import annotations

import imaplib
import threading
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from django.db import OperationalError, connection

from alertsources import intake, limits
from alertsources.mail import mailbox, taking
from alertsources.mail.mailbox import LEAST_PAUSE, MOST_PAUSE, Account, Mailbox
from alertsources.models import Alert, AlertSource, ReceivedMail, ReceivedPayload
from alertsources.tests.bodies import KEY
from alertsources.tests.imap import ImapServer
from alertsources.tests.mails import mail
from incidents.models import Incident
from pagerpal.testing import make_source, make_team

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def imap() -> Iterator[ImapServer]:
    server = ImapServer()
    yield server
    server.stop()


@pytest.fixture
def source() -> AlertSource:
    return make_source(make_team(), name="shop", kind="email")


@pytest.fixture
def account(imap: ImapServer) -> Account:
    return Account("127.0.0.1", imap.port, "pager", imap.password, security="none", every=0.01)


@pytest.fixture
def box(account: Account) -> Iterator[Mailbox]:
    watching = Mailbox(account)
    yield watching
    watching.close()


class Rounds(threading.Event):
    """A stop that comes after so many rounds, and keeps how long each would have paused."""

    def __init__(self, number: int) -> None:
        super().__init__()
        self._left = number
        self.pauses: list[float] = []

    def wait(self, timeout: float | None = None) -> bool:
        self.pauses.append(timeout or 0)
        self._left -= 1
        if not self._left:
            self.set()
        return self.is_set()


def test_unseen_mails_are_taken_in_and_marked(
    imap: ImapServer, source: AlertSource, box: Mailbox
) -> None:
    imap.deliver(mail("CRITICAL: disk"), mail("CRITICAL: swap"))

    first, second = box.look(), box.look()

    assert (first, second) == (2, 0)
    assert imap.unseen == []
    assert {alert.title for alert in Alert.objects.all()} == {"CRITICAL: disk", "CRITICAL: swap"}
    assert imap.logins == 1


def test_a_mail_is_marked_only_when_it_is_committed(
    imap: ImapServer, source: AlertSource, box: Mailbox
) -> None:
    stored: list[int] = []
    imap.before = lambda command: (
        stored.append(seen_from_outside()) if command.startswith("UID STORE") else None
    )
    imap.deliver(mail())

    box.look()

    assert stored == [1]


def seen_from_outside() -> int:
    try:
        return ReceivedPayload.objects.count()
    finally:
        connection.close()


def test_the_source_is_named_by_any_header_of_delivery(
    imap: ImapServer, source: AlertSource, box: Mailbox
) -> None:
    address = f"shop+{KEY}@pager.example.org"
    imap.deliver(
        mail("one", To="all@example.com", Delivered_To=address),
        mail("two", To="all@example.com", X_Original_To=address),
        mail("three", To=f"all@example.com, Shop <{address}>"),
    )

    box.look()

    assert Alert.objects.count() == 3
    assert all(KEY.encode() not in bytes(kept.body) for kept in ReceivedPayload.objects.all())


@pytest.mark.parametrize("is_active", [True, False])
def test_a_mail_for_no_source_is_left_in_peace(
    imap: ImapServer, source: AlertSource, box: Mailbox, is_active: bool
) -> None:
    AlertSource.objects.update(is_active=is_active)
    imap.deliver(mail(To="ann@example.com") if is_active else mail())

    box.look()

    assert imap.unseen == []
    assert not ReceivedPayload.objects.exists()


def test_a_spoilt_mail_does_not_stop_the_rest_and_is_tried_again(
    imap: ImapServer, source: AlertSource, box: Mailbox
) -> None:
    imap.deliver(mail("one"), mail("two"), mail("three"))
    imap.refused, imap.silent_about = {1}, {2}

    first = box.look()
    waiting = imap.unseen
    imap.refused = imap.silent_about = set()
    later = [box.look() for _ in range(3)]

    assert (first, waiting) == (1, [1, 2])
    assert sum(later) == 2
    assert imap.unseen == []


def test_a_mail_that_breaks_our_own_code_does_not_stop_the_rest(
    imap: ImapServer, source: AlertSource, box: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    really = taking.take

    def sometimes(raw: bytes, *args: Any, **options: Any) -> Any:
        if b"poison" in raw:
            raise RuntimeError("nobody thought of this")
        return really(raw, *args, **options)

    monkeypatch.setattr(taking, "take", sometimes)
    imap.deliver(mail("poison"), mail("two"))
    stop = Rounds(1)

    box.run(stop)

    assert imap.unseen == [1]
    assert box.trouble == "Mails in INBOX that cannot be taken in: 1."


def test_a_source_over_its_limit_finds_its_mails_later(
    imap: ImapServer, source: AlertSource, box: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as busy:
        busy.setattr(limits, "is_over", lambda source, *, now: True)
        busy.setattr(limits, "tell", lambda *args, **options: None)
        imap.deliver(mail("one"), mail("two"))
        box.run(Rounds(1))
        waiting, trouble = imap.unseen, box.trouble

    box.look()

    assert (waiting, trouble) == ([1, 2], "")
    assert imap.unseen == []


def test_a_database_that_is_away_leaves_the_mail_unseen(
    imap: ImapServer, source: AlertSource, box: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    def locked(*args: Any, **options: Any) -> None:
        raise OperationalError("database is locked")

    imap.deliver(mail())
    with monkeypatch.context() as broken:
        broken.setattr(intake, "insert", locked)
        box.run(Rounds(1))
        trouble, waiting = box.trouble, imap.unseen
    box.run(Rounds(1))

    assert trouble == "Mails wait in the mailbox: the database cannot store them."
    assert waiting == [1]
    assert (imap.unseen, box.trouble) == ([], "")
    assert Incident.objects.count() == 1


@pytest.mark.parametrize("command", ["UID SEARCH", "UID FETCH", "UID STORE", "SELECT", "LOGIN"])
def test_a_connection_that_breaks_is_made_again_and_nothing_is_doubled(
    imap: ImapServer, source: AlertSource, box: Mailbox, command: str
) -> None:
    imap.deliver(mail())
    imap.hang_up_at = command

    box.run(Rounds(2))

    assert (imap.unseen, box.trouble) == ([], "")
    assert Incident.objects.count() == ReceivedPayload.objects.count() == 1
    assert ReceivedMail.objects.get().repeats == (command == "UID STORE")


def test_pauses_grow_while_the_server_is_away_and_the_trouble_is_told(account: Account) -> None:
    stop = Rounds(9)
    box = Mailbox(replace(account, password="wrong"))

    box.run(stop)

    assert stop.pauses[:3] == [LEAST_PAUSE, 2 * LEAST_PAUSE, 4 * LEAST_PAUSE]
    assert stop.pauses[-1] == MOST_PAUSE
    assert box.trouble == (
        "The mailbox at 127.0.0.1 cannot be read: [AUTHENTICATIONFAILED] *** password."
    )


def test_a_folder_that_is_not_there_is_told(account: Account) -> None:
    box = Mailbox(replace(account, folder='Al"erts'))

    box.run(Rounds(1))

    assert "cannot be read" in box.trouble


def test_without_encryption_it_does_not_sign_in(imap: ImapServer, account: Account) -> None:
    box = Mailbox(replace(account, security="auto"))

    box.run(Rounds(1))

    assert "TLS not supported by server" in box.trouble
    assert imap.logins == 0


def test_of_a_large_mail_the_beginning_is_taken(
    imap: ImapServer, source: AlertSource, box: Mailbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(taking, "LARGEST", 1000)
    imap.deliver(mail("CRITICAL: disk", "x" * 5000))

    box.look()

    assert Incident.objects.get().title == "CRITICAL: disk"
    assert len(bytes(ReceivedPayload.objects.get().body)) == 1000


def test_two_machines_on_one_mailbox_make_one_incident(
    imap: ImapServer, source: AlertSource, account: Account
) -> None:
    imap.deliver(*[mail(f"CRITICAL: disk {number}") for number in range(5)])
    start = threading.Barrier(2)

    def machine() -> None:
        box = Mailbox(account)
        try:
            start.wait(10)
            box.look()
        finally:
            box.close()
            connection.close()

    both = [threading.Thread(target=machine) for _ in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join()

    assert Incident.objects.count() == ReceivedPayload.objects.count() == 5
    assert imap.unseen == []


def test_the_port_of_tls_is_spoken_to_in_tls(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []

    def refuse(host: str, port: int, **options: Any) -> None:
        asked.append((host, port, options["timeout"], options["ssl_context"].check_hostname))
        raise OSError("no route")

    monkeypatch.setattr(imaplib, "IMAP4_SSL", refuse)
    box = Mailbox(Account("imap.example.com", 993, "pager", "secret"))

    box.run(Rounds(1))

    assert asked == [("imap.example.com", 993, mailbox.TIMEOUT, True)]
    assert box.trouble == "The mailbox at imap.example.com cannot be read: no route."
