"""Browsers in which an account was signed in before: strangers cannot use up their tries."""

from __future__ import annotations

import hashlib
import secrets
from datetime import timedelta

from django.conf import settings
from django.core import signing
from django.http import HttpRequest, HttpResponse

from schedules.models import User

KNOWN_FOR = timedelta(days=365)
SALT = "pagerpal.known_browsers"


def remember(response: HttpResponse, user: User) -> HttpResponse:
    """Give the browser a number; it opens nothing, it only has a count of its own."""
    response.set_cookie(
        settings.KNOWN_BROWSER_COOKIE_NAME,
        signing.dumps([_account(user.email), secrets.token_hex(8)], salt=SALT),
        max_age=KNOWN_FOR,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )
    return response


def number_of(request: HttpRequest, email: str) -> str:
    """The browser's number if this account was signed in there; empty otherwise."""
    token = request.COOKIES.get(settings.KNOWN_BROWSER_COOKIE_NAME, "")
    try:
        account, number = signing.loads(token, salt=SALT, max_age=KNOWN_FOR)
    except (signing.BadSignature, TypeError, ValueError):
        return ""
    return str(number) if account == _account(email) else ""


def _account(email: str) -> str:
    return hashlib.sha256(email.strip().lower().encode()).hexdigest()[:24]
