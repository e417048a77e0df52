"""Carries a new key to the one page that shows it, in the reader's own cookie: it is not stored."""

from __future__ import annotations

from collections.abc import Iterable

from django.contrib import messages
from django.contrib.messages.storage.base import Message
from django.http import HttpRequest

from alertsources.models import AlertSource

# On a key that was shown already, for pages that show none to leave it out.
KEPT = "kept"


def show_once(request: HttpRequest, source: AlertSource, key: str) -> None:
    """Say the new key on the next page that this person sees, and nowhere else."""
    text = f"The key of {source.name} is shown only now: {key}"
    messages.warning(request, text, extra_tags=_tag(source))


def keep(request: HttpRequest, source: AlertSource, key: str) -> None:
    """Once more, should the same page come next; any other takes it away unsaid.

    To be called when the page is made, as what is said before that is of the page itself.
    """
    text = f"The key of {source.name}: {key}"
    messages.warning(request, text, extra_tags=f"{_tag(source)} {KEPT}")


def shown_once(said: Iterable[Message], source: AlertSource) -> str:
    """The new key of this source among what is said on this page, if there is one."""
    found = [str(one.message) for one in said if (one.extra_tags or "").startswith(_tag(source))]
    return found[-1].rpartition(" ")[2] if found else ""


def _tag(source: AlertSource) -> str:
    return f"new-key new-key-{source.pk}."
