"""How often somebody may try: counted in the database, for all processes alike.

A try is taken before it is looked at, so that no number of them at once gets past the limit.
Counts end with their window: nobody is locked out for good, and a browser in which the right
person was signed in before has a count of its own, which strangers cannot use up.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db import IntegrityError, transaction
from django.db.models import F, QuerySet

from pagerpal.models import TryCount

KEPT = timedelta(days=1)


@dataclass(frozen=True)
class Limit:
    """So many tries in so long, for each key of this kind."""

    kind: str
    most: int
    within: timedelta


QUARTER = timedelta(minutes=15)
PER_ADDRESS = Limit("address", 100, QUARTER)
PER_ACCOUNT = Limit("account", 10, QUARTER)
PER_BROWSER = Limit("browser", 10, QUARTER)
PER_CODE = Limit("code", 10, QUARTER)
MAILS_PER_ADDRESS = Limit("mails-address", 20, timedelta(hours=1))
MAILS_PER_ACCOUNT = Limit("mails-account", 3, timedelta(hours=1))


def take(limit: Limit, key: str, *, now: datetime) -> bool:
    """Take one try; False when there is none left in this window."""
    rows = TryCount.objects.filter(key_hash=hashed(limit, key))
    found = rows.values_list("tries", "began_at").first()
    if found is None:
        return _begun(limit, key, now) or bool(_counted(rows, limit, now))
    tries, began_at = found
    # Whoever guesses ten thousand times costs a look at one row each, and writes nothing.
    if tries >= limit.most and began_at > now - limit.within:
        return False
    return bool(_counted(rows, limit, now))


def give_back(limit: Limit, key: str) -> None:
    """The try was right: it shall not count."""
    rows = TryCount.objects.filter(key_hash=hashed(limit, key), tries__gt=0)
    rows.update(tries=F("tries") - 1)


def forget(limit: Limit, key: str) -> None:
    """Count from nothing again."""
    TryCount.objects.filter(key_hash=hashed(limit, key)).delete()


def _counted(rows: QuerySet[TryCount], limit: Limit, now: datetime) -> int:
    """Each of the two is one conditional UPDATE: whoever comes second counts on."""
    since = now - limit.within
    running = rows.filter(began_at__gt=since, tries__lt=limit.most)
    if changed := running.update(tries=F("tries") + 1):
        return changed
    return rows.filter(began_at__lte=since).update(tries=1, began_at=now)


def _begun(limit: Limit, key: str, now: datetime) -> bool:
    """The first try of this key; False when another one began at the same moment."""
    TryCount.objects.filter(began_at__lt=now - KEPT).delete()
    try:
        with transaction.atomic():
            TryCount.objects.create(key_hash=hashed(limit, key), tries=1, began_at=now)
    except IntegrityError:
        return False
    return True


def hashed(limit: Limit, key: str) -> str:
    return hashlib.sha256(f"{limit.kind}:{key.lower()}".encode()).hexdigest()
