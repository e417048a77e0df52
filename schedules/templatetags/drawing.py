"""Draws a calendar's shifts: as bars of a week and as lines of the agenda.

In Python, and escaped once for both, because a page holds hundreds of them: a template, or
`format_html` for each, takes several times as long.
"""

from __future__ import annotations

from functools import cache

from django import template
from django.utils.html import escape
from django.utils.safestring import SafeString

from schedules.calendar import Drawn, Line, Stretch

register = template.Library()


@register.simple_tag
def bars(line: Line) -> SafeString:
    """The shifts of one rotation in one week."""
    drawn = (
        _bar(bool(bar.drawn.link), bool(bar.drawn.note), bool(bar.begins)).format(
            column=bar.column, width=bar.width, begins=bar.begins, **_printed(bar.drawn)
        )
        for bar in line.bars
    )
    return SafeString("\n".join(drawn))


@register.simple_tag
def lines(part: Stretch, with_rotation: bool, with_team: bool) -> SafeString:
    """A part of the agenda, with whatever of the rotation's name the page does not say above."""
    drawn = (
        _line(bool(item.drawn.link), bool(item.drawn.theirs), with_rotation, with_team).format(
            length=item.length, **_printed(item.drawn)
        )
        for item in part.items
    )
    return SafeString("\n".join(drawn))


def _printed(one: Drawn) -> dict[str, str]:
    """All that is printed of a shift, safe to stand in a page."""
    if not one.printed:
        rotation = one.shift.rotation
        one.printed.update(
            look=one.look,
            link=escape(one.link),
            name=escape(one.name),
            note=escape(one.note),
            rotation=escape(rotation.name),
            team=escape(rotation.team),
            iso=one.starts.isoformat(timespec="minutes"),
            day=one.day,
            clock=one.clock,
            theirs=one.theirs,
        )
    return one.printed


@cache
def _bar(has_link: bool, has_note: bool, has_begins: bool) -> str:
    note = " <span>{note}</span>" if has_note else ""
    begins = ' <time datetime="{iso}">{begins}</time>' if has_begins else ""
    inner = f"<b><bdi>{{name}}</bdi></b>{note}{begins}"
    return f'<li class="c{{column}} w{{width}}">{_framed(inner, has_link)}</li>'


@cache
def _line(has_link: bool, has_theirs: bool, with_rotation: bool, with_team: bool) -> str:
    more = ["<bdi>{team}</bdi>"] * with_team + ["<bdi>{rotation}</bdi>"] * with_rotation
    more += ["{theirs} there"] * has_theirs
    who = "<b><bdi>{name}</bdi></b> {note}"
    small = f" <small>{', '.join(more)}</small>" if more else ""
    begins = '<time datetime="{iso}">{day}, {clock}</time>'
    inner = f"{begins} <span>{who}{small}</span> <span>{{length}}</span>"
    return f"<li>{_framed(inner, has_link)}</li>"


def _framed(inner: str, has_link: bool) -> str:
    if has_link:
        return f'<a class="shift {{look}}" href="{{link}}">{inner}</a>'
    return f'<span class="shift {{look}}">{inner}</span>'
