"""Buttons pressed in a session that has ended: nothing is done, and nothing written is lost."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta
from functools import wraps
from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.views import redirect_to_login
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils import timezone
from django_htmx.http import HttpResponseClientRedirect

View = Callable[..., HttpResponse]

KEPT = "kept_note"
KEPT_FOR = timedelta(hours=12)
# More than a note may have, so that what was too long can still be cut by hand.
MOST_KEPT = 4000


def survives(view: View) -> View:
    """Lead who is signed out through the login, and back to a page from which to do it again.

    What they wrote waits in their session, which the login keeps, and is never added by itself:
    the next to sign in there may be somebody else.
    """

    # Not open: whoever is signed out gets no further than the login.
    @login_not_required
    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        if request.user.is_authenticated:
            return view(request, *args, **kwargs)
        return _to_login(request, kwargs.get("pk"))

    return guarded


def _to_login(request: HttpRequest, pk: int | None) -> HttpResponse:
    back = reverse("incidents:detail", args=[pk]) if pk else reverse("incidents:list")
    if request.method == "POST":
        said = "You were signed out, so nothing was changed. Sign in and press the button again."
        text = request.POST.get("text", "").replace("\0", "").strip()
        if pk and text:
            at = timezone.now().isoformat()
            request.session[KEPT] = {"pk": pk, "text": text[:MOST_KEPT], "at": at}
            said = f"{said} What you wrote is kept."
        messages.warning(request, said)
    response = redirect_to_login(back)
    if getattr(request, "htmx", False):
        return HttpResponseClientRedirect(response.url)
    return response


def kept_note(request: HttpRequest, pk: int, now: datetime) -> str:
    """What somebody wrote about this incident and could not add; empty when there is nothing."""
    kept = request.session.get(KEPT)
    if not kept or kept["pk"] != pk:
        return ""
    if now - datetime.fromisoformat(kept["at"]) > KEPT_FOR:
        del request.session[KEPT]
        return ""
    return str(kept["text"])


def forget(request: HttpRequest, pk: int) -> None:
    """It has been added."""
    if request.session.get(KEPT, {}).get("pk") == pk:
        del request.session[KEPT]
