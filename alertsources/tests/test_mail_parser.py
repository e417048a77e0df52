"""Tests of mails as they come: what is read in them, and which of them are no alerts."""

from __future__ import annotations

import time
from typing import Any

import pytest

from alertsources.mail import hypertext
from alertsources.mail.addresses import keys_in, masked, recipients_of
from alertsources.mail.message import take_apart
from alertsources.mail.parser import alert_in, why_ignored
from alertsources.mail.words import Words
from alertsources.sources.base import FIRING, RESOLVED, ParsedAlert
from alertsources.tests.bodies import KEY
from alertsources.tests.mails import UNREADABLE_MIME, mail, with_parts

PLAIN, HTML = "Content-Type: text/plain; charset=utf-8", "Content-Type: text/html; charset=utf-8"


def read(raw: bytes) -> ParsedAlert:
    return alert_in(take_apart(raw))


NAGIOS = (
    "***** Nagios *****\n\nNotification Type: PROBLEM\n\nService: HTTP\nHost: web1\n"
    "State: CRITICAL\n\nAdditional Info:\n\nCRITICAL - Socket timeout after 10 seconds\n"
)
ZABBIX = (
    "Problem started at 03:12:44 on 2026.11.23\nProblem name: Disk space is low\nHost: db1\n"
    "Severity: Disaster\nOperational data: 97.1 %\nOriginal problem ID: 5512\n"
)
CRON = "pg_dump: error: connection to server failed\n"
ROBOT = "The monitor shop (https://shop.example.com) is currently DOWN (Connection Timeout).\n"


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (
            mail("** PROBLEM Service Alert: web1/HTTP is CRITICAL **", NAGIOS),
            {"status": FIRING, "severity": "critical"},
        ),
        (
            mail("** RECOVERY Service Alert: web1/HTTP is OK **", NAGIOS),
            {"status": RESOLVED},
        ),
        (
            mail("Problem: Disk space is low", ZABBIX, Precedence="bulk"),
            {"severity": "disaster", "title": "Problem: Disk space is low"},
        ),
        (
            mail("Cron <root@db1> backup.sh", CRON, Auto_Submitted="auto-generated"),
            {"title": "Cron <root@db1> backup.sh", "detail": CRON.strip(), "severity": ""},
        ),
        (
            mail("Monitor is DOWN: shop", ROBOT, X_Priority="1 (Highest)"),
            {"severity": "critical", "links": ["https://shop.example.com"]},
        ),
        (
            mail("=?utf-8?q?Platte_auf_db1_zu_97=25_voll_=C3=BC?="),
            {"title": "Platte auf db1 zu 97% voll \xfc"},
        ),
        (
            mail("=?iso-8859-1?Q?Lagerk=FChlung?= =?iso-8859-1?Q?_warm?="),
            {"title": "Lagerk\xfchlung warm"},
        ),
        (
            mail("raw: K\xfchlung").replace("\xfc".encode(), b"\xfc"),
            {"title": "raw: K\xfchlung"},
        ),
        (mail("=?x-unknown?B?RGlzaw==?= full"), {"title": "Disk full"}),
        (mail("=?utf-8?B?!!!?= broken"), {"title": "broken"}),
        (mail("", "First line\nsecond\n"), {"title": "First line"}),
        (mail("", ""), {"title": "Mail from monitor@example.com"}),
        (mail("Re: Fwd: Disk full"), {"title": "Disk full"}),
    ],
)
def test_mails_of_monitors_are_understood(raw: bytes, expected: dict[str, Any]) -> None:
    alert = read(raw)

    found = {name: getattr(alert, name) for name in expected}
    if "links" in found:
        found["links"] = [link.url for link in alert.links]
    assert found == expected


def test_the_plain_text_wins_over_html_and_attachments_are_named() -> None:
    raw = with_parts(
        (HTML, "<p>97 % <b>used</b></p>"),
        (PLAIN, "97 % used"),
        ("Content-Type: image/png; name=graph.png\nContent-Transfer-Encoding: base64", "aGFsbG8="),
        ('Content-Type: text/plain\nContent-Disposition: attachment; filename="log.txt"', "secret"),
    )

    detail = read(raw).detail

    assert detail == "97 % used\n\nAttachments: graph.png (1 kB), log.txt (1 kB)."


