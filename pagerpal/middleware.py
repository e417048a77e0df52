"""Puts the signed-in person's time zone in force for the request."""

from collections.abc import Callable
from zoneinfo import ZoneInfo

from django.contrib.auth.models import AnonymousUser
from django.http import HttpRequest, HttpResponse
from django.utils import timezone

from pagerpal import second_step, sign_ins
from schedules import recorded

# Answers and alerts come from nobody who has signed in. When the database is away these views say
# so themselves, and a cookie that happens to come along must not ask it first.
WITHOUT_A_PERSON = ("/a/", "/in/", "/api/v1/alerts")


# What an admin who has yet to set up the second step may open; the API says so in its own way.
SET_UP = ("/me/account", "/login", "/logout", "/health", "/api/v1/")


class WhoChangesSettings:
    """Settings that are changed within a request are changed by whoever is signed in."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        with recorded.acting(lambda: _actor_of(request)):
            return self.get_response(request)


def _actor_of(request: HttpRequest) -> recorded.Actor:
    via = {"admin": "admin", "api": "API"}.get(request.path_info.split("/")[1], "page")
    person = getattr(request, "user", None)
    return recorded.Actor(person if person and person.pk else None, via)


class PersonsTimeZone:
    """Times on pages are shown in the viewer's zone; UTC for whoever is not signed in."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path_info.startswith(WITHOUT_A_PERSON):
            request.user = AnonymousUser()  # before LoginRequiredMiddleware looks at the view
            return self.get_response(request)
        # Only a request with a session cookie can have a person: health checks cost no query.
        if "sessionid" in "".join(request.COOKIES) and request.user.is_authenticated:
            sign_ins.seen(request, now=timezone.now())
            if not request.path_info.startswith(SET_UP) and second_step.is_missing(request):
                return second_step.insist(request)
            with timezone.override(ZoneInfo(request.user.time_zone)):
                return self.get_response(request)
        return self.get_response(request)
