"""Tokens of people for programs: made at random, shown once, stored as a hash."""

from __future__ import annotations

import hashlib
import secrets
import string
from datetime import datetime, timedelta
from typing import Any

from django.db.models import Q, QuerySet

from pagerpal.models import ApiToken
from schedules.models import User

# Programs that look for leaked secrets know them by it; and nothing else is taken for one.
PREFIX = "pp_"
ALPHABET = string.ascii_letters + string.digits
LENGTH = 40
MOST = 20
LONGEST_DAYS = 366
DAYS = 90
# Written down no more often, so that reading stays reading.
USED_EVERY = timedelta(minutes=1)


class Refused(Exception):
    """It cannot be made; `message` is one sentence for whoever asked."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


def make(
    user: User, name: str, *, scope: str, days: int = DAYS, now: datetime
) -> tuple[ApiToken, str]:
    """The token's row, and the token itself, which nobody sees again."""
    if not name.strip():
        raise Refused("Say in a word what it is for.")
    if scope not in ApiToken.Scope.values:
        raise Refused("A token reads, or reads and writes.")
    if not 1 <= days <= LONGEST_DAYS:
        raise Refused(f"A token lasts from 1 to {LONGEST_DAYS} days.")
    ApiToken.objects.filter(user=user, expires_at__lt=now - timedelta(days=30)).delete()
    if ApiToken.objects.filter(user=user).count() >= MOST:
        raise Refused(f"{MOST} tokens are enough: revoke one first.")
    text = PREFIX + "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))
    token = ApiToken.objects.create(
        user=user,
        name=name.strip()[:80],
        token_hash=hashed(text),
        hint=text[-4:],
        scope=scope,
        created_at=now,
        expires_at=now + timedelta(days=days),
    )
    return token, text


def find(text: str) -> ApiToken | None:
    """The token, expired or not, of somebody who is on."""
    found = ApiToken.objects.filter(token_hash=hashed(text), user__is_active=True)
    return found.first()


def used(token: ApiToken, *, now: datetime) -> None:
    """Write down that it was used, unless that was done a moment ago."""
    if token.last_used_at and token.last_used_at > now - USED_EVERY:
        return
    stale = Q(last_used_at=None) | Q(last_used_at__lte=now - USED_EVERY)
    ApiToken.objects.filter(stale, pk=token.pk).update(last_used_at=now)


def of(user: User) -> QuerySet[ApiToken]:
    return ApiToken.objects.filter(user=user)


def revoke(user: User, pk: int) -> bool:
    """Ends it at once. False: it was no token of theirs, or none any more."""
    ended, _ = ApiToken.objects.filter(user=user, pk=pk).delete()
    return bool(ended)


def ended(sender: Any, user: User, team: Any, **kwargs: Any) -> None:
    """Somebody was switched off, which no token outlives, should they come back."""
    if team is None:
        ApiToken.objects.filter(user=user).delete()


def hashed(text: str) -> str:
    """A token has 238 random bits, so a plain SHA-256 is enough."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
