"""Puts what was due together for one address into one message, with one answer for all of it."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from django.core import signing
from django.db.models import Q
from django.urls import reverse
from django.utils.translation import gettext

from notifications import terms, wording
from notifications.channels.base import Message
from notifications.channels.texts import clip, one_line
from notifications.events import url_of
from notifications.models import TAKEN, Bundle, Notification, Urgency
from notifications.signals import still_wanted

log = logging.getLogger(__name__)
Purpose = Notification.Purpose

# By name in the body, and in the title.
MOST_LISTED = 10
MOST_NAMED = 2
MOST_NAME = 60
SEEN_BY_OTHERS = frozenset({"ntfy", "sms", "whatsapp"})
_signer = signing.Signer(salt="notifications.bundles", sep=".")


def token_for(bundle: Bundle) -> str:
    """Lets its holder answer what this message said, and nothing else."""
    return _signer.sign(str(bundle.pk))


def read_token(token: str) -> Bundle | None:
    """The message that this token came with; None when it is none of ours."""
    try:
        pk = int(_signer.unsign(token))
    except (signing.BadSignature, ValueError):
        return None
    found = Bundle.objects.select_related("lead__user").filter(pk=pk).first()
    return found if found and found.lead.user_id else None


def render(lead: Notification, members: Sequence[Notification]) -> Message:
    """One message for all of them. Facts that make no sense are left out."""
    bundle = lead.bundles.order_by("pk").last()
    assert bundle is not None  # noqa: S101  written with the claim of the members
    rows = sorted([lead, *members], key=lambda row: (row.rank, -row.pk))
    answers = any(row.context.get("answer_path") for row in rows) and lead.user_id
    answer_url = url_of(reverse("answer_all", args=[token_for(bundle)])) if answers else ""
    return say(rows, bundle.key, answer_url)


def say(rows: Sequence[Notification], key: str, answer_url: str) -> Message:
    """The message for these rows, the worst first; asks the database nothing."""
    lead = rows[0]
    urgent = any(row.context.get("urgency") == Urgency.HIGH for row in rows)
    values = _values(rows) | {"answer_url": answer_url}
    words = wording.say(lead.channel, "bundle", values)
    label = gettext("Acknowledge all %(n)s") % {"n": len(rows)}
    open_url = url_of(reverse("incidents:list"))
    return Message(
        key=key,
        thread=key,
        title=words.title,
        body="\n".join(words.lines),
        priority=5 if urgent else 3,
        tags=("rotating_light",) if urgent else ("warning",),
        open_url=open_url,
        answer_url=answer_url,
        answer_label=label,
        html=_html(lead, words, urgent, answer_url, label, open_url),
        sms=_sms(lead, rows, values),
    )


def _values(rows: Sequence[Notification]) -> dict[str, Any]:
    """What the templates say: how many, which by name, and what becomes of the rest."""
    counts = Counter(_severity(row) for row in rows)
    names = [_name(row) for row in rows]
    return {
        "count": len(rows),
        "purpose": str(rows[0].purpose),
        "counted": ", ".join(f"{number} {word}".strip() for word, number in counts.items()),
        "named": ", ".join(names[:MOST_NAMED]),
        "unnamed": len(rows) - MOST_NAMED if len(rows) > MOST_NAMED else 0,
        "listed": [f"{_severity(row)}: {_name(row)}" for row in rows[:MOST_LISTED]],
        "unlisted": max(0, len(rows) - MOST_LISTED),
        "repeat": all(row.context.get("repeat") for row in rows),
        # Whoever reads replies reads this one too.
        "reply": "all" if any(row.context.get("reply") for row in rows) else "",
    }


def _name(row: Notification) -> str:
    facts = row.context
    number = f"#{facts['number']} " if facts.get("number") else ""
    if facts.get("discreet") and row.channel in SEEN_BY_OTHERS:
        return f"{number}{_severity(row)}".strip()
    return f"{number}{clip(one_line(str(facts.get('title') or '')), MOST_NAME)}".strip()


def _severity(row: Notification) -> str:
    return terms.term(one_line(str(row.context.get("severity") or "")))


def _sms(lead: Notification, rows: Sequence[Notification], values: dict[str, Any]) -> str:
    if lead.channel not in wording.SHORT:
        return ""
    named = [_short_name(row) for row in rows]
    return wording.say_short(lead.channel, "bundle", values, ", ".join(named[:MOST_NAMED]))


def _short_name(row: Notification) -> str:
    level = terms.level(str(row.context.get("severity")), "")
    number, _, title = _name(row).partition(" ")
    is_hidden = row.context.get("discreet") or not row.context.get("number")
    return _name(row) if is_hidden else f"{number} {level} {clip(title, MOST_NAME // 2)}"


def _html(
    lead: Notification,
    words: wording.Words,
    urgent: bool,
    answer_url: str,
    label: str,
    open_url: str,
) -> str:
    if lead.channel != "email":
        return ""
    values = {"title": words.title, "lines": words.lines, "urgent": urgent}
    links = {"answer_url": answer_url, "answer_label": label, "open_url": open_url}
    return wording.as_html("bundle", values | links)


def to_clear(taken: Iterable[Notification], thread: str) -> Iterator[tuple[Notification, str]]:
    """Which messages may go from the phones now that this thread is over, each by its key.

    One that says more goes when nothing of it waits for an answer any more.
    """
    for row in taken:
        rows = _together(row)
        if len(rows) == 1:
            yield row, row.key
        elif not any(one.thread != thread and _is_wanted(one) for one in reversed(rows)):
            lead = next(one for one in rows if one.lead_id is None)
            bundle = lead.bundles.order_by("pk").last()
            if bundle is not None:
                yield row, bundle.key


def _together(row: Notification) -> list[Notification]:
    """What went out in the same message, this row included."""
    lead = row.lead_id or row.pk
    rows = Notification.objects.filter(Q(pk=lead) | Q(lead=lead), state__in=TAKEN)
    return list(rows.order_by("pk")) or [row]


def _is_wanted(row: Notification) -> bool:
    answers: list[tuple[Any, Any]] = still_wanted.send(sender=Notification, notification=row)
    return all(answer is not False for _, answer in answers)
