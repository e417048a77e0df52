"""Tests of `manage.py serve` and `manage.py mail` where mail is received, as real processes."""

from __future__ import annotations

import signal
import smtplib
from collections.abc import Iterator

import psutil
import pytest

from alertsources.models import MailReceiver
from alertsources.tests.imap import ImapServer
from alertsources.tests.mails import TO, mail
from incidents.models import Incident
from pagerpal.testing import make_source, make_team
from pagerpal.tests.processes import Program, Site, free_port, get, wait_until

pytestmark = pytest.mark.processes


@pytest.fixture
def imap() -> Iterator[ImapServer]:
    server = ImapServer()
    yield server
    server.stop()


def mailbox_of(imap: ImapServer) -> dict[str, str]:
    return {
        "IMAP_HOST": "127.0.0.1",
        "IMAP_PORT": str(imap.port),
        "IMAP_USER": "pager",
        "IMAP_PASSWORD": imap.password,
        "IMAP_SECURITY": "none",
        "IMAP_POLL_SECONDS": "1",
    }


def send(port: int, subject: str) -> bool:
    """Whether a mail was taken in; false while nobody listens."""
    try:
        with smtplib.SMTP("127.0.0.1", port, local_hostname="monitor", timeout=10) as client:
            client.sendmail("monitor@example.com", [TO], mail(subject))
    except OSError:  # also those of smtplib
        return False
    return True


def listens(on: Program, port: int) -> psutil.Process | None:
    for child in on.children():
        if any(at.laddr.port == port for at in child.net_connections("tcp") if at.laddr):
            return child
    return None


def test_mail_is_a_third_program_that_is_restarted_alone(site: Site, imap: ImapServer) -> None:
    make_source(make_team(), name="shop", kind="email")
    port = free_port()
    serve = site.manage("serve", INBOUND_SMTP_PORT=str(port), **mailbox_of(imap))
    wait_until(lambda: send(port, "CRITICAL: disk"), seconds=30, why=serve)
    wait_until(lambda: get(f"{site.url}/health")[0] == 200, seconds=30, why=serve)
    found = listens(serve, port)
    assert found
    others = [child.pid for child in serve.children() if child.pid != found.pid]

    found.kill()
    wait_until(lambda: "mail ended (signal 9)" in serve.log, why=serve)
    wait_until(lambda: send(port, "CRITICAL: swap"), seconds=30, why=serve)
    imap.deliver(mail("CRITICAL: network"))
    wait_until(lambda: Incident.objects.count() == 3, seconds=30, why=serve)
    same = [child.pid for child in serve.children() if child.pid in others]
    serve.send(signal.SIGTERM)

    assert serve.wait() == 0, serve.log
    assert same == others
    assert TO not in serve.log
    assert site.survivors() == []


def test_the_mailbox_alone_is_a_reason_to_run(site: Site, imap: ImapServer) -> None:
    make_source(make_team(), name="shop", kind="email")
    imap.deliver(mail("CRITICAL: disk"))

    program = site.manage("mail", **mailbox_of(imap))
    wait_until(lambda: Incident.objects.exists(), seconds=30, why=program)
    wait_until(lambda: MailReceiver.objects.exists(), seconds=30, why=program)
    program.send(signal.SIGTERM)

    assert program.wait() == 0, program.log
    assert not MailReceiver.objects.exists()


def test_without_a_way_in_it_says_what_to_set(site: Site) -> None:
    program = site.manage("mail")

    assert program.wait() == 1
    assert "Mail has no way in: set INBOUND_SMTP_PORT or IMAP_HOST." in program.log


def test_a_mailbox_without_a_password_stops_the_start(site: Site) -> None:
    program = site.manage("mail", IMAP_HOST="imap.example.com", IMAP_USER="pager")

    assert program.wait() == 1
    assert "IMAP_HOST: expected IMAP_USER and IMAP_PASSWORD with it" in program.log
