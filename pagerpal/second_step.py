"""The pages of the second step: asked for after the password, set up and taken off."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.contrib import auth, messages
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_POST

from pagerpal import known_browsers, second_factor, throttle
from schedules.models import User

# What waits in the session between the two steps, and the secret that is being set up.
WAITING, SECRET = "second_step", "second_step_secret"
PASSED = "second_step_passed"
WAIT_FOR = timedelta(minutes=10)

WRONG = "That code is wrong, or was used already. Wait for the next one."
TOO_MANY = "Too many tries. Wait 15 minutes."


def person_of(request: HttpRequest) -> User:
    assert isinstance(request.user, User)  # noqa: S101  nobody else gets past the sign-in
    return request.user


def ask(request: HttpRequest, user: User, wanted: str) -> HttpResponse:
    """The password was right; who it is waits until the code is, too."""
    request.session[WAITING] = {
        "pk": user.pk,
        "stamp": user.get_session_auth_hash(),
        "at": timezone.now().isoformat(),
        "wanted": wanted,
    }
    return redirect("second_step")


# Whoever is between the two steps is not signed in yet.
@login_not_required
@never_cache
@sensitive_post_parameters()
@require_http_methods(["GET", "HEAD", "POST"])
def second_step(request: HttpRequest) -> HttpResponse:
    user, waiting = _waiting(request), request.session.get(WAITING) or {}
    if user is None:
        messages.error(request, "That took too long: begin again.")
        return redirect("login")
    if request.method != "POST":
        return render(request, "access/second_step.html")
    if error := _trouble(user, request.POST.get("code", "")):
        status = 429 if error == TOO_MANY else 200
        return render(request, "access/second_step.html", {"error": error}, status=status)
    del request.session[WAITING]
    auth.login(request, user, settings.AUTHENTICATION_BACKENDS[0])
    request.session[PASSED] = True
    return known_browsers.remember(redirect(waiting["wanted"]), user)


@never_cache
@sensitive_post_parameters()
@require_http_methods(["GET", "HEAD", "POST"])
def set_up(request: HttpRequest) -> HttpResponse:
    """A QR code for the app, and a first code from it; then the recovery codes, this once."""
    user = person_of(request)
    if second_factor.is_on(user):
        return redirect("account")
    secret = request.session.setdefault(SECRET, second_factor.new_secret())
    error = ""
    if request.method == "POST":
        codes = None
        if throttle.take(throttle.PER_CODE, f"set-up:{user.pk}", now=timezone.now()):
            typed = request.POST.get("code", "")
            codes = second_factor.switch_on(user, secret, typed, now=timezone.now())
        if codes:
            del request.session[SECRET]
            request.session[PASSED] = True
            return _codes_shown(request, codes)
        error = WRONG
    size, path_of_squares = second_factor.squares(second_factor.uri(user, secret))
    context = {"secret": secret, "size": size + 8, "squares": path_of_squares, "error": error}
    return render(request, "access/second_step_set_up.html", {"section": "me", **context})


@never_cache
@sensitive_post_parameters()
@require_POST
def change(request: HttpRequest) -> HttpResponse:
    """New recovery codes, or no second step any more: a code is asked for either."""
    user = person_of(request)
    if error := _trouble(user, request.POST.get("code", "")):
        messages.error(request, error)
        return redirect("account")
    if request.POST.get("then") == "codes":
        return _codes_shown(request, second_factor.new_codes(user))
    second_factor.switch_off(user)
    request.session.pop(PASSED, None)
    messages.success(request, "The second step is off.")
    return redirect("account")


def is_missing(request: HttpRequest) -> bool:
    """Whether this admin has yet to prove who they are by a second step, as the settings ask."""
    if not settings.ADMINS_NEED_SECOND_STEP or not person_of(request).is_superuser:
        return False
    return not request.session.get(PASSED)


def insist(request: HttpRequest) -> HttpResponse:
    """Have them set it up, or, where it is set up since, sign in with it."""
    if second_factor.is_on(person_of(request)):
        auth.logout(request)
        messages.warning(request, "Admins need the second step here: sign in once more.")
        return redirect("login")
    messages.warning(request, "Admins need a second step here: set it up to go on.")
    return redirect("second_step_set_up")


def _waiting(request: HttpRequest) -> User | None:
    """Who has given the password in this session, a moment ago, and has the same still."""
    waiting: dict[str, Any] = request.session.get(WAITING) or {}
    at = parse_datetime(str(waiting.get("at", "")))
    if at is None or at < timezone.now() - WAIT_FOR:
        return None
    user = User.objects.filter(pk=waiting["pk"], is_active=True).first()
    if user is None or user.get_session_auth_hash() != waiting["stamp"]:
        return None
    return user


def _trouble(user: User, typed: str) -> str:
    """Empty for the right code. Counted before it is looked at, whatever browser it comes from."""
    now, key = timezone.now(), f"login:{user.pk}"
    if not throttle.take(throttle.PER_CODE, key, now=now):
        return TOO_MANY
    if not second_factor.is_right(user, typed, now=now):
        return WRONG
    throttle.forget(throttle.PER_CODE, key)
    return ""


def _codes_shown(request: HttpRequest, codes: list[str]) -> HttpResponse:
    context = {"codes": codes, "as_text": "\n".join(codes), "section": "me"}
    return render(request, "access/recovery_codes.html", context)


urlpatterns = [
    path("login/code", second_step, name="second_step"),
    path("me/account/second-step", set_up, name="second_step_set_up"),
    path("me/account/second-step/change", change, name="second_step_change"),
]
