"""What a source and this installation have to say about the mails that come."""

from __future__ import annotations

from dataclasses import dataclass
from email.utils import parseaddr
from typing import TYPE_CHECKING

from django.conf import settings

if TYPE_CHECKING:
    from alertsources.models import AlertSource

RECOVERY_WORDS = "recovery_words"
MOST_WORDS, LONGEST_WORD = 50, 80


@dataclass(frozen=True)
class Words:
    """As the parser needs them."""

    recovery: tuple[str, ...] = ()  # in place of the usual ones
    own_address: str = ""  # that our own mails come from


def words_of(source: AlertSource) -> Words:
    named = source.settings.get(RECOVERY_WORDS) if isinstance(source.settings, dict) else None
    words = [str(word).strip()[:LONGEST_WORD] for word in named] if isinstance(named, list) else []
    recovery = tuple(word for word in words if word)[:MOST_WORDS]
    return Words(recovery, parseaddr(settings.SMTP_FROM)[1])
