"""Puts the facts of a notification into words; pure, from what its writer stored in `context`."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import datetime
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from django.conf import settings
from django.utils.translation import gettext, gettext_noop

from notifications import digests, duty_words, events, reply_words, terms, trial_words, wording
from notifications.channels.base import Message
from notifications.channels.texts import clean, clip, one_line
from notifications.events import url_of
from notifications.models import Notification, Urgency
from notifications.wording import Words

log = logging.getLogger(__name__)
Purpose = Notification.Purpose

MOST_DETAIL = 300  # bytes, in the short text; the mail's HTML shows more
MOST_DETAIL_IN_MAIL = 2000
MOST_TITLE = 160
MOST_NAME = 80
UNKNOWN = gettext_noop("Something needs you")
# What others may read over somebody's shoulder, on a locked screen or in the air.
SEEN_BY_OTHERS = frozenset({"ntfy", "sms", "whatsapp"})
DISCREET = "discreet"
# What has words of its own about an incident; a run of somebody's rules reads like a page.
ABOUT = frozenset({Purpose.PAGE, Purpose.GROWTH, Purpose.ASK_OWNER, Purpose.UPDATE})
TAGS = {
    "opened": "warning",
    "reopened": "warning",
    "escalated": "rotating_light",
    "released": "rotating_light",
    "acknowledged": "eyes",
    "resolved": "white_check_mark",
}


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
        return _message(notification, title=gettext("answered"), body="", clears=str(clears))
    words = duty_words.words(notification, facts) or trial_words.words(notification, facts)
    if words:
        return _quiet(notification, words, tag="calendar")
    if words := reply_words.words(notification, facts):
        return _quiet(notification, words, tag="speech_balloon", sms=reply_words.short(words))
    if facts.get("digest"):
        return _quiet(notification, digests.words(notification, facts), tag="warning")
    values = _values(notification, facts)
    name = str(notification.purpose) if notification.purpose in ABOUT else wording.FALLBACK
    if facts.get("discreet") and notification.channel in SEEN_BY_OTHERS:
        name = DISCREET
    words = wording.say(notification.channel, name, values)
    short = _short(notification, name, values)
    if notification.purpose == Purpose.UPDATE:
        event = str(facts.get("event"))
        return _quiet(notification, words, tag=TAGS.get(event, "warning"), sms=short)
    return _loud(notification, words, values, sms=short)


def _loud(
    notification: Notification, words: Words, values: Mapping[str, Any], **rest: Any
) -> Message:
    """What wants an answer."""
    facts = notification.context
    urgent = facts.get("urgency") == Urgency.HIGH
    return _message(
        notification,
        title=words.title,
        body="\n".join(words.lines),
        subject=_subject(facts),
        priority=5 if urgent else 3,
        tags=("rotating_light",) if urgent else ("warning",),
        open_url=url_of(facts.get("open_path")),
        answer_url=values["answer_url"],
        html=_html(notification, words, values["answer_url"]),
        headers=_headers(facts),
        **events.for_programs(notification, words),
        **rest,
    )


def _quiet(notification: Notification, words: Words, *, tag: str, **rest: Any) -> Message:
    """What wakes nobody and asks for no answer."""
    facts = notification.context
    return _message(
        notification,
        title=words.title,
        body="\n".join(words.lines),
        subject=_subject(facts) if facts.get("number") else "",
        priority=2 if notification.purpose == Purpose.UPDATE else 3,
        tags=(tag,),
        open_url=url_of(facts.get("open_path")),
        html=_html(notification, words, ""),
        headers=_headers(facts),
        **events.for_programs(notification, words),
        **rest,
    )


def _message(notification: Notification, *, title: str, body: str, **rest: Any) -> Message:
    return Message(key=notification.key, thread=notification.thread, title=title, body=body, **rest)


def _values(notification: Notification, facts: Mapping[str, Any]) -> dict[str, Any]:
    """What the templates of incidents may say: texts on one line, times by the reader's clock."""
    coming = facts.get("next")
    coming = coming if isinstance(coming, Mapping) else {}
    count = facts.get("alerts")
    number = facts.get("number")
    return {
        "number": str(number) if number else "",
        "what": _what(facts),
        "severity": terms.term(_name(facts, "severity")),
        "level": terms.level(_name(facts, "severity")),
        "event": _name(facts, "event"),
        "event_said": terms.term(_name(facts, "event")),
        "who": _name(facts, "who"),
        "step": _capital(_name(facts, "step")),
        "after": _length(facts),
        "news": clip(one_line(str(facts.get("news") or "")), MOST_DETAIL),
        "since": _since(notification, facts),
        "alerts": str(count) if isinstance(count, int) and count > 1 else "",
        "team": _name(facts, "team"),
        "source": _name(facts, "source"),
        "next_who": clip(one_line(str(coming.get("who") or "")), MOST_TITLE),
        "next_at": _clock(notification, _moment(notification, coming.get("at"))),
        "detail": _detail(facts),
        "repeat": bool(facts.get("repeat")),
        "is_test": bool(facts.get("is_test")),
        "answer_url": _answer_url(notification, facts),
        # What to text back, from whoever reads what is texted back.
        "reply": _name(facts, "reply"),
    }


