"""What a search of incidents looks through, and how: without case, word by word."""

from __future__ import annotations

import re
from collections.abc import Mapping

from django.db.models import Q

# Of a detail so much is looked through: longer ones are dumps that nobody searches by hand.
SEARCHED_DETAIL = 4000
MOST_WORDS, LONGEST_SEARCH = 6, 100
UNPRINTABLE = re.compile(r"[\0-\x1f\x7f-\x9f\ud800-\udfff]+")
# All that a 64-bit key can hold and a person would type.
NUMBER = re.compile(r"#?([0-9]{1,15})", re.ASCII)


def search_text(title: str, detail: str, labels: Mapping[str, str]) -> str:
    """What is stored beside an incident to be searched; a label is found as `host=db-1` too."""
    pairs = " ".join(f"{name}={value}" for name, value in labels.items())
    return f"{title}\n{pairs}\n{detail[:SEARCHED_DETAIL]}".casefold()


def tidy(text: str) -> str:
    """A typed search on one line, and no longer than anything stored under it."""
    return " ".join(UNPRINTABLE.sub(" ", text).split())[:LONGEST_SEARCH].strip()


def matching(text: str) -> Q:
    """For incidents: every word is in the title, a label or the detail, or it is the number."""
    wanted = Q()
    for word in text.split()[:MOST_WORDS]:
        wanted &= Q(search_text__contains=word.casefold())
    if number := NUMBER.fullmatch(text):
        wanted |= Q(pk=int(number[1]))
    return wanted
