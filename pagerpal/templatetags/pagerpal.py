"""How pages print times, states and little drawings."""

from __future__ import annotations

from datetime import datetime, timedelta
from functools import cache
from typing import Any

from django import template
from django.template.loader import get_template
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

register = template.Library()

MINUTE, HOUR, DAY = 60, 3600, 86400
# Until then a weekday is the coming one.
DAYS_NAMED_ALONE = 7

# A state's word and drawing; "sent" is never drawn like "delivered".
WORDS = {"acknowledged": "acked", "pending": "due", "sending": "being sent"}


def _now(context: template.Context) -> datetime:
    """The moment the view answered for, so that a page never disagrees with itself."""
    now = context.get("now")
    return now if isinstance(now, datetime) else timezone.now()


def clock(moment: datetime, now: datetime) -> str:
    """`03:12` today, `22 Nov 03:12` on another day, in the time zone in force."""
    local, today = timezone.localtime(moment), timezone.localtime(now)
    if local.date() == today.date():
        return f"{local:%H:%M}"
    if local.year == today.year:
        return f"{local.day} {local:%b %H:%M}"
    return f"{local.day} {local:%b %Y %H:%M}"


def distance(moment: datetime, now: datetime) -> str:
    """`4 min ago`, `in 2 h`, `just now`."""
    gap = (now - moment).total_seconds()
    size = abs(gap)
    if size < MINUTE:
        return "just now" if gap >= 0 else "in less than 1 min"
    if size < HOUR:
        text = f"{int(size // MINUTE)} min"
    elif size < DAY:
        text = f"{int(size // HOUR)} h"
    else:
        text = f"{int(size // DAY)} d"
    return f"{text} ago" if gap >= 0 else f"in {text}"


@register.simple_tag(takes_context=True)
def when(context: template.Context, moment: datetime | None) -> str:
    """A clock time; empty for an empty moment."""
    if moment is None:
        return ""
    return format_html('<time datetime="{}">{}</time>', _iso(moment), clock(moment, _now(context)))


@register.simple_tag(takes_context=True)
def when_day(context: template.Context, moment: datetime) -> str:
    """A clock time with its weekday, for what is planned: `Mon 09:00`, `Mon 30 Nov 09:00`."""
    now = _now(context)
    local, today = timezone.localtime(moment), timezone.localtime(now)
    away = (local.date() - today.date()).days
    if away == 0:
        text = f"{local:%H:%M}"
    elif 0 < away < DAYS_NAMED_ALONE:
        text = f"{local:%a %H:%M}"
    else:
        year = "" if local.year == today.year else f" {local.year}"
        text = f"{local:%a} {local.day} {local:%b}{year} {local:%H:%M}"
    return format_html('<time datetime="{}">{}</time>', _iso(moment), text)


@register.simple_tag(takes_context=True)
def since(context: template.Context, moment: datetime | None) -> str:
    """How long ago or ahead; keys.js keeps it true while the page stays open."""
    if moment is None:
        return ""
    return format_html(
        '<time class="since" datetime="{}" data-since>{}</time>',
        _iso(moment),
        distance(moment, _now(context)),
    )


@register.simple_tag
def length(time: timedelta | None) -> str:
    """How long something took: `40 s`, `2 min 40 s`, `1 h 5 min`, `3 d 2 h`; never under zero."""
    if time is None:
        return "-"
    rest = max(round(time.total_seconds()), 0)
    units = ((DAY, "d"), (HOUR, "h"), (MINUTE, "min"), (1, "s"))
    place = next((place for place, (size, _) in enumerate(units) if rest >= size), 3)
    words = []
    for size, word in units[place : place + 2]:
        number, rest = divmod(rest, size)
        if number:
            words.append(f"{number} {word}")
    return " ".join(words) or "0 s"


def _iso(moment: datetime) -> str:
    return timezone.localtime(moment).isoformat(timespec="seconds")


@register.inclusion_tag("partials/_state_tag.html")
def state_tag(state: str) -> dict[str, Any]:
    """A state as word, shape and colour together."""
    return {"state": state, "shape": state, "word": WORDS.get(state, state)}


@register.simple_tag
def icon(name: str) -> SafeString:
    return _drawing(name)


@cache
def _drawing(name: str) -> SafeString:
    drawing: SafeString = get_template(f"partials/icons/{name}.svg").render()  # type: ignore[assignment]
    return drawing


@register.simple_tag
def now_zone() -> str:
    """The zone in force, named once at the foot of a page."""
    return timezone.get_current_timezone_name()