def _short(notification: Notification, name: str, values: Mapping[str, Any]) -> str:
    if notification.channel not in wording.SHORT:
        return ""
    if name == DISCREET:
        return wording.say_short(notification.channel, name, values, "")
    said = one_line(str(notification.context.get("title") or ""))
    title = clip(said or gettext(UNKNOWN), MOST_TITLE)
    return wording.say_short(notification.channel, name, values, title.rstrip("."))


def _html(notification: Notification, words: Words, answer_url: str) -> str:
    """Only for mail: it costs more than all the rest."""
    if notification.channel != "email":
        return ""
    facts = notification.context
    short, detail = _detail(facts), str(facts.get("detail") or "")
    is_discreet = bool(facts.get("discreet"))
    return wording.as_html(
        str(notification.purpose),
        {
            "title": words.title,
            "lines": [line for line in words.lines if line != short],
            "detail": "" if is_discreet else clip(clean(detail), MOST_DETAIL_IN_MAIL),
            "links": [] if is_discreet else _links(facts),
            "open_url": url_of(facts.get("open_path")),
            "answer_url": answer_url,
            "urgent": facts.get("urgency") == Urgency.HIGH,
        },
    )


def _subject(facts: Mapping[str, Any]) -> str:
    """Mail readers thread by it, so it leaves out what may change while the incident lives."""
    if facts.get("discreet"):
        return f"PagerPal #{facts.get('number') or ''}"
    return f"{gettext('TEST')} {_what(facts)}" if facts.get("is_test") else _what(facts)


def _what(facts: Mapping[str, Any]) -> str:
    what = clip(one_line(str(facts.get("title") or "")) or gettext(UNKNOWN), MOST_TITLE)
    return f"{what} (#{facts['number']})" if facts.get("number") else what


def _name(facts: Mapping[str, Any], key: str) -> str:
    return clip(one_line(str(facts.get(key) or "")), MOST_NAME)


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]


def _detail(facts: Mapping[str, Any]) -> str:
    if facts.get("discreet"):
        return ""  # behind the link
    return clip(one_line(str(facts.get("detail") or "")), MOST_DETAIL)


def _since(notification: Notification, facts: Mapping[str, Any]) -> str:
    opened = _moment(notification, facts.get("opened_at"))
    return f"{_clock(notification, opened)} {opened:%Z}" if opened else ""


def _length(facts: Mapping[str, Any]) -> str:
    """How long it was open: `12 min`, `3 h 5 min`, `2 d 4 h`."""
    try:
        return terms.length(int(facts.get("lasted") or 0)) if "lasted" in facts else ""
    except (TypeError, ValueError):
        return ""


def _moment(notification: Notification, iso: Any) -> datetime | None:
    """The moment in the recipient's zone; None when it is none."""
    try:
        moment = datetime.fromisoformat(str(iso))
        return moment.astimezone(ZoneInfo(notification.zone)) if moment.tzinfo else None
    except (ValueError, KeyError, OSError, OverflowError):
        return None


def _clock(notification: Notification, moment: datetime | None) -> str:
    """`03:12`, with the day when it is not the day on which the message was due."""
    if moment is None:
        return ""
    same_day = notification.due_at.astimezone(moment.tzinfo).date() == moment.date()
    return f"{moment:%H:%M}" if same_day else f"{terms.day(moment)} {moment:%H:%M}"


def _answer_url(notification: Notification, facts: Mapping[str, Any]) -> str:
    """None where there is nothing to take: the owner hears news, everybody else a notice."""
    if notification.purpose in {Purpose.GROWTH, Purpose.UPDATE}:
        return ""
    return url_of(facts.get("answer_path"))


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
    shown = "" if facts.get("discreet") else str(facts.get("title") or "")
    title = clip(one_line(shown) or gettext(UNKNOWN), MOST_TITLE)
    return _message(
        notification,
        title=title,
        body=gettext("PagerPal could not put the details into words. Open it to see them."),
        subject=title,
        priority=3 if notification.is_said_once else 5,
        tags=("calendar",) if notification.is_said_once else ("rotating_light",),
        open_url=url_of(facts.get("open_path")) or settings.PAGERPAL_BASE_URL,
        answer_url=url_of(facts.get("answer_path")),
    )
