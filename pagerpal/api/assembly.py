"""The management API in one piece: the parts of all floors, how what goes wrong is told, and its
document. Imported at the first call only: what it stands on costs memory."""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import DatabaseError
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import Resolver404, URLResolver
from django.urls.resolvers import RegexPattern
from django.utils.datastructures import MultiValueDict
from ninja import NinjaAPI
from ninja.errors import HttpError, ValidationError
from ninja.operation import Operation
from ninja.parser import Parser

import alertsources.api
import incidents.api
import notifications.api
import schedules.api.routers
from pagerpal.api import own
from schedules.api import problems
from schedules.api.problems import Problem

ROOT = "/api/v1/"
DEEPEST = 40
ABOUT = """Everything that PagerPal's pages can do. Send a token, made at `/me/account`, as
`Authorization: Bearer pp_...`. Errors are `application/problem+json` (RFC 9457). A POST with an
`Idempotency-Key` is done once within 24 hours, however often it is sent."""


class StrictParser(Parser):
    """JSON as RFC 8259 has it, with texts that every database can store."""

    def parse_body(self, request: HttpRequest) -> Any:
        try:
            found = json.loads(request.body or b"{}", parse_constant=_no_number)
        except (ValueError, RecursionError):
            raise Problem(400, "The body is no JSON.") from None
        if not isinstance(found, dict):
            raise Problem(400, "The body has to be a JSON object.")
        _check(found, 0)
        return found

    def parse_querydict(
        self, data: MultiValueDict[str, Any], list_fields: list[str], request: HttpRequest
    ) -> Any:
        _check(dict(data.lists()), 0)
        return super().parse_querydict(data, list_fields, request)


def _no_number(text: str) -> float:
    raise ValueError(text)


def _check(value: Any, depth: int) -> None:
    if depth > DEEPEST:
        raise Problem(400, "The body is nested too deep.")
    if isinstance(value, str):
        _check_text(value)
    elif isinstance(value, dict):
        for name, inner in value.items():
            _check_text(name)
            _check(inner, depth + 1)
    elif isinstance(value, list):
        for inner in value:
            _check(inner, depth + 1)


def _check_text(text: str) -> None:
    if "\0" in text or not _is_unicode(text):
        raise Problem(400, "A text holds a character that cannot be stored.")


