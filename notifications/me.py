"""A person's own page: who they are, how to reach them, what happens then, their shifts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.contrib import messages
from django.forms import BaseForm
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_safe

from notifications import address_limits, outbox, rule_words, trials, working
from notifications.channels.base import kind_of, person_channel_choices
from notifications.me_forms import AddressForm, ProfileForm, RuleForm, may_use
from notifications.models import ContactMethod, NotificationRule, Urgency
from notifications.working import Standing
from schedules import calendar, feeds, oncall, sight
from schedules.models import User
from schedules.oncall import PlannedShift

SHIFTS_WITHIN = timedelta(days=90)
MOST_SHIFTS = 5

# What a form of the page is called, and the form that came back with errors.
Bound = Mapping[str, BaseForm]


@dataclass(frozen=True)
class Offer:
    """A kind of address that this person may add."""

    slug: str
    label: str
    hint: str
    missing: str
    form: BaseForm


def person(request: HttpRequest) -> User:
    assert isinstance(request.user, User)  # noqa: S101  nobody else gets past the sign-in
    return request.user


@never_cache
@require_http_methods(["GET", "HEAD", "POST"])
def page(request: HttpRequest) -> HttpResponse:
    user = person(request)
    if request.method != "POST":
        return shown(request, {})
    # A form writes what was typed into its person, who is also the one this page is shown to.
    form = ProfileForm(request.POST, instance=User.objects.get(pk=user.pk))
    if not form.is_valid():
        return shown(request, {"profile": form})
    form.instance.save(update_fields=form.changed_data)
    messages.success(request, "Saved.")
    return redirect("notifications:me")


@never_cache
@require_safe
def progress(request: HttpRequest) -> HttpResponse:
    """The live part; 204 while it would say the same."""
    found = trials.progress(person(request), now=timezone.now())
    if request.GET.get("seen") == found.seen:
        return HttpResponse(status=204)
    return render(request, "notifications/_progress.html", {"progress": found})


def shown(request: HttpRequest, bound: Bound) -> HttpResponse:
    """The page, with whatever form came back with errors in its place."""
    user, now = person(request), timezone.now()
    methods = list(user.contact_methods.kept())
    standings = working.standings(methods)
    waiting = address_limits.waiting(user, now)
    rules = list(user.notification_rules.select_related("contact_method"))
    used = Counter(rule.contact_method_id for rule in rules)
    on = [one for one in methods if one.is_on]
    calls = {one: outbox.calls_of([user], one)[user.pk] for one in (Urgency.HIGH, Urgency.LOW)}
    context = {
        "section": "me",
        "now": now,
        "profile": bound.get("profile") or ProfileForm(instance=user),
        "methods": [
            _method(one, bound, now, waiting)
            | {"rules": used[one.method.pk], "is_only_one": on == [one.method]}
            for one in standings
        ],
        "offers": _offers(user, bound),
        "manners": [
            rule_words.manner(Urgency.HIGH, calls[Urgency.HIGH]),
            rule_words.manner(Urgency.LOW, calls[Urgency.LOW], quiet=rule_words.quiet(user)),
        ],
        "rules": [_rule(one, methods, bound) for one in rules],
        "new_rule": bound.get("rule") or RuleForm(methods=methods),
        "can_add_rule": any(one.is_on for one in methods),
        "trouble": working.without_way([user.pk]).get(user.pk, ""),
        "warnings": rule_words.warnings(calls[Urgency.HIGH]),
        "progress": trials.progress(user, now=now),
        "shifts": _shifts(user, now),
        "link": feeds.links(user, None, [], may=False)[0],
        "back": reverse("notifications:me"),
    }
    return render(request, "notifications/me.html", context)


def _method(
    standing: Standing, bound: Bound, now: datetime, waiting: Mapping[int | None, int]
) -> dict[str, Any]:
    method = standing.method
    kind = kind_of(method.channel)
    expires_at = method.code_expires_at
    form = AddressForm(
        kind=method.channel, initial={"address": method.address}, prefix=f"change-{method.pk}"
    )
    return {
        "standing": standing,
        "method": method,
        "hint": _hint(kind) if not method.is_verified else "",
        "limit": address_limits.limit_of(method.channel),
        "waiting": waiting.get(method.pk, 0),
        "awaits_code": bool(method.code_hash and expires_at and expires_at > now),
        "form": bound.get(f"change-{method.pk}") or form,
        "is_open": f"change-{method.pk}" in bound,
    }


def _offers(user: User, bound: Bound) -> list[Offer]:
    """First what rings at once."""
    found = []
    for slug, label in person_channel_choices():
        kind = kind_of(slug)
        if kind is None or not may_use(user, slug):
            continue
        suggest = getattr(kind, "suggest_address", None)
        initial = {"address": suggest(user.name)} if suggest else {}
        form = bound.get(f"add-{slug}") or AddressForm(
            kind=slug, initial=initial, prefix=f"add-{slug}"
        )
        found.append(Offer(slug, label, _hint(kind), working.missing(slug), form))
    return sorted(found, key=lambda one: (bool(one.missing), not _is_push(one.slug), one.label))


def _is_push(slug: str) -> bool:
    return bool(getattr(kind_of(slug), "is_push", False))


def _hint(kind: Any) -> str:
    return kind.hint() if hasattr(kind, "hint") else ""


def _rule(rule: NotificationRule, methods: list[ContactMethod], bound: Bound) -> dict[str, Any]:
    call = outbox.Call(rule.contact_method, rule.delay, rule.repeats, rule.repeat_every, rule.pk)
    return {
        "rule": rule,
        "words": rule_words.manner(rule.urgency, [call]).words,
        "form": bound.get(f"rule-{rule.pk}")
        or RuleForm(methods=methods, rule=rule, auto_id=f"r{rule.pk}_%s"),
        "is_open": f"rule-{rule.pk}" in bound,
    }


def _shifts(user: User, now: datetime) -> list[PlannedShift]:
    """The next ones, in all teams."""
    end = now + SHIFTS_WITHIN
    rotations = sight.rotations_of(user, now, end)
    mine = calendar.only_of(oncall.plans(rotations, now, end), user)
    found = [one for listed in mine.values() for one in listed if one.ends_at > now]
    return sorted(found, key=lambda one: one.starts_at)[:MOST_SHIFTS]
