"""Puts the facts of a notification into words; pure, from what its writer stored in `context`."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from django.conf import settings
from django.template.loader import render_to_string

from notifications import duty_words, trial_words
from notifications.channels.base import Message
from notifications.channels.texts import clean, clip, one_line
from notifications.models import Notification, Urgency

log = logging.getLogger(__name__)
Purpose = Notification.Purpose

MOST_DETAIL = 300  # bytes, in the short text; the mail's HTML shows more
MOST_TITLE = 160
UNKNOWN = "Something needs you"
EMAIL = "notifications/email.html"


def render(notification: Notification) -> Message:
    """The message to send. Facts that make no sense are left out rather than keep it from going."""
    try:
        return _render(notification)
    except Exception:
        log.exception("notification %s could not be put into words", notification.pk)
        return _bare(notification)


def _render(notification: Notification) -> Message:
    facts: Mapping[str, Any] = notification.context
    if clears := facts.get("clears"):
        return _message(notification, title="answered", body="", clears=str(clears))
    words = duty_words.words(notification, facts) or trial_words.words(notification, facts)
    if words:
        return _quiet(notification, words, _url(facts.get("open_path")))
    lines = _lines(notification, facts)
    urgent = facts.get("urgency") == Urgency.HIGH
    open_url, answer_url = _url(facts.get("open_path")), _answer_url(notification, facts)
    html = render_to_string(
        EMAIL,
        {
            "title": _title(facts),
            "lines": lines,
            "detail": clip(clean(str(facts.get("detail") or "")), 2000),
            "links": _links(facts),
            "open_url": open_url,
            "answer_url": answer_url,
            "urgent": urgent,
        },
    )
    return _message(
        notification,
        title=_title(facts),
        body="\n".join(_with_detail(lines, facts)),
        subject=_subject(facts),
        priority=5 if urgent else 3,
        tags=("rotating_light",) if urgent else ("warning",),
        open_url=open_url,
        answer_url=answer_url,
        html=html,
        headers=_headers(facts),
    )


def _quiet(notification: Notification, words: duty_words.Words, open_url: str) -> Message:
    """What wakes nobody and asks for no answer."""
    facts = {"title": words.title, "lines": words.lines, "open_url": open_url}
    return _message(
        notification,
        title=words.title,
        body="\n".join(words.lines),
        tags=("calendar",),
        open_url=open_url,
        html=render_to_string(EMAIL, facts),
    )


def _message(notification: Notification, *, title: str, body: str, **rest: Any) -> Message:
    return Message(key=notification.key, thread=notification.thread, title=title, body=body, **rest)


def _title(facts: Mapping[str, Any]) -> str:
    """`[critical] Disk full on db-6 (#412)`: how bad, what, and which one."""
    severity = one_line(str(facts.get("severity") or ""))
    parts = ["TEST" if facts.get("is_test") else "", f"[{severity}]" if severity else ""]
    return " ".join(part for part in [*parts, _what(facts)] if part)


def _subject(facts: Mapping[str, Any]) -> str:
    """Mail readers thread by it, so it leaves out what may change while the incident lives."""
    return f"TEST {_what(facts)}" if facts.get("is_test") else _what(facts)


def _what(facts: Mapping[str, Any]) -> str:
    what = clip(one_line(str(facts.get("title") or "")) or UNKNOWN, MOST_TITLE)
    return f"{what} (#{facts['number']})" if facts.get("number") else what


def _lines(notification: Notification, facts: Mapping[str, Any]) -> list[str]:
    """Two or three short lines for somebody who was asleep a moment ago."""
    lines = [
        one_line(str(facts.get("news") or "")),
        _lead(notification, facts),
        _since(notification, facts),
        _origin(facts),
        _next(notification, facts),
    ]
    return [line for line in lines if line]


def _lead(notification: Notification, facts: Mapping[str, Any]) -> str:
    if facts.get("is_test"):
        return "This is a test: nothing is wrong."
    if notification.purpose == Purpose.ASK_OWNER:
        return "Still yours? Without an answer the others are paged again."
    return "Nobody has answered yet." if facts.get("repeat") else ""


def _since(notification: Notification, facts: Mapping[str, Any]) -> str:
    opened = _moment(notification, facts.get("opened_at"))
    if opened is None:
        return ""
    count = facts.get("alerts")
    alerts = f", {count} alerts" if isinstance(count, int) and count > 1 else ""
    return f"Since {_clock(notification, opened)} {opened:%Z}{alerts}."


def _origin(facts: Mapping[str, Any]) -> str:
    team, source = (one_line(str(facts.get(name) or "")) for name in ("team", "source"))
    if team and source:
        return f"{team}, from {source}."
    return f"{team or source}." if team or source else ""


def _next(notification: Notification, facts: Mapping[str, Any]) -> str:
    coming = facts.get("next")
    if not isinstance(coming, Mapping) or not coming.get("who"):
        return ""
    at = _moment(notification, coming.get("at"))
    who = one_line(str(coming["who"]))
    return f"Next: {who} at {_clock(notification, at)}" if at else f"Next: {who}"


def _with_detail(lines: list[str], facts: Mapping[str, Any]) -> list[str]:
    detail = clip(one_line(str(facts.get("detail") or "")), MOST_DETAIL)
    return [*lines, detail] if detail else lines


def _moment(notification: Notification, iso: Any) -> datetime | None:
    """The moment in the recipient's zone; None when it is none."""
    try:
        moment = datetime.fromisoformat(str(iso))
        return moment.astimezone(ZoneInfo(notification.zone)) if moment.tzinfo else None
    except (ValueError, KeyError, OSError, OverflowError):
        return None


