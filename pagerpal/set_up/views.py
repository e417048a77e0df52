"""The screens of the guided set-up, for admins: each shows what is there, or asks for it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.messages import get_messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path, reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from alertsources import setting_up, trying
from alertsources.keys import change_key
from alertsources.models import AlertSource
from alertsources.source_pages import once
from notifications.channels.base import kind_of
from notifications.me_forms import AddressForm
from pagerpal import checklist, second_factor, site_facts
from pagerpal.models import SiteFact
from pagerpal.set_up import making, steps, trial
from pagerpal.set_up.forms import MeForm, SourceStepForm, TeamStepForm, TurnsForm
from pagerpal.set_up.making import NotMade
from pagerpal.set_up.steps import ORDER, PHONE, SOURCE, TEAM, TEST, TITLES, TURNS, Found
from schedules.models import User


def admin_of(request: HttpRequest) -> User:
    assert isinstance(request.user, User)  # noqa: S101  nobody else gets past the sign-in
    if not request.user.is_superuser:
        raise PermissionDenied("Admins set PagerPal up. Leads set up their teams in the admin.")
    return request.user


@never_cache
@require_safe
def begin(request: HttpRequest) -> HttpResponse:
    """To the first step that is not done."""
    return redirect(f"set_up_{steps.found(admin_of(request)).next}")


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def team(request: HttpRequest) -> HttpResponse:
    user = admin_of(request)
    posted = request.POST if request.method == "POST" else None
    form = TeamStepForm(posted, initial={"name": making.suggested_team()})
    # A form writes what was typed into its person, who is also the one this page is shown to.
    me = MeForm(posted, instance=User.objects.get(pk=user.pk), prefix="me")
    is_valid = form.is_valid() and me.is_valid()
    make = (lambda: making.team(user, form, me)) if is_valid else None
    return _step(request, TEAM, form, make, lambda _: {"me": me})


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def phone(request: HttpRequest) -> HttpResponse:
    user = admin_of(request)
    suggested = making.suggested_topic(user)
    posted = request.POST if request.method == "POST" else None
    form = AddressForm(posted, kind=making.PUSH, initial={"address": suggested})
    form.fields["address"].help_text = "Whoever knows it can read and answer your pages."
    make = (lambda: making.phone(user, form)) if form.is_valid() else None
    own = bool(make) and form.cleaned_data["address"] != suggested
    # With a topic of their own they have yet to see its code.
    return _step(request, PHONE, form, make, lambda found: _phone_facts(found, suggested), stay=own)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def turns(request: HttpRequest) -> HttpResponse:
    user = admin_of(request)
    form = TurnsForm(request.POST if request.method == "POST" else None)

    def make() -> None:
        making.turns(user, form.cleaned_data, now=timezone.now())

    def people(found: Found) -> dict[str, Any]:
        return {"people": steps.people_of(found.team, user) if found.team else []}

    return _step(request, TURNS, form, make if form.is_valid() else None, people)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def source(request: HttpRequest) -> HttpResponse:
    user = admin_of(request)
    form = SourceStepForm(request.POST if request.method == "POST" else None)

    def make() -> None:
        if made := making.source(user, form.cleaned_data):
            once.show_once(request, *made)

    return _step(request, SOURCE, form, make if form.is_valid() else None)


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def test(request: HttpRequest) -> HttpResponse:
    """The last screen: a test page on its way, live, and what comes after the set-up."""
    user, now = admin_of(request), timezone.now()
    found = steps.found(user)
    if found.next != TEST:
        return _first_comes(request, found)
    if request.method == "POST":
        if "new_key" in request.POST:
            _make_key_anew(request, found)
        elif "look" not in request.POST:
            _send_test(request, found, user)
        return redirect("set_up_test")
    assert found.source is not None  # noqa: S101  else this were not the next step
    key = once.shown_once(get_messages(request), found.source)
    context = _frame(TEST, found) | {
        "key": key,
        "shell_line": setting_up.shell_line(found.source, key) if key else "",
        "trial": trial.of(found, user, now=now),
        "now": now,
        "is_unused": not key and not _was_used(found.source),
        # But for what this very screen is about.
        "left": [
            line
            for line in checklist.lines(user, now)
            if not line.is_done and line.url != reverse("set_up")
        ],
        "list_is_hidden": checklist.is_hidden(),
    }
    response = render(request, "set_up/test.html", context)
    if key:
        once.keep(request, found.source, key)
    return response


def _send_test(request: HttpRequest, found: Found, user: User) -> None:
    try:
        taken = trial.send(found, user, now=timezone.now())
    except trying.NotTried as why:
        messages.error(request, str(why))
    else:
        if not taken.incidents:
            messages.warning(request, f"The test opened no incident: {taken.note}")


def _make_key_anew(request: HttpRequest, found: Found) -> None:
    """For whoever has lost the key before any sender had it; the lost one ends at once."""
    seen = request.POST.get("new_key", "")
    if found.source is None or _was_used(found.source):
        return
    if key := change_key(found.source, seen=seen, now=timezone.now(), at_once=True):
        once.show_once(request, found.source, key)


def _was_used(source: AlertSource) -> bool:
    kept = source.payloads.filter(is_test=False)
    return kept.exists() or source.alerts.filter(is_test=False).exists()


@never_cache
@require_safe
def progress(request: HttpRequest) -> HttpResponse:
    """The live part of the last screen; 204 while it would say the same."""
    user, now = admin_of(request), timezone.now()
    found = steps.found(user)
    shown = trial.of(found, user, now=now)
    if request.GET.get("seen") == shown.seen:
        return HttpResponse(status=204)
    context = {"trial": shown, "now": now, "found": found}
    return render(request, "set_up/_progress.html", context)


@require_POST
def hide(request: HttpRequest) -> HttpResponse:
    """Take the list off the dashboard, for all admins, or put it back."""
    admin_of(request)
    if request.POST.get("to") == "shown":
        site_facts.forget(SiteFact.Name.LIST_HIDDEN)
        messages.success(request, "The set-up list is back.")
    else:
        site_facts.note(SiteFact.Name.LIST_HIDDEN, now=timezone.now())
        messages.success(request, "The set-up list is hidden. /setup brings it back.")
    return redirect("dashboard")


def _step(
    request: HttpRequest,
    step: str,
    form: forms.BaseForm,
    make: Callable[[], None] | None,
    more: Callable[[Found], dict[str, Any]] | None = None,
    *,
    stay: bool = False,
) -> HttpResponse:
    """Show the step; once it is done by what was sent, or was before, go on to the next.

    `make` is None where there is nothing to make: nothing was sent, or something wrong. `more`
    says what else the page shows.
    """
    user = admin_of(request)
    found = steps.found(user)
    if ORDER.index(found.next) < ORDER.index(step):
        return _first_comes(request, found)
    if request.method == "POST":
        if found.is_done(step):
            messages.info(request, f"{TITLES[step]}: that was done already, nothing was changed.")
            stay = False
        elif make:
            _try(make, form)
            found = steps.found(user)
        if found.is_done(step):
            return redirect(f"set_up_{step}" if stay else f"set_up_{_after(step)}")
    context = _frame(step, found) | {"form": form, "now": timezone.now()}
    context |= more(found) if more else {}
    return render(request, f"set_up/{step}.html", context)


def _try(make: Callable[[], None], form: forms.BaseForm) -> None:
    try:
        make()
    except NotMade as why:
        form.add_error(None, str(why))


def _first_comes(request: HttpRequest, found: Found) -> HttpResponse:
    messages.info(request, f"First comes: {TITLES[found.next].lower()}.")
    return redirect(f"set_up_{found.next}")


def _after(step: str) -> str:
    return ORDER[ORDER.index(step) + 1]


def _frame(step: str, found: Found) -> dict[str, Any]:
    """What every screen shows: where one is, and what is done."""
    way = [
        {"title": TITLES[one], "route": f"set_up_{one}", "is_done": found.is_done(one),
         "is_here": one == step, "may_go": ORDER.index(one) <= ORDER.index(found.next)}
        for one in ORDER
    ]  # fmt: skip
    return {
        "found": found,
        "title": TITLES[step],
        "way": way,
        "number": ORDER.index(step) + 1,
        "count": len(ORDER),
        "done": found.is_done(step),
        "onward": "" if step == TEST else f"set_up_{_after(step)}",
    }


def _phone_facts(found: Found, suggested: str) -> dict[str, Any]:
    """The code that subscribes a phone to the topic, and how else it is done."""
    method = found.method
    if method is not None and method.channel != making.PUSH:
        kind = kind_of(method.channel)
        return {"other_label": kind.label if kind else method.channel}
    topic = method.address if method else suggested
    link = making.push().subscribe_link(topic)
    size, squares = second_factor.squares(link)
    return {
        "topic": topic,
        "link": link,
        "size": size + 8,
        "squares": squares,
        "topic_page": f"{settings.NTFY_BASE_URL}/{topic}",
        "server": settings.NTFY_BASE_URL,
        "server_name": urlsplit(settings.NTFY_BASE_URL).netloc,
        "is_public_server": settings.NTFY_BASE_URL == "https://ntfy.sh",
    }


urlpatterns = [
    path("setup", begin, name="set_up"),
    path("setup/team", team, name="set_up_team"),
    path("setup/phone", phone, name="set_up_phone"),
    path("setup/turns", turns, name="set_up_turns"),
    path("setup/source", source, name="set_up_source"),
    path("setup/test", test, name="set_up_test"),
    path("setup/progress", progress, name="set_up_progress"),
    path("setup/hide", hide, name="set_up_hide"),
]
