"""E-mail: for everything that can only send mail. See alertsources/mail/ for how it gets here.

The whole mail as it was sent may also be posted (message/rfc822), or as a text in a JSON object,
as the web hooks of mail providers have it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from alertsources.decoding import decode
from alertsources.mail.message import Mail, take_apart
from alertsources.mail.parser import alert_in, why_ignored
from alertsources.mail.words import Words, words_of
from alertsources.sources.base import ParsedAlert, Remark, Unreadable, register

if TYPE_CHECKING:
    from alertsources.models import AlertSource

# Ours; Postmark's; Mailgun's; SendGrid's.
RAW_FIELDS = ("raw", "RawEmail", "body-mime", "email")
USUAL_HEADERS = {"from", "to", "subject", "date", "message-id", "received"}


class Email:
    slug: ClassVar[str] = "email"
    label: ClassVar[str] = "E-mail"
    reads_bytes: ClassVar[bool] = True
    setup: ClassVar[str] = """\
Let the sender mail to

    {{ mail }}

The part after the + is the key; the name before it is free. INBOUND_SMTP_PORT or IMAP_HOST has
to be set for mail to be received. To try it without a mail server:

    printf 'From: me@example.com\\nSubject: PROBLEM: test of PagerPal\\n\\nDisk full\\n' |
      curl {{ url }} -H 'X-API-Key: {{ key }}' \\
      -H 'Content-Type: message/rfc822' --data-binary @-

Mails of one sender with the same subject, less words such as PROBLEM, are one alert. RESOLVED,
RECOVERY, OK, UP and the like where a state stands end it; the source's own words of recovery
replace them.
"""
    example: ClassVar[dict[str, Any]] = {
        "raw": (
            "From: Nagios <nagios@monitor.example.com>\n"
            "To: shop@example.com\n"
            "Subject: ** PROBLEM Service Alert: web1/HTTP is CRITICAL **\n"
            "Message-ID: <20261121234913.1@monitor.example.com>\n"
            "\n"
            "CRITICAL - Socket timeout after 10 seconds\n"
        )
    }

    def parse(self, payload: Any) -> Iterator[ParsedAlert | Unreadable]:
        yield alert_in(take_apart(_raw_in(payload)))

    def parse_body(
        self, body: bytes, headers: Mapping[str, str], source: AlertSource
    ) -> Iterator[ParsedAlert | Unreadable | Remark]:
        raw = _raw_in(decode(body)) if body.lstrip().startswith(b"{") else body
        yield from _read(take_apart(raw), words_of(source))


def _read(mail: Mail, words: Words) -> Iterator[ParsedAlert | Remark]:
    if not USUAL_HEADERS.intersection(mail.headers):
        raise ValueError("it is no mail: it has none of a mail's headers")
    if reason := why_ignored(mail, words):
        yield Remark(f"Opens nothing, as it is {reason}.")
    else:
        yield alert_in(mail, words)


def _raw_in(payload: Any) -> bytes:
    found = payload if isinstance(payload, dict) else {}
    for name in RAW_FIELDS:
        if isinstance(raw := found.get(name), str) and raw:
            return raw.encode("utf-8", "surrogatepass")
    raise ValueError(f"it holds no mail: expected one of the fields {', '.join(RAW_FIELDS)}")


register(Email())
