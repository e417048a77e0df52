"""Takes a raw mail apart: decoded headers, its text, the names of its attachments.

Built on the standard parser with its oldest policy, which alone never raises on a broken header.
Whatever charset or encoding lies, the text survives with holes.
"""

from __future__ import annotations

import email
import email.policy
import logging
import re
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from email.errors import MessageError
from email.header import decode_header
from email.message import Message
from email.parser import BytesHeaderParser
from email.utils import getaddresses, parsedate_to_datetime

from alertsources.mail import hypertext

logger = logging.getLogger(__name__)

# What is kept of a text, a header, the list of attachments.
LONGEST_TEXT = 64_000
LONGEST_HEADER = 4_000
MOST_ATTACHMENTS = 20
MOST_PARTS = 200
# Beyond these a mail is made to cost time: they take seconds to take apart.
LONGEST_HEAD, MOST_BOUNDARIES = 128 * 1024, 2000
END_OF_HEAD = re.compile(rb"\r?\n\r?\n")
MESSAGE_ID = re.compile(r"<[^<>\s]{1,500}>")


@dataclass(frozen=True)
class Mail:
    """One mail as far as anybody here cares; header names are in lower case."""

    headers: dict[str, list[str]]
    text: str = ""
    attachments: list[str] = field(default_factory=list)
    content_type: str = "text/plain"
    # Why only its headers could be read; empty: all of it was.
    trouble: str = ""

    def get(self, name: str) -> str:
        """The first header of this name, decoded, on one line."""
        return next(iter(self.headers.get(name.lower(), [])), "")

    def addresses(self, *names: str) -> list[str]:
        """All addresses in these headers, in lower case."""
        values = [value for name in names for value in self.headers.get(name.lower(), [])]
        try:
            found = getaddresses(values)
        except Exception:  # no header may cost the mail
            logger.info("The addresses of a mail cannot be read")
            return []
        return [address.lower() for _, address in found if "@" in address]

    @property
    def subject(self) -> str:
        return self.get("subject")

    @property
    def sender(self) -> str:
        return next(iter(self.addresses("from", "sender")), "")

    @property
    def message_id(self) -> str:
        return next(iter(self._ids("message-id")), "")

    @property
    def thread(self) -> str:
        """The mail that this one follows upon: the root of its thread; empty: it begins one."""
        return next(iter([*self._ids("references"), *self._ids("in-reply-to")]), "")

    @property
    def date(self) -> datetime | None:
        try:
            found = parsedate_to_datetime(self.get("date"))
            return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
        except (ValueError, TypeError, IndexError, OverflowError):
            return None

    def _ids(self, name: str) -> list[str]:
        return MESSAGE_ID.findall(self.get(name))


def take_apart(raw: bytes) -> Mail:
    """Never raises: of a body that cannot be read the headers are left, and what it begins with."""
    head, body = _halves(raw)
    try:
        if body.count(b"\n--") > MOST_BOUNDARIES and b"multipart/" in raw.lower():
            raise ValueError("it has too many parts")
        message = email.message_from_bytes(head + body, policy=email.policy.compat32)
        text, attachments = _content(message)
        return Mail(_headers(message), text, attachments, message.get_content_type())
    except (MessageError, RecursionError, ValueError, LookupError, TypeError, AttributeError) as no:
        logger.info("Only the headers of a mail can be read: %r", no)
        why = f"only its headers could be read ({type(no).__name__})"
    return replace(headers_of(raw), text=_decoded(body[:LONGEST_TEXT], ""), trouble=why)


def headers_of(raw: bytes) -> Mail:
    """The mail without its text, at a fraction of the cost. Never raises either."""
    head, _ = _halves(raw)
    try:
        message = BytesHeaderParser(policy=email.policy.compat32).parsebytes(head)
        return Mail(_headers(message), content_type=message.get_content_type())
    except (MessageError, ValueError, LookupError, TypeError, AttributeError) as no:
        logger.info("Not even the headers of a mail can be read: %r", no)
        return Mail({})


def _halves(raw: bytes) -> tuple[bytes, bytes]:
    """Headers with the empty line behind them, cut where they are too long; and the body."""
    found = END_OF_HEAD.search(raw)
    end = found.end() if found else len(raw)
    head, body = raw[:end], raw[end:]
    if len(head) > LONGEST_HEAD:
        head = head[:LONGEST_HEAD].rpartition(b"\n")[0] + b"\n\n"
    return head, body


def _headers(message: Message) -> dict[str, list[str]]:
    headers: dict[str, list[str]] = {}
    for name, value in message.raw_items():
        headers.setdefault(name.lower(), []).append(plain_header(str(value)[:LONGEST_HEADER]))
    return headers


def plain_header(value: str) -> str:
    """A header's words: encoded words decoded, bytes that should not be there too, on one line."""
    value = " ".join(_healed(value).split())
    if "=?" not in value:
        return value
    try:
        parts = decode_header(value)
    except (MessageError, ValueError):
        return value
    words = "".join(
        part if isinstance(part, str) else _decoded(part, charset or "") for part, charset in parts
    )
    return " ".join(words.split())


def _healed(value: str) -> str:
    """Raw bytes in a header, which the parser keeps as surrogates, as the text they mean."""
    try:
        return _decoded(value.encode("ascii", "surrogateescape"), "")
    except UnicodeEncodeError:
        return value


def _content(message: Message) -> tuple[str, list[str]]:
    """The text, and what is attached. Plain text wins; HTML only where that says nothing."""
    plain, marked_up, attachments = "", "", []
    for part in _leaves(message):
        kind = part.get_content_type()
        name = _file_name(part)
        if name or part.get_content_disposition() == "attachment" or not kind.startswith("text/"):
            attachments.append(f"{name or kind} ({_size_of(part)})")
        elif kind == "text/html":
            marked_up = marked_up or _text_in(part, hypertext.LONGEST)
        else:
            plain = plain or _text_in(part, LONGEST_TEXT).strip()
    text = plain or hypertext.text_of(marked_up)
    return text[:LONGEST_TEXT], attachments[:MOST_ATTACHMENTS]


def _leaves(message: Message) -> Iterator[Message]:
    for number, part in enumerate(message.walk()):
        if number > MOST_PARTS:
            return
        if not part.is_multipart():
            yield part


def _text_in(part: Message, limit: int) -> str:
    raw = part.get_payload(decode=True)
    if not isinstance(raw, bytes):
        return ""
    # A character has at most four bytes.
    return _decoded(raw[: 4 * limit], str(part.get_param("charset") or ""))[:limit]


def _decoded(raw: bytes, charset: str) -> str:
    """As its charset says; else UTF-8 if it is that; else the one that maps every byte."""
    for name in (charset.strip(" \"'"), "utf-8"):
        try:
            return raw.decode(name) if name and name != "unknown-8bit" else raw.decode()
        except (LookupError, UnicodeError, ValueError):
            continue
    try:
        return raw.decode(charset.strip(" \"'") or "cp1252", "replace")
    except (LookupError, UnicodeError, ValueError):
        return raw.decode("cp1252", "replace")


def _file_name(part: Message) -> str:
    return plain_header(str(part.get_filename() or ""))[:100]


def _size_of(part: Message) -> str:
    raw = part.get_payload(decode=True)
    return f"{max(1, len(raw if isinstance(raw, bytes) else b'') // 1000)} kB"
