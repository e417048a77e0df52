"""The System page: would a page go out now, and what that answer stands on."""

from __future__ import annotations

import hashlib
from typing import Any

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import path
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from notifications import trials
from notifications.limits import Refused
from notifications.models import ContactMethod
from pagerpal import checklist
from pagerpal.moving.archive import version
from pagerpal.system import table
from pagerpal.system.report import Report, report
from schedules.models import User


@never_cache
@require_safe
def system(request: HttpRequest) -> HttpResponse:
    """The page, or for its poll the live part, or 204 while that would say the same."""
    user: User = request.user  # type: ignore[assignment]
    now = timezone.now()
    found = report(now)
    seen = _digest(found)
    is_poll = request.htmx  # type: ignore[attr-defined]
    if is_poll and request.GET.get("seen") == seen:
        return HttpResponse(status=204)
    shown: dict[str, Any] = {"now": now, "report": found, "seen": seen, "section": "system"}
    if user.is_superuser:
        # Others see how it stands; what mends it, and what providers said, is the admins'.
        shown |= {"is_admin": True, "env_file": checklist.env_file(), "testable": _testable(user)}
        shown |= {"restart": checklist.restart_command()}
    if is_poll:
        return render(request, "system/_live.html", shown)
    if user.is_superuser:
        shown["groups"] = table.groups()
    return render(request, "system/system.html", shown | {"version": version()})


@require_POST
def send_test(request: HttpRequest, kind: str) -> HttpResponse:
    """One test message to the admin's own address of this kind, the way that pages go."""
    user: User = request.user  # type: ignore[assignment]
    if not user.is_superuser:
        raise PermissionDenied("Admins try providers out. Everybody tries their own at /me.")
    method = ContactMethod.objects.filter(user=user, channel=kind, is_on=True).first()
    if method is None:
        messages.error(request, "You have no address of this kind that is on. Add one first.")
        return redirect("notifications:me")
    try:
        trials.try_address(method, now=timezone.now())
        text = f"A test is on its way to {method}. What becomes of it is shown here and at Me."
        messages.success(request, text)
    except Refused as refused:
        messages.error(request, str(refused))
    return redirect("system")


def _testable(user: User) -> set[str]:
    mine = ContactMethod.objects.filter(user=user, is_on=True)
    return set(mine.values_list("channel", flat=True))


def _digest(found: Report) -> str:
    said = (found.answer, found.verdict.troubles, found.verdict.notes, found.lines)
    return hashlib.blake2s(repr(said).encode(), digest_size=8).hexdigest()


urlpatterns = [
    path("settings", system, name="system"),
    path("settings/test/<slug:kind>", send_test, name="system_test"),
]
