"""The acts of a person's own page; each ends there again, with a word on what came of it."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.db import DatabaseError
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_POST

from notifications import addresses, trials, verification
from notifications.limits import Refused
from notifications.me import person, shown
from notifications.me_forms import AddressForm, RuleForm, may_use
from notifications.models import ContactMethod, NotificationRule
from notifications.signals import link_opened
from schedules.models import User

# Nobody has so many; it keeps a page from growing without end.
MOST_METHODS = 20
MOST_RULES = 40
ENDED = "The test has ended: you got it."


@require_POST
def add_method(request: HttpRequest) -> HttpResponse:
    """A new address, and a code on its way to it."""
    user, now, kind = person(request), timezone.now(), request.POST.get("kind", "")
    if not may_use(user, kind):
        raise Http404
    form = AddressForm(request.POST, kind=kind, prefix=f"add-{kind}")
    if not form.is_valid():
        return shown(request, {f"add-{kind}": form})
    try:
        check_number(user)
        method = addresses.add(user, kind, form.cleaned_data["address"])
    except Refused as refused:
        form.add_error("address", refused.message)
        return shown(request, {f"add-{kind}": form})
    messages.success(request, "Added. It is used last until you have verified it.")
    _told(request, lambda: verification.send_code(method, now=now), "A code is on its way to it.")
    return _back(method)


def check_number(user: User) -> None:
    """Raises Refused when they have enough."""
    if user.contact_methods.kept().count() >= MOST_METHODS:
        raise Refused(f"{MOST_METHODS} are enough: remove one first.")


@require_POST
def act_on_method(request: HttpRequest, pk: int, word: str) -> HttpResponse:
    user = person(request)
    method = get_object_or_404(user.contact_methods.kept(), pk=pk)
    if word == "change":
        return _change(request, method)
    if word not in ACTS:
        raise Http404
    ACTS[word](request, method, timezone.now())
    return _back(method)


def _change(request: HttpRequest, method: ContactMethod) -> HttpResponse:
    name = f"change-{method.pk}"
    form = AddressForm(request.POST, kind=method.channel, prefix=name)
    if not form.is_valid():
        return shown(request, {name: form})
    try:
        if addresses.change(method, form.cleaned_data["address"], now=timezone.now()):
            messages.success(request, "Changed. It is used last until you have verified it.")
    except Refused as refused:
        form.add_error("address", refused.message)
        return shown(request, {name: form})
    return _back(method)


def _send_code(request: HttpRequest, method: ContactMethod, now: datetime) -> None:
    _told(request, lambda: verification.send_code(method, now=now), "A code is on its way to it.")


def _enter_code(request: HttpRequest, method: ContactMethod, now: datetime) -> None:
    entered = verification.enter_code(method, request.POST.get("code", ""), now=now)
    (messages.success if entered.is_right else messages.error)(request, entered.words)


def _try(request: HttpRequest, method: ContactMethod, now: datetime) -> None:
    _told(request, lambda: trials.try_address(method, now=now), "A test is on its way to it.")


def _switch_on(request: HttpRequest, method: ContactMethod, now: datetime) -> None:
    addresses.switch(method, is_on=True)


def _switch_off(request: HttpRequest, method: ContactMethod, now: datetime) -> None:
    addresses.switch(method, is_on=False)
    messages.success(request, "Off: nothing more is sent to it.")


def _updates_on(request: HttpRequest, method: ContactMethod, now: datetime) -> None:
    addresses.want_updates(method, wants=True)
    messages.success(request, "Quiet updates come there.")


def _updates_off(request: HttpRequest, method: ContactMethod, now: datetime) -> None:
    addresses.want_updates(method, wants=False)
    messages.success(request, "No quiet updates come there.")


def _remove(request: HttpRequest, method: ContactMethod, now: datetime) -> None:
    addresses.remove(method, now=now)
    messages.success(request, "Removed, with the rules that used it.")


ACTS: dict[str, Callable[[HttpRequest, ContactMethod, datetime], None]] = {
    "send-code": _send_code,
    "code": _enter_code,
    "test": _try,
    "on": _switch_on,
    "off": _switch_off,
    "updates-on": _updates_on,
    "updates-off": _updates_off,
    "remove": _remove,
}


def _told(request: HttpRequest, act: Callable[[], object], done: str) -> None:
    """Do it, and say so, or why not."""
    try:
        act()
        messages.success(request, done)
    except Refused as refused:
        messages.warning(request, refused.message)


def _back(method: ContactMethod) -> HttpResponse:
    return redirect(f"{reverse('notifications:me')}#method-{method.pk}")


# --- Rules ----------------------------------------------------------------------------------------
@require_POST
def add_rule(request: HttpRequest) -> HttpResponse:
    user = person(request)
    form = RuleForm(request.POST, methods=user.contact_methods.kept())
    if form.is_valid() and user.notification_rules.count() >= MOST_RULES:
        form.add_error(None, f"{MOST_RULES} are enough: remove one first.")
    return _saved(request, form, "rule")


@require_POST
def change_rule(request: HttpRequest, pk: int) -> HttpResponse:
    user = person(request)
    rule = get_object_or_404(user.notification_rules, pk=pk)
    form = RuleForm(
        request.POST, methods=user.contact_methods.kept(), rule=rule, auto_id=f"r{pk}_%s"
    )
    return _saved(request, form, f"rule-{pk}")


def _saved(request: HttpRequest, form: RuleForm, name: str) -> HttpResponse:
    if not form.is_valid():
        return shown(request, {name: form})
    form.save()
    messages.success(request, "The rule is saved.")
    return redirect(f"{reverse('notifications:me')}#rules")


@require_POST
def remove_rule(request: HttpRequest, pk: int) -> HttpResponse:
    NotificationRule.objects.filter(user=person(request), pk=pk).delete()
    messages.success(request, "The rule is removed.")
    return redirect(f"{reverse('notifications:me')}#rules")


# --- Page me now ----------------------------------------------------------------------------------
@require_POST
def page_now(request: HttpRequest) -> HttpResponse:
    user, now = person(request), timezone.now()
    _told(request, lambda: trials.page_now(user, now=now), "You are being paged, as a test.")
    return redirect(f"{reverse('notifications:me')}#progress")


@require_POST
def stop(request: HttpRequest) -> HttpResponse:
    ended = trials.stop(person(request), now=timezone.now())
    messages.success(request, ENDED if ended else "The test was over already.")
    return redirect(f"{reverse('notifications:me')}#progress")


# Open to whoever holds the token, from any page or app: the signature is the permission.
@login_not_required
@csrf_exempt
@never_cache
@require_http_methods(["GET", "HEAD", "POST", "OPTIONS"])
def got_it(request: HttpRequest, token: str) -> HttpResponse:
    """The link in a test: shows one button, and only a POST ends the test."""
    if request.method == "OPTIONS":
        response = HttpResponse(status=204)
        response["Access-Control-Allow-Methods"] = "GET, HEAD, POST, OPTIONS"
        response["Access-Control-Allow-Headers"] = "*"
    else:
        response = _got_it(request, token)
    response["Referrer-Policy"] = "no-referrer"
    response["Access-Control-Allow-Origin"] = "*"
    return response


def _got_it(request: HttpRequest, token: str) -> HttpResponse:
    try:
        user = trials.read_token(token)
        if user is None:
            return _say(request, 410, "This test is over. Nothing was changed.")
        if request.method == "POST":
            trials.stop(user, now=timezone.now())
        link_opened.send_robust(sender=User, request=request)
        if request.method == "POST":
            return _say(request, 200, ENDED)
        return _say(request, 200, "", user)
    except DatabaseError:
        return _say(request, 503, "Your answer could NOT be stored. Try again in a moment.")


def _say(request: HttpRequest, code: int, news: str, user: User | None = None) -> HttpResponse:
    facts = {"news": news, "holder": user, "code": code}
    return render(request, "notifications/got_it.html", facts, status=code)
