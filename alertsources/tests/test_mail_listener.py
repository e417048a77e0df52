"""Tests of the SMTP listener: real conversations on loopback."""

from __future__ import annotations

import asyncio
import smtplib
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import OperationalError, connections

from alertsources import intake
from alertsources.mail import listener as listening
from alertsources.mail import taking
from alertsources.mail.listener import Listener
from alertsources.models import AlertSource, ReceivedPayload
from alertsources.tests.bodies import KEY
from alertsources.tests.mails import TO, mail
from incidents.models import Incident
from pagerpal.testing import make_source, make_team

pytestmark = pytest.mark.django_db(transaction=True)

THREADS = 2


class Running:
    """A listener in a thread of its own, and clients that write to it."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self.pool = ThreadPoolExecutor(THREADS)
        self.port = 0
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        assert self._ready.wait(10)

    def _run(self) -> None:
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        self._stop = asyncio.Event()
        self.listener = Listener(self.pool, hostname="pager.example.org")
        self.port = await self.listener.start("127.0.0.1", 0)
        self._ready.set()
        await self._stop.wait()
        await self.listener.stop(within=2)
        await asyncio.sleep(0.05)

    def client(self) -> smtplib.SMTP:
        client = smtplib.SMTP("127.0.0.1", self.port, local_hostname="monitor", timeout=10)
        client.ehlo()
        return client

    def send(self, raw: bytes, *to: str, sender: str = "monitor@example.com") -> Any:
        """The answer to the mail: code and words."""
        with self.client() as client:
            client.mail(sender)
            for address in to or [TO]:
                assert client.rcpt(address)[0] == 250
            return client.data(raw)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)
        together = threading.Barrier(THREADS)
        for one in [self.pool.submit(close_own, together) for _ in range(THREADS)]:
            one.result()
        self.pool.shutdown()


def close_own(together: threading.Barrier) -> None:
    together.wait(10)
    connections.close_all()


@pytest.fixture
def smtp() -> Iterator[Running]:
    running = Running()
    yield running
    running.stop()


@pytest.fixture
def source() -> AlertSource:
    return make_source(make_team(), name="shop", kind="email")


def refusing(text: str) -> Callable[..., Any]:
    def refuse(*args: Any, **options: Any) -> Any:
        raise OperationalError(text)

    return refuse


def test_a_mail_is_stored_before_it_is_accepted(smtp: Running, source: AlertSource) -> None:
    code, said = smtp.send(mail("CRITICAL: disk on db1"))

    assert (code, said) == (250, b"2.0.0 Stored.")
    assert Incident.objects.get().title == "CRITICAL: disk on db1"


def test_dots_and_long_lines_arrive_as_they_were(smtp: Running, source: AlertSource) -> None:
    text = f".\r\n..two\r\n{'x' * 5000}\r\n"

    code, _ = smtp.send(mail("Disk", text))

    assert code == 250
    assert bytes(ReceivedPayload.objects.get().body).endswith(text.encode())


@pytest.mark.parametrize(
    "address", [f"shop+{'z' * 32}@pager.example.org", "shop@pager.example.org", "root"]
)
def test_an_unknown_key_is_refused_in_one_sentence(
    smtp: Running, source: AlertSource, address: str
) -> None:
    with smtp.client() as client:
        client.mail("monitor@example.com")
        code, said = client.rcpt(address)
        known, _ = client.rcpt(TO)

    assert code == 550
    assert said == b"5.1.1 No alert source has this address; its key may have been replaced."
    assert known == 250


def test_a_source_that_is_switched_off_is_refused(smtp: Running, source: AlertSource) -> None:
    AlertSource.objects.update(is_active=False)

    with smtp.client() as client:
        client.mail("monitor@example.com")
        answer = client.rcpt(TO)

    assert answer == (550, b"5.2.1 This alert source is switched off.")


def test_who_guesses_keys_is_shown_the_door(smtp: Running, source: AlertSource) -> None:
    with smtp.client() as client:
        client.mail("monitor@example.com")
        codes = [client.rcpt(f"{number:032}@a.org")[0] for number in range(11)]
        with pytest.raises(smtplib.SMTPServerDisconnected):
            client.noop()

    assert codes == [550] * 10 + [421]


def test_a_mail_for_many_is_taken_in_portions(smtp: Running, source: AlertSource) -> None:
    with smtp.client() as client:
        client.mail("monitor@example.com")
        codes = [client.rcpt(TO)[0] for _ in range(21)]

    assert codes == [250] * 20 + [452]


def test_a_mail_that_is_too_large_is_refused_before_and_while_it_is_sent(
    smtp: Running, source: AlertSource
) -> None:
    with smtp.client() as client:
        announced, _ = client.mail("monitor@example.com", [f"SIZE={taking.LARGEST + 1}"])
    sent, _ = smtp.send(mail("Disk", f"{'x' * 78}\r\n" * (taking.LARGEST // 80 + 1)))

    assert (announced, sent) == (552, 552)
    assert not ReceivedPayload.objects.exists()


def test_a_bounce_is_kept_and_opens_nothing(smtp: Running, source: AlertSource) -> None:
    code, _ = smtp.send(mail("Undelivered"), sender="")

    assert code == 250
    assert "no sender" in ReceivedPayload.objects.get().note
    assert not Incident.objects.exists()


def test_a_database_that_is_away_costs_no_mail(
    smtp: Running, source: AlertSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    raw = mail("CRITICAL: disk")
    with monkeypatch.context() as broken, smtp.client() as client:
        client.mail("monitor@example.com")
        broken.setattr(taking, "sender_of", refusing("gone"))
        at_recipient, _ = client.rcpt(TO)
        broken.undo()
        client.rcpt(TO)
        broken.setattr(intake, "insert", refusing("locked"))
        at_data, said = client.data(raw)
    lost = ReceivedPayload.objects.exists()
    later, _ = smtp.send(raw)

    assert (at_recipient, at_data, lost, later) == (451, 451, False, 250)
    assert said == b"4.3.0 PagerPal cannot store alerts at the moment; send this again."
    assert Incident.objects.count() == 1


def test_a_source_over_its_limit_is_asked_to_come_again(smtp: Running, source: AlertSource) -> None:
    AlertSource.objects.update(limit_per_minute=1)

    answers = [smtp.send(mail(f"CRITICAL: disk {number}")) for number in range(3)]

    assert [code for code, _ in answers].count(451) >= 1
    assert (451, b"4.7.1 More than 1 messages per minute; send this later.") in answers
    assert Incident.objects.filter(title__contains="messages per minute").exists()


def test_a_fault_nobody_thought_of_costs_no_mail(
    smtp: Running, source: AlertSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    def breaks(*args: Any, **options: Any) -> None:
        raise RuntimeError("nobody thought of this")

    monkeypatch.setattr(taking, "take", breaks)

    assert smtp.send(mail())[0] == 451


def test_the_same_mail_sent_again_counts_once(smtp: Running, source: AlertSource) -> None:
    raw = mail("CRITICAL: disk")

    codes = [smtp.send(raw)[0] for _ in range(3)]

    assert codes == [250, 250, 250]
    assert ReceivedPayload.objects.count() == Incident.objects.count() == 1


def test_many_mails_at_once_are_all_stored(smtp: Running, source: AlertSource) -> None:
    with ThreadPoolExecutor(8) as senders:
        mails = [mail(f"CRITICAL: disk {number}") for number in range(24)]
        codes = [code for code, _ in senders.map(smtp.send, mails)]

    assert codes == [250] * 24
    assert Incident.objects.count() == 24


def test_one_connection_too_many_is_told_to_come_again(
    smtp: Running, source: AlertSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "MOST_CONNECTIONS", 1)

    with smtp.client(), pytest.raises(smtplib.SMTPConnectError) as refused:
        smtp.client()
    later = smtp.send(mail())

    assert refused.value.smtp_code == 421
    assert later[0] == 250


def test_who_says_nothing_is_cut_off(
    smtp: Running, source: AlertSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "COMMAND_TIMEOUT", 0.1)

    with socket.create_connection(("127.0.0.1", smtp.port), timeout=10) as quiet:
        said = b"".join(iter(lambda: quiet.recv(1000), b""))

    assert said.startswith(b"220 pager.example.org PagerPal")


def test_who_talks_for_ever_is_cut_off(
    smtp: Running, source: AlertSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(listening, "CONNECTION_TIMEOUT", 0.3)

    client = smtp.client()
    ends = time.monotonic() + 10

    def talk() -> None:
        while time.monotonic() < ends:
            client.noop()

    with pytest.raises(smtplib.SMTPServerDisconnected):
        talk()


def test_a_stop_waits_for_the_mail_in_hand(
    smtp: Running, source: AlertSource, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, go_on = threading.Event(), threading.Event()
    really = taking.take

    def slowly(*args: Any, **options: Any) -> Any:
        begun.set()
        go_on.wait(10)
        return really(*args, **options)

    monkeypatch.setattr(taking, "take", slowly)
    with ThreadPoolExecutor(1) as sender:
        answer = sender.submit(smtp.send, mail())
        assert begun.wait(10)
        smtp._loop.call_soon_threadsafe(smtp._stop.set)
        go_on.set()
        code, _ = answer.result()

    assert code == 250


def test_no_key_is_written_to_the_log(
    smtp: Running, source: AlertSource, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("DEBUG"):
        smtp.send(mail())

    assert KEY not in caplog.text
