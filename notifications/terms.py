"""The words that the facts of a message come in, as its reader's language has them; pure."""

from __future__ import annotations

from datetime import datetime

from django.utils.dateformat import format as format_date
from django.utils.translation import gettext, gettext_noop

# Severities, and what became of an incident.
KNOWN = frozenset(
    {
        *(gettext_noop("critical"), gettext_noop("high"), gettext_noop("warning")),
        *(gettext_noop("info"), gettext_noop("opened"), gettext_noop("reopened")),
        *(gettext_noop("escalated"), gettext_noop("released"), gettext_noop("acknowledged")),
        gettext_noop("resolved"),
    }
)
LEVELS = {
    "critical": gettext_noop("CRIT"),
    "high": gettext_noop("HIGH"),
    "warning": gettext_noop("WARN"),
    "info": gettext_noop("INFO"),
}
OTHER_LEVEL = gettext_noop("ALERT")


def term(word: str) -> str:
    """The word itself where it is none of ours, such as a severity that is long gone."""
    return gettext(word) if word in KNOWN else word


def level(severity: str, otherwise: str = OTHER_LEVEL) -> str:
    """`CRIT`: what a text message has room for."""
    short = LEVELS.get(severity, otherwise)
    return gettext(short) if short else ""


def length(seconds: int) -> str:
    """`12 min`, `3 h 5 min`, `2 d 4 h`."""
    minutes = max(0, seconds) // 60
    days, hours, minutes = minutes // 1440, minutes % 1440 // 60, minutes % 60
    parts = {"days": days, "hours": hours, "minutes": minutes}
    if days:
        return gettext("%(days)s d %(hours)s h") % parts
    if hours:
        return gettext("%(hours)s h %(minutes)s min") % parts
    return gettext("%(minutes)s min") % parts


def day(moment: datetime) -> str:
    """`30 Nov`."""
    return format_date(moment, "j M")


def weekday(moment: datetime) -> str:
    """`Mon 30 Nov`."""
    return format_date(moment, "D j M")
