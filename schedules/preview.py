"""What the admin shows of a rotation: who is on call, who follows, and the next 90 days."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from datetime import datetime, timedelta
from zoneinfo import ZoneInfo

from django.contrib import admin
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from schedules import oncall
from schedules.models import Rotation

LENGTH = timedelta(days=90)
NOBODY = format_html('<strong class="gap">{}</strong>', "nobody")


def now_and_next(rotation: Rotation, now: datetime) -> SafeString:
    """ "alice until Mon 30 Nov 2026 09:00, then bob", in the rotation's zone."""
    person = oncall.who_is_on_call(rotation, now) or NOBODY
    follows = oncall.next_on_call(rotation, now)
    if follows is None:
        return format_html("{}", person)
    moment, successor = follows
    until = _local(moment, rotation)
    return format_html("{} until {}, then {}", person, until, successor or NOBODY)


def table(rotation: Rotation, now: datetime) -> SafeString:
    """The shifts of the next 90 days in the rotation's zone; where nobody is, in class "gap"."""
    rows = format_html_join(
        "",
        '<tr class="{}"><td>{}</td><td>{}</td><td>{}</td><td>{}</td></tr>',
        (
            (
                "" if person else "gap",
                _local(shift.starts_at, rotation),
                _local(shift.ends_at, rotation),
                person or NOBODY,
                "override" if shift.is_cover else "",
            )
            for shift, person in oncall.planned(rotation, now, now + LENGTH)
        ),
    )
    if not rows:
        return format_html("{}", "Nobody: this rotation is switched off.")
    head = format_html(
        "<thead><tr><th>From</th><th>Until</th><th>On call</th><th>{}</th></tr></thead>",
        rotation.time_zone,
    )
    return format_html('<table class="shifts">{}<tbody>{}</tbody></table>', head, rows)


def people_now(rotations: Iterable[Rotation], now: datetime) -> list[tuple[Rotation, object]]:
    """Each rotation with whoever is on call in it, ready to be shown."""
    listed = list(rotations)
    found = oncall.people_on_call([rotation.pk for rotation in listed], now)
    return [(rotation, found[rotation.pk] or NOBODY) for rotation in listed]


def on_call_column(now: datetime) -> Callable[[Rotation], object]:
    """A column for one request's list, which asks for all rotations at once."""

    @functools.cache
    def people() -> dict[int, object]:
        active = Rotation.objects.filter(is_active=True)
        return {rotation.pk: person for rotation, person in people_now(active, now)}

    @admin.display(description="on call now")
    def on_call_now(rotation: Rotation) -> object:
        return people().get(rotation.pk, NOBODY)

    return on_call_now


def _local(moment: datetime, rotation: Rotation) -> str:
    return f"{moment.astimezone(ZoneInfo(rotation.time_zone)):%a %d %b %Y %H:%M}"
