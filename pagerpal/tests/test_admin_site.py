"""What holds for every page of the admin, whoever adds the next one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.test import RequestFactory

from pagerpal.testing import NOON, make_admin
from schedules.models import Override

pytestmark = pytest.mark.django_db

# Only what is ours: the queue's own pages are its authors'.
OURS = [model for model in admin.site._registry if model._meta.app_label != "django_q"]


@pytest.fixture
def request_of_admin() -> HttpRequest:
    request = RequestFactory().get("/admin/")
    request.user = make_admin()
    return request


def forms_of(shown: Any, request: HttpRequest) -> Iterator[Any]:
    """The forms of what can be edited: to add one, to change one, and the rows within."""
    if shown.has_add_permission(request):
        yield shown.get_form(request, None, change=False)
    if shown.has_change_permission(request):
        there = shown.model(ends_at=NOON) if shown.model is Override else shown.model()
        yield shown.get_form(request, there, change=True)
    for inline in shown.get_inline_instances(request):
        if inline.has_change_permission(request) or inline.has_add_permission(request, None):
            yield inline.get_formset(request, None).form


@pytest.mark.parametrize("model", OURS, ids=lambda model: model.__name__)
def test_every_field_that_can_be_edited_says_what_it_does(
    model: Any, request_of_admin: HttpRequest
) -> None:
    silent = set()
    for form in forms_of(admin.site._registry[model], request_of_admin):
        fields: dict[str, Any] = getattr(form, "base_fields", {})
        silent |= {
            f"{form._meta.model.__name__}.{name}"
            for name, field in fields.items()
            if not field.help_text and not isinstance(field.widget, forms.HiddenInput)
        }

    assert not silent, "say in `help_text` what each of them does"
