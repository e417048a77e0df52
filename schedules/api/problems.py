"""Answers to programs that something is wrong: RFC 9457, one sentence in `detail`."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

from django.http import HttpResponse

CONTENT_TYPE = "application/problem+json"
# What an answer with a secret in it says of itself, for whoever would keep it; it is not sent on.
HOLDS_SECRET = "X-Holds-Secret"  # noqa: S105  the name of a header


class Problem(Exception):
    """The end of a call that is not granted; `errors` name fields, `more` adds members."""

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        errors: Iterable[Mapping[str, str]] = (),
        headers: Mapping[str, str] | None = None,
        **more: Any,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.errors = list(errors)
        self.headers = dict(headers or {})
        self.more = more

    def response(self) -> HttpResponse:
        return answer(
            self.status, self.detail, errors=self.errors, headers=self.headers, **self.more
        )


def answer(
    status: int,
    detail: str,
    *,
    errors: Iterable[Mapping[str, str]] = (),
    headers: Mapping[str, str] | None = None,
    **more: Any,
) -> HttpResponse:
    said: dict[str, Any] = {
        "type": "about:blank",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
        **more,
    }
    if found := list(errors):
        said["errors"] = found
    response = HttpResponse(json.dumps(said), status=status, content_type=CONTENT_TYPE)
    for name, value in (headers or {}).items():
        response[name] = value
    return response
