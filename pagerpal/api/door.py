"""Who comes in to /api/v1: the person, what their token may, how often, and in what shape.

Everything here is decided before the call itself is looked at, and every refusal is a problem
answer of RFC 9457. Loads the API at the first call that gets in.
"""

from __future__ import annotations

import logging
import re
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.core.exceptions import RequestDataTooBig
from django.db import DatabaseError, IntegrityError
from django.http import HttpRequest, HttpResponse, UnreadablePostError
from django.middleware.csrf import CsrfViewMiddleware
from django.utils import timezone
from django.views.decorators.csrf import csrf_exempt

from pagerpal import second_factor, second_step
from pagerpal.api import once, rates, tokens
from pagerpal.models import ApiToken
from pagerpal.permissions import RoleBackend
from schedules.api import problems
from schedules.api.problems import Problem
from schedules.models import User

log = logging.getLogger(__name__)

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
LONGEST_BODY = 1024 * 1024
# No program or person in an incident is ever told to wait before it is theirs or over.
NEVER_WAITS = re.compile(r"incidents/[0-9]+/(?:acknowledge|resolve|escalate|reopen|note)")
# Without a person: the document, and silences for whoever has the key of a source.
OPEN = re.compile(r"openapi\.json|silences(?:/[0-9]+(?:/end)?)?")
SIGN_IN = "Sign in, or send a token as `Authorization: Bearer pp_...`: see /me/account."
EXPOSED = "RateLimit, RateLimit-Policy, Retry-After, Idempotent-Replayed"


# Open, because a program gets a sentence and no page to sign in on; the cookie's token is checked
# below for whoever comes with a session.
@csrf_exempt
@login_not_required
def door(request: HttpRequest, rest: str = "") -> HttpResponse:
    """Every call to the management API."""
    rest = rest.removesuffix("/")
    if request.method == "OPTIONS":
        return _with_origin(request, _preflight())
    try:
        response = _come_in(request, rest)
    except Problem as problem:
        response = problem.response()
    except RequestDataTooBig:
        response = problems.answer(413, "1 MiB is the most for one call.")
    except UnreadablePostError:
        response = problems.answer(400, "The call broke off.")
    except IntegrityError:
        response = problems.answer(409, "Somebody was faster: look at it again.")
    except DatabaseError:
        log.exception("the database did not take a call to the API")
        response = problems.answer(503, "Not now: the database is busy. Try again in a moment.")
        response["Retry-After"] = "5"
    except Exception:
        log.exception("a call to the API failed")
        response = problems.answer(500, "PagerPal failed at this. Its log says how.")
    response.headers.pop(problems.HOLDS_SECRET, None)
    response.headers.setdefault("Cache-Control", "no-store, private")
    return _with_origin(request, response)


def _come_in(request: HttpRequest, rest: str) -> HttpResponse:
    now = timezone.now()
    token = _token(request, now)
    user = request.user if isinstance(request.user, User) else None
    if user is None:
        if not OPEN.fullmatch(rest):
            raise Problem(401, SIGN_IN, error=SIGN_IN, headers={"WWW-Authenticate": "Bearer"})
        return _dispatched(request, rest)
    if _lacks_second_step(request, user, token):
        raise Problem(403, "Admins set up the second step of signing in first: see /me/account.")
    taken = rates.take(f"{user.pk}", is_free=bool(NEVER_WAITS.fullmatch(rest)))
    if not taken.may:
        headers = {**taken.headers, "Retry-After": str(taken.again_in)}
        raise Problem(429, f"Too many calls: wait {taken.again_in} seconds.", headers=headers)
    _check_may(request, token)
    with timezone.override(ZoneInfo(user.time_zone)):
        response = _done(request, user, rest, now)
    for name, value in taken.headers.items():
        response[name] = value
    return response


