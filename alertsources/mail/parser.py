"""From a mail to the alert in it: pure, the same for the SMTP listener and for mailboxes."""

from __future__ import annotations

import re
from collections.abc import Iterable

from alertsources.mail import subject as subjects
from alertsources.mail.message import Mail
from alertsources.mail.words import Words
from alertsources.sources.base import FIRING, RESOLVED, Link, ParsedAlert

NULL_SENDER = "<>"
MOST_LINKS = 3
LINK = re.compile(r"https?://[^\s<>()\[\]\"']{3,1000}")
SEVERITY_LINE = re.compile(
    r"^[ \t>*|-]{0,10}(?:severity|priority|state|level)[ \t]{0,10}[:=][ \t*]{0,10}(\w{1,20})",
    re.IGNORECASE | re.MULTILINE,
)
# What mail programs and scripts mean by a priority; nothing they say there may silence a mail.
X_PRIORITIES = {"1": "critical", "2": "high", "4": "warning", "5": "warning"}
IMPORTANCES = {"high": "high", "urgent": "high"}

AUTO_SUBJECT = re.compile(
    r"(?:automatic reply|auto[- ]?reply|autoreply|out of (?:the )?office|automatische antwort"
    r"|r\xe9ponse automatique|respuesta autom\xe1tica|abwesenheit\w*|vacation)\b",
    re.IGNORECASE,
)
AUTO_REPLY_HEADERS = ("x-autoreply", "x-autorespond", "x-autoresponder", "x-auto-reply")


NOTHING_OF_ITS_OWN = Words()


def alert_in(mail: Mail, words: Words = NOTHING_OF_ITS_OWN) -> ParsedAlert:
    """The alert that the mail tells of. Its key comes from sender and subject, its group from
    the thread; a mail that begins a thread is found by those that follow upon it.
    """
    title = subjects.without_reply(mail.subject) or mail.text.partition("\n")[0].strip()
    problem = subjects.problem_of(title, words.recovery)
    root = mail.thread or mail.message_id
    return ParsedAlert(
        key=f"mail {mail.sender} {problem}",
        status=RESOLVED if subjects.is_over(title, words.recovery) else FIRING,
        title=title or f"Mail from {mail.sender or 'an unknown sender'}",
        group=f"thread {root}" if root else "",
        detail=_detail(mail),
        severity=_severity(mail, title),
        labels={"from": mail.sender} if mail.sender else {},
        links=_links(mail.text),
    )


def why_ignored(mail: Mail, words: Words = NOTHING_OF_ITS_OWN) -> str:
    """Why this mail opens nothing: nobody's alert but an answer, a bounce, our own; else empty."""
    reasons = (_our_own(mail, words), _bounce(mail), _automatic(mail))
    return next((reason for reason in reasons if reason), "")


def _our_own(mail: Mail, words: Words) -> str:
    for name in mail.headers:
        if name.startswith("x-pagerpal-"):
            return "a mail of PagerPal itself (it has X-PagerPal headers)"
    if words.own_address and mail.sender == words.own_address.lower():
        return "a mail of PagerPal itself (it comes from the address in SMTP_FROM)"
    return ""


def _bounce(mail: Mail) -> str:
    # Whoever delivers a mail for good, our own listener too, puts the envelope's sender on top.
    if mail.get("return-path") == NULL_SENDER:
        return "a bounce or an automatic answer (its envelope has no sender)"
    if mail.content_type == "multipart/report":
        return "a report about another mail (multipart/report)"
    if mail.sender.startswith("mailer-daemon@") or mail.get("x-failed-recipients"):
        return "a bounce (it comes from a mail system)"
    return ""


def _automatic(mail: Mail) -> str:
    # Monitors say auto-generated, and bulk: those are alerts.
    auto = mail.get("auto-submitted").lower()
    if auto.startswith("auto-replied"):
        return "an automatic reply (Auto-Submitted)"
    precedence = mail.get("precedence").lower()
    if precedence in {"auto_reply", "auto-reply", "junk"}:
        return "an automatic reply (Precedence)"
    for name in AUTO_REPLY_HEADERS:
        if mail.get(name) and mail.get(name).lower() != "no":
            return "an automatic reply (X-Autoreply)"
    # Exchange marks its absences no better than as generated.
    is_marked = (auto and auto != "no") or mail.get("x-auto-response-suppress")
    if is_marked and AUTO_SUBJECT.match(mail.subject):
        return "an automatic reply (by its subject)"
    return ""


def _severity(mail: Mail, title: str) -> str:
    """The sender's word: of the subject, of a line "Severity: ...", of the priority headers."""
    if word := subjects.severity_in(title):
        return word
    for line in SEVERITY_LINE.finditer(mail.text[:8_000]):
        if word := subjects.severity_in(f"{line[1]}:"):
            return word
    number = mail.get("x-priority")[:1]
    importance = (mail.get("importance") or mail.get("priority")).lower()
    return X_PRIORITIES.get(number, "") or IMPORTANCES.get(importance, "")


def _detail(mail: Mail) -> str:
    parts = [mail.text]
    if mail.attachments:
        parts.append(f"Attachments: {', '.join(mail.attachments)}.")
    if mail.trouble:
        parts.append(f"Of this mail {mail.trouble}.")
    return "\n\n".join(part for part in parts if part)


def _links(text: str) -> tuple[Link, ...]:
    found = (address.rstrip(".,;:!?") for address in LINK.findall(text))
    wanted = (address for address in found if "unsubscribe" not in address.lower())
    return tuple(Link("link", address) for address in _first(wanted, MOST_LINKS))


def _first(values: Iterable[str], most: int) -> list[str]:
    return list(dict.fromkeys(values))[:most]
