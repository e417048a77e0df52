"""E-mail, taken by a mail server on loopback."""

from __future__ import annotations

import email.message
import ssl
from collections.abc import Iterator
from email import message_from_bytes, policy
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult, Envelope

from notifications.channels.base import Deadline, Message, Receipt, SendError, registry
from notifications.tests.servers import free_port, slow

PEM = Path(__file__).with_name("loopback.pem")


class Mailbox:
    """A mail server that keeps what it is given, or refuses with the reply it was told."""

    def __init__(self) -> None:
        self.envelopes: list[Envelope] = []
        self.refusals: dict[str, str] = {}

    async def handle_MAIL(  # noqa: N802
        self, server: Any, session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        envelope.mail_from = address
        return self.refusals.get("MAIL", "250 OK")

    async def handle_RCPT(  # noqa: N802
        self, server: Any, session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        envelope.rcpt_tos.append(address)
        return self.refusals.get("RCPT", "250 OK")

    async def handle_DATA(self, server: Any, session: Any, envelope: Envelope) -> str:  # noqa: N802
        if "DATA" not in self.refusals:
            self.envelopes.append(envelope)
        return self.refusals.get("DATA", "250 queued as 4711")

    def take(self) -> email.message.EmailMessage:
        content = self.envelopes.pop(0).content
        assert isinstance(content, bytes)
        return message_from_bytes(content, policy=policy.default)


def serve(box: Mailbox, settings: Any, **options: Any) -> Controller:
    settings.SMTP_HOST, settings.SMTP_PORT = "127.0.0.1", free_port()
    controller = Controller(box, hostname="127.0.0.1", port=settings.SMTP_PORT, **options)
    controller.start()
    settings.SMTP_FROM = "PagerPal <pager@example.org>"
    settings.SMTP_SECURITY = "none"
    settings.PAGERPAL_BASE_URL = "https://pager.example.org"
    return controller


@pytest.fixture
def box(settings: Any) -> Iterator[Mailbox]:
    playing = Mailbox()
    controller = serve(playing, settings)
    yield playing
    controller.stop()


def message(**fields: Any) -> Message:
    values: dict[str, Any] = {
        "key": "page:981/method:8/repeat:0",
        "thread": "incident:412",
        "title": "[critical] Disk full on db-6 (#412)",
        "subject": "Disk full on db-6 (#412)",
        "body": "Since 03:00 UTC.\nNext: bob at 03:16",
        "priority": 5,
        "open_url": "https://pager.example.org/incidents/412",
        "answer_url": "https://pager.example.org/a/t0ken",
        "html": "<p>Disk full</p>",
        "headers": {"X-PagerPal-Incident": "412"},
        **fields,
    }
    return Message(**values)


def send(what: Message | None = None, *, within: float = 5.0) -> Receipt:
    return registry["email"].send(what or message(), "ann@example.org", Deadline(within))


def error_of(*, within: float = 5.0) -> SendError:
    with pytest.raises(SendError) as caught:
        send(within=within)
    return caught.value


def test_a_mail_is_complete_as_text_and_as_html(box: Mailbox) -> None:
    receipt = send()

    (envelope,) = box.envelopes
    mail = box.take()
    text, html = mail.get_body(("plain",)), mail.get_body(("html",))
    assert text is not None
    assert html is not None
    assert (envelope.mail_from, envelope.rcpt_tos) == ("pager@example.org", ["ann@example.org"])
    assert mail["From"] == "PagerPal <pager@example.org>"
    assert mail["To"] == "ann@example.org"
    assert mail["Subject"] == "Disk full on db-6 (#412)"
    assert text.get_content().splitlines() == [
        "[critical] Disk full on db-6 (#412)",
        "",
        "Since 03:00 UTC.",
        "Next: bob at 03:16",
        "",
        "Acknowledge: https://pager.example.org/a/t0ken",
        "Open: https://pager.example.org/incidents/412",
    ]
    assert html.get_content().strip() == "<p>Disk full</p>"
    assert receipt.text == "250 queued as 4711"
    assert receipt.provider_id == mail["Message-ID"]


def test_mails_about_one_incident_are_one_thread(box: Mailbox) -> None:
    send()
    send(message(key="page:982/method:8/repeat:0"))
    send()

    first, second, again = box.take(), box.take(), box.take()
    root = "<incident-412@pager.example.org>"
    assert {mail["References"] for mail in (first, second)} == {root}
    assert {mail["In-Reply-To"] for mail in (first, second)} == {root}
    assert first["Message-ID"] == "<page-981-method-8-repeat-0@pager.example.org>"
    assert second["Message-ID"] != first["Message-ID"]
    assert again["Message-ID"] == first["Message-ID"]


def test_headers_tell_programs_what_this_is(box: Mailbox) -> None:
    send()

    mail = box.take()
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["X-Priority"] == "1 (Highest)"
    assert mail["X-PagerPal-Incident"] == "412"
    assert mail["Date"]


def test_only_urgent_mail_is_marked(box: Mailbox) -> None:
    send(message(priority=3))

    assert box.take()["X-Priority"] is None


def test_a_wild_title_cannot_add_a_header(box: Mailbox) -> None:
    send(message(subject="Ünïcödé 🔥\r\nBcc: evil@example.org\x00", body="line\r\n.\r\nläst"))

    (envelope,) = box.envelopes
    mail = box.take()
    text = mail.get_body(("plain",))
    assert text is not None
    assert mail["Subject"] == "Ünïcödé 🔥 Bcc: evil@example.org"
    assert mail["Bcc"] is None
    assert envelope.rcpt_tos == ["ann@example.org"]
    assert "line\n.\nläst" in text.get_content().replace("\r\n", "\n")


@pytest.mark.parametrize("command", ["MAIL", "RCPT", "DATA"])
def test_4xx_is_tried_again(box: Mailbox, command: str) -> None:
    box.refusals[command] = "451 try again later"

    error = error_of()

    assert not error.permanent
    assert error.text == "451 try again later"


@pytest.mark.parametrize("command", ["MAIL", "RCPT", "DATA"])
def test_5xx_is_final(box: Mailbox, command: str) -> None:
    box.refusals[command] = "550 no such mailbox"

    error = error_of()

    assert error.permanent
    assert error.text == "550 no such mailbox"


def test_a_wrong_password_is_named_but_not_shown(settings: Any) -> None:
    settings.SMTP_USER, settings.SMTP_PASSWORD = "pager", "hunter2"
    controller = serve(
        Mailbox(),
        settings,
        auth_require_tls=False,
        authenticator=lambda *_: AuthResult(success=False, handled=False),
    )
    try:
        error = error_of()
    finally:
        controller.stop()

    assert error.permanent
    assert error.text.startswith("wrong password")
    assert "hunter2" not in error.text


def test_the_right_password_signs_in(settings: Any) -> None:
    settings.SMTP_USER, settings.SMTP_PASSWORD = "pager", "hunter2"
    seen: list[Any] = []

    def check(*arguments: Any) -> AuthResult:
        seen.append(arguments[-1])
        return AuthResult(success=True)

    controller = serve(Mailbox(), settings, auth_require_tls=False, authenticator=check)
    try:
        receipt = send()
    finally:
        controller.stop()

    assert receipt.text.startswith("250")
    assert (seen[0].login, seen[0].password) == (b"pager", b"hunter2")


def test_a_server_without_log_in_is_final(box: Mailbox, settings: Any) -> None:
    settings.SMTP_USER = "pager"

    error = error_of()

    assert error.permanent
    assert "unset SMTP_USER" in error.text


def test_without_starttls_nothing_is_sent(box: Mailbox, settings: Any) -> None:
    settings.SMTP_SECURITY = "auto"

    error = error_of()

    assert error.permanent
    assert "STARTTLS" in error.text
    assert box.envelopes == []


@pytest.mark.parametrize(
    ("at_once", "drip"), [(b"", b""), (b"", b"220 x" * 20), (b"220 hello\r\n", b"250-x" * 20)]
)
def test_a_slow_mail_server_costs_no_more_than_the_deadline(
    settings: Any, at_once: bytes, drip: bytes
) -> None:
    settings.SMTP_HOST, settings.SMTP_FROM = "127.0.0.1", "pager@example.org"
    settings.SMTP_SECURITY = "none"
    with slow(at_once, drip, every=0.1) as server:
        settings.SMTP_PORT = server.port
        error = error_of(within=0.4)

    assert error.timed_out


def test_a_refused_connection_says_where(settings: Any) -> None:
    with slow() as server:
        settings.SMTP_PORT = server.port
    settings.SMTP_HOST, settings.SMTP_FROM = "127.0.0.1", "pager@example.org"

    error = error_of()

    assert not error.permanent
    assert error.text == "127.0.0.1: Connection refused"


def test_it_names_the_settings_it_lacks(settings: Any) -> None:
    settings.SMTP_HOST = settings.SMTP_FROM = ""

    assert registry["email"].needs() == ["SMTP_HOST", "SMTP_FROM"]


@pytest.mark.parametrize("text", ["", "ann", "ann@", "@example.org", "a b@example.org", "ann@x..y"])
def test_what_is_no_address_is_refused_in_a_sentence(text: str) -> None:
    with pytest.raises(ValueError, match=r".+\.$"):
        registry["email"].clean_address(text)


def test_a_domain_is_kept_in_its_ascii_form() -> None:
    assert registry["email"].clean_address(" Ann@Bücher.example ") == "Ann@xn--bcher-kva.example"


def encrypting(box: Mailbox, settings: Any, **options: Any) -> Controller:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(PEM)
    controller = serve(box, settings, **{name: context for name in options})
    settings.SMTP_SECURITY = "auto"
    return controller


@pytest.fixture
def trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    """The certificate of the tests' server is trusted, as a real one would be."""
    real = ssl.create_default_context
    monkeypatch.setattr(ssl, "create_default_context", lambda **_: real(cafile=str(PEM)))


@pytest.mark.usefixtures("trusted")
def test_starttls_is_used_before_anything_is_said(settings: Any) -> None:
    box = Mailbox()
    controller = encrypting(box, settings, tls_context=True)
    try:
        send()
    finally:
        controller.stop()

    assert box.take()["Subject"] == "Disk full on db-6 (#412)"


@pytest.mark.usefixtures("trusted")
def test_the_port_for_it_speaks_tls_from_the_start(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    box = Mailbox()
    controller = encrypting(box, settings, ssl_context=True)
    monkeypatch.setattr("notifications.channels.email.IMPLICIT_TLS_PORT", settings.SMTP_PORT)
    try:
        send()
    finally:
        controller.stop()

    assert box.take()["To"] == "ann@example.org"


def test_a_certificate_nobody_vouches_for_is_refused(settings: Any) -> None:
    box = Mailbox()
    controller = encrypting(box, settings, tls_context=True)
    try:
        error = error_of()
    finally:
        controller.stop()

    assert "certificate is not trusted" in error.text
    assert box.envelopes == []