def _token(request: HttpRequest, now: datetime) -> ApiToken | None:
    """Whose token this is, put in the place of whoever a cookie names; None without one."""
    scheme, _, text = request.META.get("HTTP_AUTHORIZATION", "").strip().partition(" ")
    text = text.strip()
    if scheme.lower() != "bearer" or not text.startswith(tokens.PREFIX):
        return None
    # Nothing that comes after this, a report of a failure least of all, needs to know it.
    request.META.pop("HTTP_AUTHORIZATION")
    request.__dict__.pop("headers", None)
    token = tokens.find(text)
    person = RoleBackend().get_user(token.user_id) if token else None
    if token is None or person is None:
        raise _no_entry("This token is not known, or was revoked.")
    if token.expires_at <= now:
        raise _no_entry("This token has expired: make a new one at /me/account.")
    tokens.used(token, now=now)
    request.user, request.api_token = person, token  # type: ignore[attr-defined]
    request._dont_enforce_csrf_checks = True  # type: ignore[attr-defined]
    return token


def _lacks_second_step(request: HttpRequest, user: User, token: ApiToken | None) -> bool:
    """A token has no session that could have passed it: there it has to be set up."""
    if token is None:
        return second_step.is_missing(request)
    is_asked = settings.ADMINS_NEED_SECOND_STEP and user.is_superuser
    return is_asked and not second_factor.is_on(user)


def _no_entry(text: str) -> Problem:
    headers = {"WWW-Authenticate": f'Bearer error="invalid_token", error_description="{text}"'}
    return Problem(401, text, headers=headers)


class _Csrf(CsrfViewMiddleware):
    def _reject(self, request: HttpRequest, reason: str) -> Any:
        raise Problem(403, f"{reason} Send the cookie's token in the header X-CSRFToken.")


def _nothing(request: HttpRequest) -> HttpResponse:
    return HttpResponse()


def _check_may(request: HttpRequest, token: ApiToken | None) -> None:
    if request.method in SAFE:
        return
    if token is None:
        _Csrf(_nothing).process_view(request, _nothing, (), {})
    elif token.scope != ApiToken.Scope.WRITE:
        raise Problem(403, "This token only reads: make one that writes at /me/account.")


def _done(request: HttpRequest, user: User, rest: str, now: datetime) -> HttpResponse:
    if request.method == "POST" and "Idempotency-Key" in request.headers:
        _check_size(request)
        return once.answered(
            request, user, f"{rest}"[:200], lambda: _dispatched(request, rest), now=now
        )
    return _dispatched(request, rest)


def _check_size(request: HttpRequest) -> None:
    length = request.META.get("CONTENT_LENGTH") or "0"
    if not length.isdecimal():
        raise Problem(400, "Content-Length is no number.")
    if int(length) > LONGEST_BODY:
        raise Problem(413, "1 MiB is the most for one call.")


def _dispatched(request: HttpRequest, rest: str) -> HttpResponse:
    """Loads the API, at the first call."""
    from pagerpal.api import assembly

    _check_size(request)
    response = assembly.answer(request, rest)
    if response.status_code < 400 or response.headers["Content-Type"] == problems.CONTENT_TYPE:
        return response
    if response.status_code == 405:
        methods = ", ".join(sorted(response["Allow"].split(", ")))
        text = f"This address answers {methods}."
        return problems.answer(405, text, headers={"Allow": methods})
    return problems.answer(response.status_code, "That is not possible.")


# --- Pages of other origins ----------------------------------------------------------------------


def _preflight() -> HttpResponse:
    response = HttpResponse(status=204)
    response["Access-Control-Allow-Methods"] = "GET, POST, PATCH, PUT, DELETE"
    response["Access-Control-Allow-Headers"] = "Authorization, Content-Type, Idempotency-Key"
    response["Access-Control-Max-Age"] = "600"
    return response


def _with_origin(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    """By a token only: browsers are never told that they may send cookies along."""
    origin = request.META.get("HTTP_ORIGIN", "")
    if "*" in settings.ALLOWED_ORIGINS:
        response["Access-Control-Allow-Origin"] = "*"
    elif origin and origin in settings.ALLOWED_ORIGINS:
        response["Access-Control-Allow-Origin"] = origin
        response["Vary"] = "Origin"
    else:
        return response
    response["Access-Control-Expose-Headers"] = EXPOSED
    return response
