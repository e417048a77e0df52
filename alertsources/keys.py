"""The keys of alert sources: made at random, shown once, stored as a hash."""

from __future__ import annotations

import hashlib
import re
import secrets
import string
from datetime import datetime, timedelta

from alertsources.models import AlertSource

# Some clients insist on exactly 32 characters of these.
ALPHABET = string.ascii_lowercase + string.digits
LENGTH = 32
LIKE_A_KEY = re.compile(rf"[a-z0-9]{{{LENGTH}}}")
OVERLAP = timedelta(hours=24)


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
    old = source.key_hash
    key = set_key(source)
    source.old_key_hash, source.old_key_until = (old, now + overlap) if overlap else (None, None)
    source.save(update_fields=["key_hash", "key_hint", "old_key_hash", "old_key_until"])
    return key