def _is_unicode(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


class Api(NinjaAPI):
    def get_openapi_operation_id(self, operation: Operation) -> str:
        """What generated clients call it: `incidents_acknowledge`, `me_add_rule`."""
        part = (operation.tags or ["api"])[0].replace(" ", "_")
        return f"{part}_{operation.view_func.__name__}"


api = Api(
    title="PagerPal",
    version="1",
    description=ABOUT,
    openapi_url=None,
    docs_url=None,
    parser=StrictParser(),
    urls_namespace="api",
)
for prefix, router in (
    *schedules.api.routers.ROUTERS,
    *notifications.api.ROUTERS,
    *incidents.api.ROUTERS,
    *alertsources.api.ROUTERS,
    *own.ROUTERS,
):
    api.add_router(prefix, router)


# --- What goes wrong -----------------------------------------------------------------------------


def _told(kind: type[Exception], say: Callable[[Any], HttpResponse]) -> None:
    api.add_exception_handler(kind, lambda request, error: say(error))


def _raised(request: HttpRequest, error: Any) -> HttpResponse:
    """The door says what happened, and nothing of it is kept."""
    raise error


def _invalid(error: ValidationError) -> HttpResponse:
    """422; 404 where the number in the address is none that anything could have."""
    if any(one["loc"][:1] == ("path",) for one in error.errors):
        return problems.answer(404, "There is nothing at this address.")
    found = [
        {
            "field": ".".join(str(part) for part in one["loc"][1:] if part != "body")
            or str(one["loc"][0]),
            "message": str(one["msg"]).removeprefix("Value error, "),
        }
        for one in error.errors
    ]
    named = [_without_name(one) for one in found]
    first = named[0]
    return problems.answer(422, f"{first['field']}: {first['message']}", errors=named)


def _without_name(error: dict[str, str]) -> dict[str, str]:
    """The first part of a place in the body is what the code calls it."""
    field = error["field"]
    for name in ("body.", "asked."):
        field = field.removeprefix(name)
    return {**error, "field": field}


def _forbidden(error: PermissionDenied) -> HttpResponse:
    return problems.answer(403, str(error) or "You may not do this.")


def _of_ninja(error: HttpError) -> HttpResponse:
    """Its own sentence for a body that it could not parse hides ours."""
    if isinstance(error.__cause__, Problem):
        return error.__cause__.response()
    return problems.answer(error.status_code, f"{error}.")


def _refused(error: Exception) -> HttpResponse:
    """What the house refuses to do as things stand, in its own words."""
    return problems.answer(409, str(getattr(error, "message", error)))


_told(ValidationError, _invalid)
_told(Problem, lambda error: error.response())
_told(Http404, lambda error: problems.answer(404, "There is nothing at this address."))
_told(PermissionDenied, _forbidden)
_told(HttpError, _of_ninja)
for refusal in (
    *schedules.api.routers.REFUSALS,
    *notifications.api.REFUSALS,
    *incidents.api.REFUSALS,
    *alertsources.api.REFUSALS,
    *own.REFUSALS,
):
    _told(refusal, _refused)
api.add_exception_handler(DatabaseError, _raised)
api.add_exception_handler(Exception, _raised)


# --- Addresses -----------------------------------------------------------------------------------


@functools.cache
def resolver() -> URLResolver:
    return URLResolver(RegexPattern(r""), api._get_urls())


def answer(request: HttpRequest, rest: str) -> HttpResponse:
    """The answer to a call whose person is known."""
    if rest == "openapi.json":
        return _document(request)
    try:
        match = resolver().resolve(rest)
    except Resolver404:
        return problems.answer(404, "There is nothing at this address: see /api/v1/docs.")
    request.resolver_match = match
    if trouble := _unknown_in_query(request, match.route):
        return problems.answer(422, f"There is no parameter {trouble!r:.60} here.")
    response: HttpResponse = match.func(request, *match.args, **match.kwargs)
    return response


def _unknown_in_query(request: HttpRequest, route: str) -> str:
    """A filter that is misspelled must not pass for none."""
    if not request.GET:
        return ""
    address = ROOT + re.sub(r"<(?:\w+:)?(\w+)>", r"{\1}", route)
    known = _queries().get((request.method or "", address))
    return next((name for name in request.GET if known is not None and name not in known), "")


@functools.cache
def _queries() -> dict[tuple[str, str], frozenset[str]]:
    """By method and address: the parameters of the query."""
    return {
        (method.upper(), path): frozenset(
            one["name"] for one in call.get("parameters", ()) if one["in"] == "query"
        )
        for path, calls in document()["paths"].items()
        for method, call in calls.items()
    }


# --- The document --------------------------------------------------------------------------------

PROBLEM = {
    "type": "object",
    "description": "RFC 9457",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string", "description": "One sentence: what is wrong, what to do."},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"field": {"type": "string"}, "message": {"type": "string"}},
            },
        },
    },
}
ONCE = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "schema": {"type": "string", "maxLength": 255, "pattern": "^[!-~]+$"},
    "description": "The same call with the same key is done once within 24 hours.",
}


@functools.cache
def document() -> dict[str, Any]:
    found: dict[str, Any] = dict(api.get_openapi_schema(path_prefix=ROOT))
    parts = found.setdefault("components", {})
    parts.setdefault("schemas", {})["Problem"] = PROBLEM
    parts["securitySchemes"] = {
        "token": {"type": "http", "scheme": "bearer", "description": "Made at /me/account."},
        "session": {"type": "apiKey", "in": "cookie", "name": "sessionid"},
    }
    found["security"] = [{"token": []}, {"session": []}]
    content = {problems.CONTENT_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    for path in found["paths"].values():
        for method, operation in path.items():
            operation["responses"]["default"] = {
                "description": "What is wrong",
                "content": content,
            }
            if method == "post":
                operation.setdefault("parameters", []).append(ONCE)
    return found


@functools.cache
def _as_text() -> str:
    return json.dumps(document())


def _document(request: HttpRequest) -> HttpResponse:
    if request.method != "GET":
        headers = {"Allow": "GET"}
        return problems.answer(405, "This address answers GET.", headers=headers)
    return HttpResponse(_as_text(), content_type="application/json")
