"""The keys of alert sources: made at random, shown once, stored as a hash."""

from __future__ import annotations

import hashlib
import re
import secrets
import string
from datetime import datetime, timedelta

from django.db import transaction

from alertsources.models import AlertSource
from schedules.transactions import repeat_on_conflict

# Some clients insist on exactly 32 characters of these.
ALPHABET = string.ascii_lowercase + string.digits
LENGTH = 32
LIKE_A_KEY = re.compile(rf"[a-z0-9]{{{LENGTH}}}")
OVERLAP = timedelta(hours=24)
OVERLAP_SAID = f"The old key works for another {int(OVERLAP.total_seconds() // 3600)} hours."


def new_key() -> str:
    return "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))


def hashed(key: str) -> str:
    """What is stored and looked up. A key has 165 random bits, so a plain SHA-256 is enough."""
    return hashlib.sha256(key.strip().encode("utf-8", "surrogatepass")).hexdigest()


def set_key(source: AlertSource) -> str:
    """Put a new key on a source that is not saved yet, and return it."""
    key = new_key()
    source.key_hash, source.key_hint = hashed(key), key[-4:]
    return key


def give_key(source: AlertSource, *, now: datetime, overlap: timedelta = OVERLAP) -> str:
    """Replace the source's key and return the new one; the old one works until `overlap` is over.

    A change during a change-over ends the oldest key at once.
    """
    fields = ["key_hash", "key_hint", "old_key_hash", "old_key_until"]

    def attempt() -> str:
        with transaction.atomic():
            locked = AlertSource.objects.select_for_update(no_key=True)
            old = locked.values_list("key_hash", flat=True).get(pk=source.pk)
            key = set_key(source)
            until = (old, now + overlap) if overlap else (None, None)
            source.old_key_hash, source.old_key_until = until
            source.save(update_fields=fields)
        return key

    return repeat_on_conflict(attempt)


def change_key(source: AlertSource, *, seen: str, now: datetime, at_once: bool) -> str | None:
    """`give_key`, unless the key is not the seen one any more; `seen` is its hint.

    So the second of two taps in a hurry does not end the key that senders still use. None: it was
    changed meanwhile. `at_once`: the old key ends now, as it is in wrong hands.
    """
    with transaction.atomic():
        locked = AlertSource.objects.select_for_update(no_key=True).filter(pk=source.pk)
        if not locked.filter(key_hint=seen):
            return None
        return give_key(source, now=now, overlap=timedelta(0) if at_once else OVERLAP)
