"""Where somebody is signed in: the list of it, and its end.

A session also ends by itself once its person is switched off or has another password.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Any

from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest
from django.utils import timezone
from django.utils.dateparse import parse_datetime

from pagerpal import peers
from pagerpal.models import SignIn
from schedules.models import User

SEEN_EVERY = timedelta(minutes=10)
SEEN = "seen_at"


def note(request: HttpRequest, user: User, *, now: datetime) -> None:
    """Somebody has signed in; what is left of sessions that ended goes."""
    key = request.session.session_key
    if not key:
        return
    SignIn.objects.filter(user=user).exclude(pk__in=_live(user).values("pk")).delete()
    facts = {
        "user": user,
        "browser": request.headers.get("User-Agent", "")[:200],
        "address": peers.address_of(request),
        "at": now,
        "seen_at": now,
    }
    SignIn.objects.update_or_create(session_key=key, defaults=facts)
    request.session[SEEN] = now.isoformat()


def noted(sender: Any, request: HttpRequest, user: User, **kwargs: Any) -> None:
    note(request, user, now=timezone.now())


def seen(request: HttpRequest, *, now: datetime) -> None:
    """They still use it; written down every few minutes only."""
    last = parse_datetime(str(request.session.get(SEEN, "")))
    if last is not None and last > now - SEEN_EVERY:
        return
    request.session[SEEN] = now.isoformat()
    SignIn.objects.filter(session_key=request.session.session_key).update(seen_at=now)


def moved(old_key: str | None, new_key: str | None) -> None:
    """The same browser has another session now."""
    SignIn.objects.filter(session_key=old_key or "").update(session_key=new_key)


def of(user: User) -> list[SignIn]:
    return list(_live(user))


def end(rows: Iterable[SignIn]) -> int:
    """Sign these browsers out, at once; says how many were still signed in."""
    keys = [row.session_key for row in rows]
    with transaction.atomic():
        ended, _ = Session.objects.filter(session_key__in=keys).delete()
        SignIn.objects.filter(session_key__in=keys).delete()
    return ended


def end_all(user: User, *, besides: str | None = None) -> int:
    """Everywhere, or everywhere but in the session of this key."""
    return end(SignIn.objects.filter(user=user).exclude(session_key=besides or ""))


def ended(sender: Any, user: User, team: Any, **kwargs: Any) -> None:
    """Somebody was switched off, which no session outlives, should they come back."""
    if team is None:
        end_all(user)


def _live(user: User) -> QuerySet[SignIn]:
    alive = Session.objects.filter(
        session_key=OuterRef("session_key"), expire_date__gt=timezone.now()
    )
    return SignIn.objects.filter(Exists(alive), user=user)
