"""Mails as monitors, people and mail servers write them."""

from __future__ import annotations

from zlib import crc32

from alertsources.tests.bodies import KEY

TO = f"shop+{KEY}@pager.example.org"
UNREADABLE_MIME = b"Content-Type: multipart/mixed; boundary=b\r\n\r\n" + b"".join(
    b"--b%d\r\nContent-Type: multipart/mixed; boundary=b%d\r\n\r\n" % (n, n + 1)
    for n in range(3000)
)


def mail(subject: str = "Disk full on db1", text: str = "97 % used.\n", **headers: str) -> bytes:
    """A plain mail; names of further headers have `_` for `-`, an empty value leaves one out."""
    values = {
        "From": "Monitor <monitor@example.com>",
        "To": TO,
        "Subject": subject,
        "Date": "Mon, 23 Nov 2026 12:00:00 +0000",
        "Message-ID": f"<{crc32(repr((subject, text, headers)).encode())}@example.com>",
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    head = "".join(f"{name}: {value}\r\n" for name, value in values.items() if value)
    return f"{head}\r\n{text}".replace("\r\n", "\n").replace("\n", "\r\n").encode()


def with_parts(*parts: tuple[str, str], subject: str = "Disk full on db1", kind: str = "") -> bytes:
    """A multipart mail; each part is its headers and its body."""
    body = "".join(f"--frontier\n{head}\n\n{content}\n" for head, content in parts)
    what = f'{kind or "multipart/mixed"}; boundary="frontier"'
    return mail(subject, f"{body}--frontier--\n", MIME_Version="1.0", Content_Type=what)
