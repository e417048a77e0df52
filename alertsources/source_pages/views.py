"""The list of alert sources and the page of one, with their live parts and its raw messages."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from django.contrib.messages import get_messages
from django.core.paginator import Paginator
from django.db.models import Q, QuerySet
from django.db.models.functions import Length
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from alertsources import keys, setting_up
from alertsources.models import AlertSource, ReceivedPayload
from alertsources.showing import readable_body
from alertsources.source_pages import once, overview, sight
from alertsources.sources.base import marks_tests
from schedules.models import User

PER_PAGE = 50
PAYLOADS_PER_PAGE = 10


@never_cache
@require_safe
def source_list(request: HttpRequest) -> HttpResponse:
    """The page, or for its poll the list, or 204 while that would say the same."""
    now, user = timezone.now(), sight.person_of(request)
    sources = sight.sources_of(user).order_by("team__name", "name", "pk")
    page = Paginator(sources, PER_PAGE).get_page(request.GET.get("page"))
    rows = overview.rows(page.object_list, now=now)  # type: ignore[arg-type]
    seen = overview.digest(page.number, page.paginator.count, [overview.said_of(r) for r in rows])
    if request.htmx and request.GET.get("seen") == seen:  # type: ignore[attr-defined]
        return HttpResponse(status=204)
    context = {"section": "sources", "now": now, "page": page, "rows": rows, "seen": seen}
    if request.htmx:  # type: ignore[attr-defined]
        return render(request, "alertsources/_sources.html", context)
    context["may_create"] = sight.teams_led(user).exists()
    return render(request, "alertsources/sources.html", context)


@never_cache
@require_safe
def source_page(request: HttpRequest, pk: int) -> HttpResponse:
    now, user = timezone.now(), sight.person_of(request)
    source = sight.visible(request, pk)
    key = once.shown_once(get_messages(request), source)
    context = {
        "section": "sources",
        "key": key,
        "address": setting_up.address_for(source),
        "address_with_key": setting_up.address_with_key(key) if key else "",
        "parts": setting_up.set_up_of(source, key),
        "shell_line": setting_up.shell_line(source, key),
        "key_hours": int(keys.OVERLAP.total_seconds() // 3600),
        "has_old_key": bool(source.old_key_until and source.old_key_until > now),
        "may_change": sight.may_change(user, source),
        "policy": source.policy_in_force(),
        "test_awaited_until": _awaited_until(source, now),
        "marks_tests": marks_tests(source.kind),
        "rules": source.rules.filter(is_active=True).count(),
        **_live_facts(source, user, now),
        **_messages_shown(request, source, user),
    }
    return render(request, "alertsources/source.html", context)


def _awaited_until(source: AlertSource, now: datetime) -> datetime | None:
    until = source.test_awaited_until
    return until if until and until > now and source.test_awaited_by_id else None


@never_cache
@require_safe
def source_live(request: HttpRequest, pk: int) -> HttpResponse:
    """The live part of a source's page: waiting for its first alert, or what came last."""
    source = sight.visible(request, pk)
    facts = _live_facts(source, sight.person_of(request), timezone.now())
    if request.GET.get("seen") == facts["seen"]:
        return HttpResponse(status=204)
    return render(request, "alertsources/_source_live.html", facts)


@never_cache
@require_safe
def source_message(request: HttpRequest, pk: int, number: int) -> HttpResponse:
    """One raw message; only its text for htmx."""
    source = sight.visible(request, pk)
    payload = source.payloads.filter(pk=number).first()
    if payload is None:
        raise Http404
    [message] = overview.with_incidents([payload], sight.person_of(request))
    context = {"section": "sources", "source": source, "message": message}
    context |= {"now": timezone.now(), "body": readable_body(payload)}
    part = "_source_body" if request.htmx else "source_message"  # type: ignore[attr-defined]
    return render(request, f"alertsources/{part}.html", context)


def _live_facts(source: AlertSource, user: User, now: datetime) -> dict[str, Any]:
    [row] = overview.rows(AlertSource.objects.filter(pk=source.pk), now=now)
    last = overview.newest(source, user, is_test=False)
    test = overview.newest(source, user, is_test=True)
    said = overview.said_of(row), *(overview.said_of_message(one) for one in (last, test))
    seen = overview.digest(*said)
    return {"now": now, "source": source, "row": row, "last": last, "test": test, "seen": seen}


def _messages_shown(request: HttpRequest, source: AlertSource, user: User) -> dict[str, Any]:
    """The newest, or those before the one in the address; not counted, as there may be many."""
    found = source.payloads.defer("body").order_by("-received_at", "-pk")
    older_than = _before(request, source.payloads.all())
    if older_than:
        at, pk = older_than.received_at, older_than.pk
        found = found.filter(Q(received_at__lt=at) | Q(received_at=at, pk__lt=pk))
    sized = found.annotate(size=Length("body")).select_related("incident")
    shown = list(sized[: PAYLOADS_PER_PAGE + 1])
    has_older = len(shown) > PAYLOADS_PER_PAGE
    messages = overview.with_incidents(shown[:PAYLOADS_PER_PAGE], user)
    return {
        "payloads": messages,
        "is_first_page": older_than is None,
        "older": messages[-1].payload.pk if has_older else None,
    }


def _before(request: HttpRequest, payloads: QuerySet[ReceivedPayload]) -> ReceivedPayload | None:
    asked = request.GET.get("before", "")
    if not (asked.isdecimal() and len(asked) < 19):
        return None
    return payloads.only("received_at").filter(pk=int(asked)).first()
