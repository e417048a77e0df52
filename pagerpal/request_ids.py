"""Names every request, so that its answer and its lines in the log can be found together."""

from __future__ import annotations

import re
import secrets
from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse

from pagerpal import peers
from schedules import about

HEADER = "X-Request-Id"
# What proxies make: hexadecimal digits, UUIDs, `1-5759e988-bd862e3fe1be46a994272793`.
SANE = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.=-]{3,99}", re.ASCII)


class RequestIds:
    """The first of all middleware, so that whatever the others log is named as well."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        name = _of_proxy(request) or secrets.token_hex(8)
        request.request_id = name  # type: ignore[attr-defined]
        token = about.request_id.set(name)
        try:
            with about.about(""):  # `process_view` says more
                response = self.get_response(request)
        finally:
            about.request_id.reset(token)
        response[HEADER] = name
        return response

    def process_view(
        self, request: HttpRequest, view: Any, args: list[Any], kwargs: dict[str, Any]
    ) -> None:
        """A page of an incident is about it; what acts on one says so itself."""
        match = request.resolver_match
        if match and match.namespace == "incidents" and isinstance(kwargs.get("pk"), int):
            about.thread.set(f"incident:{kwargs['pk']}")


def _of_proxy(request: HttpRequest) -> str:
    """The name that a trusted proxy gave it; from anybody else it could be any request's."""
    given = request.META.get("HTTP_X_REQUEST_ID", "")
    if given and SANE.fullmatch(given) and peers.came_by_proxy(request):
        return str(given)
    return ""
