"""The page that shows the API: made here from its own document, with nothing fetched elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe


@require_safe
def docs(request: HttpRequest) -> HttpResponse:
    """Every call with its parameters and fields."""
    from pagerpal.api import assembly  # at the first look: it costs memory

    found = assembly.document()
    groups: dict[str, list[dict[str, Any]]] = {}
    for path, methods in found["paths"].items():
        for method, call in methods.items():
            groups.setdefault(call["tags"][0], []).append(_call(found, path, method, call))
    return render(request, "api/docs.html", {"section": "api", "groups": sorted(groups.items())})


def _call(found: Mapping[str, Any], path: str, method: str, call: Mapping[str, Any]) -> Any:
    body = call.get("requestBody", {}).get("content", {}).get("application/json", {})
    good = next(code for code in call["responses"] if str(code).startswith("2"))
    told = call["responses"][good].get("content", {}).get("application/json", {})
    return {
        "id": call["operationId"],
        "method": method.upper(),
        "path": path,
        "summary": call.get("summary", ""),
        "description": call.get("description", ""),
        "parameters": [
            (one["name"], one["in"], _type(found, one["schema"]), one.get("description", ""))
            for one in call.get("parameters", [])
            if one["in"] != "header"
        ],
        "fields": list(_fields(found, body.get("schema", {}))),
        "code": good,
        "answer": list(_fields(found, told.get("schema", {}))),
    }


def _fields(found: Mapping[str, Any], schema: Mapping[str, Any]) -> Iterator[tuple[Any, ...]]:
    """Name, type, whether it has to be there, and what is said of it."""
    schema = _followed(found, schema)
    needed = schema.get("required", [])
    for name, field in schema.get("properties", {}).items():
        yield name, _type(found, field), name in needed, field.get("description", "")


def _followed(found: Mapping[str, Any], schema: Mapping[str, Any]) -> Mapping[str, Any]:
    if "$ref" in schema:
        name = schema["$ref"].rsplit("/", 1)[-1]
        named: Mapping[str, Any] = found["components"]["schemas"][name]
        return named
    return schema


def _type(found: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    """In a few words."""
    if "anyOf" in schema:
        return " or ".join(_type(found, one) for one in schema["anyOf"])
    if "enum" in schema:
        return ", ".join(str(one) or "nothing" for one in schema["enum"])
    if "const" in schema:
        return str(schema["const"])
    if "$ref" in schema:
        inner = _followed(found, schema)
        return f"{{{', '.join(inner.get('properties', {}))}}}" if "properties" in inner else "any"
    if schema.get("type") == "array":
        return f"list of {_type(found, schema.get('items', {}))}"
    return str(schema.get("format") or schema.get("type", "any"))
