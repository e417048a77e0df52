"""What browsers are told of every answer: what a page may load, and what may be kept of it.

The rest (nosniff, referrers, HSTS, framing) comes from Django's own middleware and the settings.
"""

from __future__ import annotations

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse

# No exception for inline code or styles, and none for eval: not in the admin either.
CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data:",
        "font-src 'self'",
        "connect-src 'self'",
        "manifest-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)


class SecurityHeaders:
    """Outside of all that may answer, so that refusals and failures have them too."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        for name in [name for name, value in request.COOKIES.items() if "\0" in value]:
            del request.COOKIES[name]  # no cookie of ours, and PostgreSQL would not look it up
        response = self.get_response(request)
        response.headers.setdefault("Content-Security-Policy", CONTENT_SECURITY_POLICY)
        response.headers.setdefault(
            "Permissions-Policy", "camera=(), geolocation=(), microphone=()"
        )
        # Whoever comes without a session or a team's token sees nothing that is anybody's.
        if {settings.SESSION_COOKIE_NAME, settings.TEAM_COOKIE_NAME} & request.COOKIES.keys():
            response.headers["Cache-Control"] = "no-store, private"
        return response
