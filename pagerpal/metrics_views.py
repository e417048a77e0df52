"""The door of /metrics: for whoever has the token, or comes from a network that is named."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.urls import path
from django.utils import timezone
from django.utils.crypto import constant_time_compare
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_safe

from pagerpal import checklist, peers

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"
FORWARDED = ("HTTP_X_FORWARDED_FOR", "HTTP_FORWARDED", "HTTP_X_REAL_IP", "HTTP_VIA")


@login_not_required  # asked by a program, which has no account
@never_cache
@require_safe
def metrics(request: HttpRequest) -> HttpResponse:
    """The figures; 401 where a token would open the door, 404 where nothing the asker has does."""
    if not may_read(request):
        if settings.METRICS_TOKEN:
            headers = {"WWW-Authenticate": 'Bearer realm="metrics"'}
            return HttpResponse("Send METRICS_TOKEN.\n", status=401, headers=headers)
        return HttpResponse("Not found.\n", status=404, content_type="text/plain")
    # Here, so that who is never asked does not carry the library (3 MB).
    from pagerpal.metrics import scrape

    return HttpResponse(scrape(timezone.now()), content_type=CONTENT_TYPE)


def may_read(request: HttpRequest) -> bool:
    if settings.METRICS_TOKEN:
        scheme, _, given = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "bearer" and constant_time_compare(
            given.strip(), settings.METRICS_TOKEN
        ):
            return True
    address = peers.address_of(request)
    if settings.METRICS_ALLOWED_NETWORKS:
        return _is_named(address)
    return not settings.METRICS_TOKEN and _is_surely_here(request, address)


def _is_named(address: str) -> bool:
    try:
        asker = ipaddress.ip_address(address)
    except ValueError:
        return False
    return any(
        asker.is_private if one == "private" else asker in ipaddress.ip_network(one)
        for one in settings.METRICS_ALLOWED_NETWORKS
    )


def _is_surely_here(request: HttpRequest, address: str) -> bool:
    """Whether a program of this machine asks, and not a proxy on it for somebody outside.

    A proxy need not say that it is one; but it would serve a public address.
    """
    public = urlsplit(settings.PAGERPAL_BASE_URL).hostname or ""
    if any(name in request.META for name in FORWARDED) or not checklist.is_local(public):
        return False
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


urlpatterns = [path("metrics", metrics, name="metrics")]