def test_html_alone_becomes_text() -> None:
    page = (
        "<html><head><title>no</title><style>p {color: red}</style></head><body>"
        "<!-- no --><script>alert(1)</script><h1>Down</h1><table><tr><td>Host</td><td>db1&nbsp;"
        '&amp; db2</td></tr></table>See <a href="https://runbook.example.com/x">the runbook</a> '
        '<a href="javascript:no()">here</a></body></html>'
    )

    alert = read(with_parts((HTML, page), kind="multipart/alternative"))

    assert alert.detail == (
        "Down\n\nHost db1 & db2\n\nSee the runbook (https://runbook.example.com/x) here"
    )
    assert [link.url for link in alert.links] == ["https://runbook.example.com/x"]


@pytest.mark.parametrize(
    ("encoding", "charset", "body", "text"),
    [
        ("quoted-printable", "utf-8", "97=C2=A0% f=\null =E2=82=AC", "97\xa0% full \u20ac"),
        ("base64", "utf-8", "S8O8aGx1bmc=", "K\xfchlung"),
        ("8bit", "latin-1", "K\xfchlung", "K\xfchlung"),
        ("8bit", "no-such-thing", "K\xfchlung", "K\xfchlung"),
        ("8bit", "hex", "plain", "plain"),
        ("8bit", "us-ascii", "K\xfchlung", "K\xfchlung"),
        ("7bit", "utf-16", "odd", "odd"),
    ],
)
def test_no_charset_costs_the_text(encoding: str, charset: str, body: str, text: str) -> None:
    kind = f"text/plain; charset={charset}"
    raw = mail("Disk", "BODY", Content_Type=kind, Content_Transfer_Encoding=encoding)
    sent = body.encode("latin-1" if charset == "latin-1" else "utf-8")

    assert read(raw.replace(b"BODY", sent)).detail == text


def test_what_cannot_be_taken_apart_keeps_its_subject() -> None:
    raw = b"Subject: Disk full\r\nFrom: a@example.com\r\n" + UNREADABLE_MIME

    alert = read(raw)

    assert alert.title == "Disk full"


@pytest.mark.parametrize(
    "junk", [b"", b"\0" * 100, b"\r\n\r\n", b":\r\n:\r\n\r\nx", b"\xff\xfe\x00"]
)
def test_junk_is_taken_apart_without_a_word(junk: bytes) -> None:
    assert alert_in(take_apart(junk)).status == FIRING


def test_the_thread_is_the_group() -> None:
    first = read(mail(Message_ID="<one@example.com>"))
    second = read(mail(References="<one@example.com> <two@example.com>"))
    third = read(mail(In_Reply_To="<one@example.com>"))
    alone = read(mail(Message_ID=""))

    assert first.group == second.group == third.group == "thread <one@example.com>"
    assert alone.group == ""


def test_the_same_subject_of_two_senders_is_two_problems() -> None:
    one, other = read(mail(From="root@db1.example.com")), read(mail(From="root@db2.example.com"))

    assert one.key != other.key


