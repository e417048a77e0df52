"""What a source and this installation have to say about the mails that come."""

from __future__ import annotations

from dataclasses import dataclass
from email.utils import parseaddr
from typing import TYPE_CHECKING, Any

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
    return Words(tuple(recovery_words(source.settings)), parseaddr(settings.SMTP_FROM)[1])


def recovery_words(kept: Any) -> list[str]:
    """Those in the settings of a source, whatever somebody wrote there."""
    named = kept.get(RECOVERY_WORDS) if isinstance(kept, dict) else None
    words = [str(word).strip()[:LONGEST_WORD] for word in named] if isinstance(named, list) else []
    return [word for word in words if word][:MOST_WORDS]
