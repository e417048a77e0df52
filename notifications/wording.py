"""Fills in the template that puts facts into words, for one kind of channel and one purpose.

`templates/notifications/<kind>/<name>.txt`, else `.../default/<name>.txt`: its first line is the
title, the others are the body. Mail has an `.html` beside it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.template import Context, Template, TemplateDoesNotExist
from django.template.loader import get_template

from notifications.channels import gsm
from notifications.channels.texts import clean, one_line

FOLDER = "notifications"
FALLBACK = "page"  # what nobody has written words for is as urgent as a page
HTML = "message"
# Kinds whose words are short ones, beside those that their history shows.
SHORT = frozenset({"sms"})
# Of a title so much is kept before a text message becomes two.
LEAST_TITLE = 30
MOST_PARTS = 4
_PLACE = "\ue000"  # stands for the title, of a range in which nobody has letters


@dataclass(frozen=True)
class Words:
    """One line that says it, and a few more."""

    title: str
    lines: list[str]


def say(kind: str, name: str, facts: Mapping[str, Any]) -> Words:
    """The words for these facts; empty lines are left out."""
    own = () if kind in SHORT else ((kind, name),)
    filled = _fill(_first(*own, ("default", name), ("default", FALLBACK)), facts)
    lines = [line for line in map(one_line, clean(filled).split("\n")) if line]
    return Words(lines[0], lines[1:]) if lines else Words("", [])


def say_short(kind: str, name: str, facts: Mapping[str, Any], title: str) -> str:
    """The words for text messages: in one if that can be, with `title` cut, never what follows it.

    Where there are none for them, the title alone.
    """
    title = gsm.plain(title)
    try:
        template = _first((kind, name))
    except TemplateDoesNotExist:
        return gsm.fit(title, 1)
    filled = one_line(gsm.plain(_fill(template, {**facts, "short": _PLACE})))
    before, place, after = filled.partition(_PLACE)
    if not place:
        return gsm.fit(filled, MOST_PARTS)
    for most in range(1, MOST_PARTS + 1):
        text = gsm.fit(before + title, most, end=after)
        if len(text) - len(before) - len(after) >= min(len(title), LEAST_TITLE):
            break
    return text


def as_html(name: str, facts: Mapping[str, Any]) -> str:
    """The mail; here what stands in a fact is escaped."""
    template = _first(("email", name), ("email", HTML), suffix="html")
    return str(template.render(Context(dict(facts))))


def load() -> None:
    """Compile what pages are made of."""
    for kind, name in (("default", FALLBACK), ("sms", FALLBACK)):
        _first((kind, name))
    _first(("email", HTML), suffix="html")


def _fill(template: Template, facts: Mapping[str, Any]) -> str:
    return str(template.render(Context(dict(facts), autoescape=False)))


def _first(*names: tuple[str, str], suffix: str = "txt") -> Template:
    """The first of these that there is; Django keeps them, and that there is none, in memory."""
    missing = None
    for kind, name in names:
        try:
            found = get_template(f"{FOLDER}/{kind}/{name}.{suffix}")
        except TemplateDoesNotExist as error:
            missing = error
            continue
        template: Template = found.template  # type: ignore[attr-defined]
        return template
    assert missing is not None  # noqa: S101  somebody asked for at least one
    raise missing
