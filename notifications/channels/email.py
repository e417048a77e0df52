"""E-mail over SMTP."""

from __future__ import annotations

import contextlib
import re
import smtplib
import ssl
from collections.abc import Callable
from email import policy
from email.message import EmailMessage
from email.utils import formataddr, formatdate, parseaddr
from typing import ClassVar, TypeVar
from urllib.parse import urlsplit

from django.conf import settings
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.utils.translation import gettext

from notifications.channels import calls
from notifications.channels.base import Deadline, Message, Receipt, SendError, register
from notifications.channels.texts import clean, clip, one_line

Result = TypeVar("Result")

MOST_SUBJECT = 250
IMPLICIT_TLS_PORT = 465


class Email:
    slug: ClassVar[str] = "email"
    kind: ClassVar[str] = "email"
    label: ClassVar[str] = "e-mail"
    address_label: ClassVar[str] = "E-mail address"
    example_address: ClassVar[str] = "ann@example.org"
    wakes: ClassVar[bool] = False

    def needs(self) -> list[str]:
        has_sender = "@" in parseaddr(settings.SMTP_FROM)[1]
        return ["SMTP_HOST"] * (not settings.SMTP_HOST) + ["SMTP_FROM"] * (not has_sender)

    def clean_address(self, text: str) -> str:
        local, _, domain = text.strip().rpartition("@")
        try:
            # Few servers take non-ASCII addresses; all take the ASCII form of a domain.
            address = f"{local}@{domain.encode('idna').decode().lower()}"
            validate_email(address)
        except (ValidationError, UnicodeError):
            raise ValueError(f"{one_line(text)!r} is not an e-mail address.") from None
        return address

    def send(self, message: Message, address: str, deadline: Deadline) -> Receipt:
        mail = compose(message, address)
        said = _in_words(deadline, lambda: _hand_over(mail, address, deadline))
        return Receipt(provider_id=str(mail["Message-ID"])[:200], text=said)


def _in_words(deadline: Deadline, dialogue: Callable[[], Result]) -> Result:
    """What the dialogue returns, or SendError with what went wrong in it."""
    try:
        return calls.within(deadline, dialogue)
    except smtplib.SMTPResponseException as error:
        raise _refused(error) from None
    except smtplib.SMTPException as error:
        raise SendError(_hide(f"{settings.SMTP_HOST}: {error}")) from None
    except OSError as error:
        reason = calls.reason_of(error)
        raise SendError(_hide(f"{settings.SMTP_HOST}: {reason}")) from None


def compose(message: Message, address: str) -> EmailMessage:
    """The mail: text and HTML, threaded with all other mails about the same thing."""
    host = _own_host()
    mail = EmailMessage(policy=policy.SMTP)
    mail["From"] = formataddr(parseaddr(settings.SMTP_FROM))
    mail["To"] = address
    mail["Subject"] = clip(one_line(message.subject or message.title), MOST_SUBJECT)
    mail["Date"] = formatdate()
    # The same for the same key: a mail sent twice after a lost answer is one mail to most readers.
    mail["Message-ID"] = f"<{_id_part(message.key)}@{host}>"
    if message.thread:
        root = f"<{_id_part(message.thread)}@{host}>"
        mail["In-Reply-To"] = root
        mail["References"] = root
    mail["Auto-Submitted"] = "auto-generated"
    mail["X-Auto-Response-Suppress"] = "All"
    if message.priority >= 5:
        mail["X-Priority"] = "1 (Highest)"
        mail["Importance"] = "high"
    for name, value in message.headers.items():
        mail[name] = one_line(value)
    mail.set_content(text_of(message))
    if message.html:
        mail.add_alternative(message.html, subtype="html")
    return mail


def text_of(message: Message) -> str:
    """Complete in itself: who reads only this can act."""
    parts = [clean(message.title), clean(message.body)]
    links = [(message.button, message.answer_url)]
    links += [(action.label, action.url) for action in message.actions if not action.is_post]
    links += [(gettext("Open"), message.open_url)]
    parts.append("\n".join(f"{label}: {url}" for label, url in links if url))
    return "\n\n".join(part for part in parts if part) + "\n"


def _id_part(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9_-]", "-", text) or "message"


def _own_host() -> str:
    return urlsplit(settings.PAGERPAL_BASE_URL).hostname or "localhost"