def _clock(notification: Notification, moment: datetime) -> str:
    """`03:12`, with the day when it is not the day on which the message was due."""
    same_day = notification.due_at.astimezone(moment.tzinfo).date() == moment.date()
    return f"{moment:%H:%M}" if same_day else f"{moment.day} {moment:%b %H:%M}"


def _answer_url(notification: Notification, facts: Mapping[str, Any]) -> str:
    """None where there is nothing to take: the owner hears news, everybody else a notice."""
    if notification.purpose in {Purpose.GROWTH, Purpose.UPDATE}:
        return ""
    return _url(facts.get("answer_path"))


def _url(path: Any) -> str:
    return f"{settings.PAGERPAL_BASE_URL}{path}" if isinstance(path, str) and path else ""


def _links(facts: Mapping[str, Any]) -> list[dict[str, str]]:
    """The monitor's own links; only web addresses, whatever else it sent."""
    found = []
    for link in facts.get("links") or []:
        url = str(link.get("url") or "") if isinstance(link, Mapping) else ""
        if urlsplit(url).scheme in {"http", "https"}:
            found.append({"url": url, "label": one_line(str(link.get("label") or "")) or url})
    return found[:5]


def _headers(facts: Mapping[str, Any]) -> dict[str, str]:
    """For the mail filters of the recipient."""
    values = {
        "X-PagerPal-Incident": facts.get("number"),
        "X-PagerPal-Severity": facts.get("severity"),
    }
    return {name: one_line(str(value))[:80] for name, value in values.items() if value}


def _bare(notification: Notification) -> Message:
    """What can be said without understanding anything: that there is something, and where."""
    facts = notification.context if isinstance(notification.context, Mapping) else {}
    title = clip(one_line(str(facts.get("title") or "")) or UNKNOWN, MOST_TITLE)
    return _message(
        notification,
        title=title,
        body="PagerPal could not put the details into words. Open it to see them.",
        subject=title,
        priority=3 if notification.is_said_once else 5,
        tags=("calendar",) if notification.is_said_once else ("rotating_light",),
        open_url=_url(facts.get("open_path")) or settings.PAGERPAL_BASE_URL,
        answer_url=_url(facts.get("answer_path")),
    )
