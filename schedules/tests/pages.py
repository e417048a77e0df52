"""The admin's pages as a browser meets them: addresses, forms as they stand, messages."""

from __future__ import annotations

from typing import Any

from django.contrib.messages import get_messages
from django.urls import reverse


def page(name: str, *args: Any) -> str:
    return reverse(f"admin:schedules_{name}", args=args)


def form_of(response: Any) -> dict[str, Any]:
    """What a browser would post back from an admin form that nobody changed."""
    adminform = response.context["adminform"].form
    formsets = [inline.formset for inline in response.context["inline_admin_formsets"]]
    forms = [adminform, *(f for s in formsets for f in (s.management_form, *s.forms))]
    values: dict[str, Any] = {}
    for form in forms:
        for bound in form:
            value = bound.value()
            if value is not None and value is not False and not bound.field.disabled:
                values[bound.html_name] = "on" if value is True else value
    return values


def said(response: Any) -> str:
    return " ".join(str(message) for message in get_messages(response.wsgi_request))