def _hand_over(mail: EmailMessage, address: str, deadline: Deadline) -> str:
    """The whole dialogue up to the server's word that it has taken the mail."""
    server = _server(deadline)
    try:
        _expect(server.connect(settings.SMTP_HOST, settings.SMTP_PORT))
        _introduce(server, deadline)
        _step(server, deadline)
        _expect(server.mail(parseaddr(settings.SMTP_FROM)[1]))
        _step(server, deadline)
        _expect(server.rcpt(address))
        _step(server, deadline)
        said = _expect(server.data(mail.as_bytes()))
        # Taken: nothing that goes wrong from here on may hide it, so nobody waits for the farewell.
        with contextlib.suppress(OSError, smtplib.SMTPException):
            server.putcmd("quit")
        return said
    finally:
        server.close()


def sign_in_only(deadline: Deadline) -> None:
    """Connect, encrypt and sign in as for a mail, and leave. Raises SendError."""

    def call() -> None:
        server = _server(deadline)
        try:
            _expect(server.connect(settings.SMTP_HOST, settings.SMTP_PORT))
            _introduce(server, deadline)
        finally:
            server.close()

    _in_words(deadline, call)


def _server(deadline: Deadline) -> smtplib.SMTP:
    """Not yet connected: a constructor that connects leaves an open socket when it is stopped."""
    # The name it greets with is given: smtplib would ask the resolver for it.
    own, timeout = _greeting_name(), calls.socket_timeout(deadline)
    server: smtplib.SMTP
    if settings.SMTP_SECURITY == "auto" and settings.SMTP_PORT == IMPLICIT_TLS_PORT:
        context = ssl.create_default_context()
        server = smtplib.SMTP_SSL(local_hostname=own, timeout=timeout, context=context)
    else:
        server = smtplib.SMTP(local_hostname=own, timeout=timeout)
    # The name its certificate must bear, which smtplib takes from its constructor only.
    server._host = settings.SMTP_HOST  # type: ignore[attr-defined]
    return server


def _greeting_name() -> str:
    host = _own_host()
    if ":" in host:
        return f"[IPv6:{host}]"
    return f"[{host}]" if host.replace(".", "").isdecimal() else host


def _introduce(server: smtplib.SMTP, deadline: Deadline) -> None:
    """Greet, encrypt unless told not to, and sign in if there is a user."""
    _step(server, deadline)
    server.ehlo_or_helo_if_needed()
    if settings.SMTP_SECURITY == "auto" and not isinstance(server, smtplib.SMTP_SSL):
        if not server.has_extn("starttls"):
            raise SendError(
                f"{settings.SMTP_HOST} offers no encryption (STARTTLS); "
                "SMTP_SECURITY=none allows that for a local relay",
                permanent=True,
            )
        _step(server, deadline)
        server.starttls(context=ssl.create_default_context())
        _step(server, deadline)
        server.ehlo_or_helo_if_needed()
    if settings.SMTP_USER:
        _sign_in(server, deadline)


def _sign_in(server: smtplib.SMTP, deadline: Deadline) -> None:
    _step(server, deadline)
    try:
        server.login(settings.SMTP_USER, settings.SMTP_PASSWORD)
    except smtplib.SMTPNotSupportedError:
        text = f"{settings.SMTP_HOST} offers no log-in that PagerPal knows; unset SMTP_USER"
        raise SendError(text, permanent=True) from None


def _step(server: smtplib.SMTP, deadline: Deadline) -> None:
    """Give the next command what is left of the time."""
    if deadline.is_over:
        raise TimeoutError
    if server.sock is not None:
        server.sock.settimeout(calls.socket_timeout(deadline))


def _expect(answer: tuple[int, bytes]) -> str:
    code, said = answer
    if not 200 <= code < 300:
        raise smtplib.SMTPResponseException(code, said)
    return calls.quoted(f"{code} {said.decode('utf-8', 'replace')}")


def _refused(error: smtplib.SMTPResponseException) -> SendError:
    """4xx: try again; 5xx: never. An answer without a code is one that broke off."""
    said = error.smtp_error
    words = said.decode("utf-8", "replace") if isinstance(said, bytes) else str(said)
    text = _hide(f"{error.smtp_code} {words}")
    if error.smtp_code == 535:
        text = f"wrong password: the mail server refuses SMTP_USER and SMTP_PASSWORD ({text})"
    return SendError(text, permanent=500 <= error.smtp_code < 600)


def _hide(text: str) -> str:
    return calls.quoted(text, settings.SMTP_PASSWORD)


register(Email())