@pytest.mark.parametrize(
    ("headers", "severity"),
    [
        ({"X_Priority": "2"}, "high"),
        ({"X_Priority": "3"}, ""),
        ({"X_Priority": "5"}, "warning"),
        ({"Importance": "High"}, "high"),
        ({"Importance": "low"}, ""),
    ],
)
def test_priorities_of_mail_programs_are_a_severity(headers: dict[str, str], severity: str) -> None:
    assert read(mail("Disk full", **headers)).severity == severity


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (mail("Re: Disk", Auto_Submitted="auto-replied"), "an automatic reply"),
        (mail("Re: Disk", Auto_Submitted="auto-replied (vacation)"), "an automatic reply"),
        (mail("Out", Precedence="auto_reply"), "an automatic reply"),
        (mail("Out", X_Autoreply="yes"), "an automatic reply"),
        (mail("Automatic reply: Disk", Auto_Submitted="auto-generated"), "an automatic reply"),
        (mail("Undelivered", Return_Path="<>"), "a bounce"),
        (mail("Undelivered", From="Mail System <MAILER-DAEMON@example.com>"), "a bounce"),
        (with_parts((PLAIN, "no such user"), kind="multipart/report"), "a report"),
        (mail("#12 Disk full", X_PagerPal_Incident="12"), "a mail of PagerPal itself"),
        (mail("#12 Disk full", From="Pager <Pager@example.org>"), "a mail of PagerPal itself"),
        (mail("Disk", Auto_Submitted="auto-generated", Precedence="bulk"), ""),
        (mail("Disk", Auto_Submitted="no", X_Autoreply="no"), ""),
        (mail("Automatic reply: Disk"), ""),
        (mail("Disk", Return_Path="<monitor@example.com>"), ""),
    ],
)
def test_answers_bounces_and_our_own_mails_are_no_alerts(raw: bytes, reason: str) -> None:
    found = why_ignored(take_apart(raw), Words(own_address="pager@example.org"))

    assert found.startswith(reason)
    assert bool(found) == bool(reason)


def test_the_return_path_on_top_is_that_of_the_envelope() -> None:
    raw = mail(Return_Path="<>")

    assert why_ignored(take_apart(b"Return-Path: <monitor@example.com>\r\n" + raw)) == ""


# --- Addresses -----------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "address",
    [f"shop+{KEY}@a.org", f"{KEY}@a.org", f"shop-{KEY}@a.org", f"SHOP+{KEY.upper()}@A.ORG"],
)
def test_the_key_is_found_in_the_address(address: str) -> None:
    assert KEY in keys_in([address])


@pytest.mark.parametrize("address", ["shop@a.org", "shop+short@a.org", "@", "", "a+b"])
def test_an_address_without_a_key_names_nothing(address: str) -> None:
    assert keys_in([address]) == []


def test_recipients_are_found_wherever_a_mail_server_notes_them() -> None:
    raw = (
        b"Received: from x by y with ESMTP id 1\r\n for <Trace@a.org>; Mon, 23 Nov 2026\r\n"
        b"Delivered-To: d@a.org\r\nX-Original-To: x@a.org\r\n"
        b"To: Alerts <t@a.org>, other@a.org\r\n\r\n"
    )

    found = recipients_of(take_apart(raw))

    assert found == ["d@a.org", "x@a.org", "t@a.org", "other@a.org", "trace@a.org"]


def test_keys_are_hidden_in_what_is_kept() -> None:
    raw = mail(Delivered_To=f"shop+{KEY.upper()}@a.org")

    kept = masked(raw, [KEY])

    assert KEY.encode() not in kept.lower()
    assert len(kept) == len(raw)
    assert b"*" * 28 + KEY[-4:].encode() in kept


# --- Time ----------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "piece", ["<", "<a ", "<!--", "<!", "</", "<a href=", "&", "&#x", "<script>", "<p>", '<a "']
)
def test_no_html_takes_long(piece: str) -> None:
    begun = time.monotonic()

    hypertext.text_of(piece * (400_000 // len(piece)))

    assert time.monotonic() - begun < 2


@pytest.mark.parametrize(
    "raw",
    [
        b"Subject: " + b"=?utf-8?q?a?= " * 50_000 + b"\r\n\r\n",
        b"To: " + b"a@b.org, " * 50_000 + b"\r\n\r\n",
        b"To: " + b'"(<' * 50_000 + b"\r\n\r\n",
        b"X: y\r\n" * 100_000 + b"\r\n",
        b"Content-Type: multipart/mixed; boundary=a\r\n\r\n" + b"--a\r\n\r\nx\r\n" * 50_000,
        b"Subject: x\r\n" + UNREADABLE_MIME,
    ],
)
def test_no_mail_takes_long(raw: bytes) -> None:
    begun = time.monotonic()

    parsed = take_apart(raw)
    recipients_of(parsed)
    alert_in(parsed)

    assert time.monotonic() - begun < 5
