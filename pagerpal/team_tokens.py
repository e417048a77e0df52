"""The token that a team shares, for a screen on the wall or who has no account.

It opens the pages of `team_pages` and nothing else, so that no rule for people can be wrong about
it. Only its hash is stored. Whoever enters it says their name, and gets a signed cookie that holds
as long as the token does: another one, none, or its end, and the cookie opens nothing any more.
"""

from __future__ import annotations

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.core import signing
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse

from pagerpal.models import TeamToken
from schedules.models import Team, User

SALT = "pagerpal.team_tokens"
# For how long one holds, as whoever makes it chooses.
LIVES = {1: "a day", 7: "a week", 90: "90 days", 365: "a year"}
USUAL_LIFE = 90
LONGEST_NAME = 40


@dataclass(frozen=True)
class Guest:
    """Somebody with the token of a team, by the name that they gave."""

    team: Team
    name: str

    @property
    def label(self) -> str:
        """As the timeline calls them; nobody can pass for somebody who has signed in."""
        return f"{self.name} (team token)"


def make(team: Team, by: User, *, days: int, now: datetime) -> str:
    """The address to enter it by, to be shown this once; the team's token until now ends."""
    token = secrets.token_urlsafe(32)
    facts = {
        "token_hash": _hashed(token),
        "made_by": by,
        "made_at": now,
        "expires_at": now + timedelta(days=days),
    }
    TeamToken.objects.update_or_create(team=team, defaults=facts)
    return f"{settings.PAGERPAL_BASE_URL}{reverse('team_enter', args=[token])}"


def end(team: Team) -> bool:
    """Switch it off, at once; False when there was none."""
    gone, _ = TeamToken.objects.filter(team=team).delete()
    return bool(gone)


def ended(sender: Any, user: User, team: Team | None, **kwargs: Any) -> None:
    """Who has made tokens and leaves knows them: they end, in the same transaction."""
    tokens = TeamToken.objects.filter(made_by=user)
    (tokens if team is None else tokens.filter(team=team)).delete()


def of(team: Team, *, now: datetime) -> TeamToken | None:
    return _live(now).filter(team=team).select_related("made_by").first()


def by_token(token: str, *, now: datetime) -> TeamToken | None:
    """The one that this is, while it holds."""
    return _live(now).filter(token_hash=_hashed(token)).select_related("team").first()


def let_in(response: HttpResponse, found: TeamToken, name: str, *, now: datetime) -> HttpResponse:
    """Give the browser its cookie."""
    response.set_cookie(
        settings.TEAM_COOKIE_NAME,
        cookie_for(found, name),
        max_age=found.expires_at - now,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )
    return response


def let_out(response: HttpResponse) -> None:
    secure = settings.SESSION_COOKIE_SECURE
    # A browser drops no __Host- cookie by one that is not secure.
    response.set_cookie(settings.TEAM_COOKIE_NAME, "", max_age=0, secure=secure, httponly=True)


def cookie_for(found: TeamToken, name: str) -> str:
    return signing.dumps([found.pk, _stamp(found), name], salt=SALT)


def guest_of(request: HttpRequest, *, now: datetime) -> Guest | None:
    """Whoever this browser's cookie stands for; None without one that still holds."""
    try:
        pk, stamp, name = signing.loads(request.COOKIES[settings.TEAM_COOKIE_NAME], salt=SALT)
        found = _live(now).select_related("team").get(pk=pk)
    except (KeyError, signing.BadSignature, TypeError, ValueError, TeamToken.DoesNotExist):
        return None
    return Guest(found.team, str(name)) if stamp == _stamp(found) else None


def _live(now: datetime) -> QuerySet[TeamToken]:
    return TeamToken.objects.filter(
        expires_at__gt=now, team__is_active=True, made_by__is_active=True
    )


def _stamp(found: TeamToken) -> str:
    return found.token_hash[:24]


def _hashed(token: str) -> str:
    return hashlib.sha256(token.encode(errors="replace")).hexdigest()
