"""Signatures by a shared secret: HMAC-SHA256 over the bytes as they came."""

from __future__ import annotations

import hashlib
import hmac
from datetime import timedelta

from django.utils import timezone

from alertsources.sources.base import BadSignature

# How old a signed time may be, and how far ahead the sender's clock may be.
FRESH_FOR = timedelta(minutes=5)


def missing(header: str) -> BadSignature:
    return BadSignature(f"This source takes signed messages only; the header {header} is missing.")


def check_hmac(secret: str, signed: bytes, given: str, *, name: str) -> None:
    """Raise BadSignature unless `given`, from the header `name`, is what the secret makes of it."""
    given = given.strip().lower()
    if not given:
        raise missing(name)
    expected = hmac.new(secret.encode(), signed, hashlib.sha256).hexdigest()
    if not hmac.compare_digest(given.encode("utf-8", "replace"), expected.encode()):
        raise BadSignature(f"The signature in {name} is wrong; compare the secret on both sides.")


def check_fresh(timestamp: str) -> None:
    """Raise BadSignature unless these Unix seconds are about now: else it may be a replay."""
    try:
        age = timezone.now().timestamp() - float(timestamp)
    except ValueError:
        raise BadSignature("The signed time is no number of seconds.") from None
    if not abs(age) <= FRESH_FOR.total_seconds():
        raise BadSignature("The signed time is more than 5 minutes from now; check both clocks.")
