"""/health for outside watchers and /health/live for containers and proxies, as plain text."""

from __future__ import annotations

from collections.abc import Iterable

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from pagerpal import health, site_facts


@login_not_required  # whoever watches from outside has no account
@never_cache
@require_safe
def verdict(request: HttpRequest) -> HttpResponse:
    """200 when a page would go out, or is held by a setting; 503 with the reasons."""
    now = timezone.now()
    found = health.verdict(now)
    site_facts.health_asked(request, now=now)
    if found.ok:
        return _text(200, ["OK", *found.notes])
    return _text(503, found.troubles + found.notes)


@login_not_required  # asked by the container, which has no account
@never_cache
@require_safe
def live(request: HttpRequest) -> HttpResponse:
    """200 when this process answers and reaches its database."""
    trouble = health.database_answers()
    return _text(503, [trouble]) if trouble else _text(200, ["OK"])


def _text(status: int, lines: Iterable[str]) -> HttpResponse:
    return HttpResponse("\n".join(lines) + "\n", status=status, content_type="text/plain")


urlpatterns = [
    path("health", verdict, name="health"),
    path("health/live", live, name="health-live"),
]
