"""Puts into one message what was too much to say each by itself, counted when it is sent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from django.utils.translation import gettext, ngettext

from notifications import terms, wording
from notifications.channels.texts import clip, one_line
from notifications.models import Notification
from notifications.wording import Words

MOST_LISTED = 5
MOST_NAME = 60
PREFIX = "in:"


def ref_of_members(ref: str) -> str:
    """What the messages that a digest stands for are found by."""
    return f"{PREFIX}{ref}"


def words(notification: Notification, facts: Mapping[str, Any]) -> Words:
    """`Platform: 37 opened, 12 resolved within a minute`, and the first few by name."""
    found = Notification.objects.filter(ref=ref_of_members(str(facts["digest"]))).order_by("pk")
    told = list(found.values_list("context", flat=True))
    return say(notification.channel, one_line(str(facts.get("team") or "")), told)


def say(kind: str, team: str, told: Sequence[Mapping[str, Any]]) -> Words:
    """The words for these events, each given by its facts."""
    counts = Counter(str(one.get("event")) for one in told)
    named = list(dict.fromkeys(_name(one) for one in told if one.get("number")))
    listed = ", ".join(named[:MOST_LISTED])
    if len(named) > MOST_LISTED:
        more = gettext("and %(more)s more") % {"more": len(named) - MOST_LISTED}
        listed = f"{listed} {more}"
    values = {
        "team": clip(team, MOST_NAME) or "PagerPal",
        "counted": ", ".join(_counted(event, number) for event, number in sorted(counts.items())),
        "listed": listed,
    }
    return wording.say(kind, "digest", values)


def _counted(event: str, number: int) -> str:
    texts = {
        "opened": ngettext("%(n)s opened", "%(n)s opened", number),
        "reopened": ngettext("%(n)s opened again", "%(n)s opened again", number),
        "acknowledged": ngettext("%(n)s acknowledged", "%(n)s acknowledged", number),
        "escalated": ngettext("%(n)s escalated", "%(n)s escalated", number),
        "released": ngettext("%(n)s left by who had it", "%(n)s left by who had them", number),
        "resolved": ngettext("%(n)s resolved", "%(n)s resolved", number),
    }
    return texts.get(event, f"%(n)s {event}") % {"n": number}


def _name(facts: Mapping[str, Any]) -> str:
    if facts.get("discreet"):
        return f"#{facts['number']} {terms.term(str(facts.get('severity') or ''))}".strip()
    return f"#{facts['number']} {clip(one_line(str(facts.get('title') or '')), MOST_NAME)}".strip()
