"""What was seen of this installation from outside: written down rarely, as it seldom changes."""

from __future__ import annotations

import logging
from datetime import datetime, timedelta

from django.conf import settings
from django.db import DatabaseError, transaction
from django.http import HttpRequest
from django.utils import timezone

from pagerpal import peers
from pagerpal.models import SignIn, SiteFact

log = logging.getLogger(__name__)

Name = SiteFact.Name
LINK_EVERY = timedelta(days=1)
# A watcher asks each minute or so; one that was away for longer begins anew.
ASKED_EVERY, WATCHER_GONE_AFTER = timedelta(minutes=5), timedelta(hours=1)
# Somebody who looks at /health in a browser is no watcher: it goes on asking.
WATCHER_KNOWN_AFTER = timedelta(minutes=10)


def note(
    name: str,
    *,
    now: datetime,
    address: str = "",
    words: str = "",
    every: timedelta = timedelta(0),
    lapses_after: timedelta | None = None,
) -> None:
    """Write down that it is true now, if it was not written within `every`."""
    known = SiteFact.objects.filter(name=name).first()
    if known and now - known.at < every:
        return
    goes_on = known is not None and (lapses_after is None or now - known.at <= lapses_after)
    since = known.since if known and goes_on else now
    with transaction.atomic():
        SiteFact.objects.update_or_create(
            name=name,
            defaults={
                "since": since,
                "at": max(now, since),
                "address": address,
                "words": words[:300],
            },
        )


def forget(name: str) -> None:
    SiteFact.objects.filter(name=name).delete()


def is_known(name: str) -> bool:
    return SiteFact.objects.filter(name=name).exists()


def is_watched(now: datetime) -> bool:
    """Whether something on another machine keeps asking /health."""
    fact = SiteFact.objects.filter(name=Name.HEALTH_ASKED).first()
    if fact is None or now - fact.at > WATCHER_GONE_AFTER:
        return False
    return fact.at - fact.since >= WATCHER_KNOWN_AFTER


def link_opened(request: HttpRequest, **kwargs: object) -> None:
    """The link of a message was opened: by a phone, if from where nobody is signed in."""
    address, now = peers.address_of(request), timezone.now()
    if peers.is_this_machine(address) or SignIn.objects.filter(address=address).exists():
        return
    note(Name.LINK_OPENED, now=now, address=address, every=LINK_EVERY)


def health_asked(request: HttpRequest, *, now: datetime) -> None:
    """Somebody asked /health; never raises, as the verdict counts more."""
    address = peers.address_of(request)
    if settings.SESSION_COOKIE_NAME in request.COOKIES or peers.is_this_machine(address):
        return
    try:
        note(
            Name.HEALTH_ASKED,
            now=now,
            address=address,
            every=ASKED_EVERY,
            lapses_after=WATCHER_GONE_AFTER,
        )
    except DatabaseError:
        log.warning("that /health was asked could not be written down", exc_info=True)
