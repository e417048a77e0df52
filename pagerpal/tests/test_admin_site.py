"""What holds for every page of the admin, whoever adds the next one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.test import Client, RequestFactory

from pagerpal.testing import (
    NOON,
    make_admin,
    make_channel,
    make_incident,
    make_rotation,
    make_team,
    make_user,
)
from schedules.models import Override, Team

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


def test_the_first_page_names_who_is_on_call_what_is_open_and_what_needs_attention(
    client: Client,
) -> None:
    alice = make_user("alice")
    team = make_team("Platform", alice)
    make_rotation(team, alice)
    make_rotation(team, name="second")
    incident = make_incident(team, title="Disk full on db-6")
    make_channel(team, is_on=False, off_reason="30 Nov: it is gone")
    client.force_login(make_admin())

    text = " ".join(client.get("/admin/").content.decode().split())

    assert "<strong><bdi>alice</bdi></strong>" in text
    assert '<strong class="gap">nobody</strong>' in text
    assert f"#{incident.pk} <bdi>Disk full on db-6</bdi>" in text
    assert "it is gone" in text
    assert "No worker has ever run here" in text
    assert "they have not shown yet that messages arrive there" in text


def test_the_sections_stand_in_the_order_of_the_work(request_of_admin: HttpRequest) -> None:
    found = admin.site.get_app_list(request_of_admin)

    names = ["Incidents", "Schedules", "Alert sources", "People", "System"]
    assert [one["name"] for one in found] == names
    assert sum(len(one["models"]) for one in found) == len(admin.site._registry)


def test_the_first_page_costs_the_same_beside_many_teams(
    client: Client, django_assert_max_num_queries: Any
) -> None:
    client.force_login(make_admin())
    for number in range(12):
        alice = make_user(f"alice{number}")
        make_rotation(make_team(f"team {number}", alice), alice)
        make_incident(Team.objects.latest("pk"))

    with django_assert_max_num_queries(60):
        client.get("/admin/")


@pytest.mark.parametrize("model", OURS, ids=lambda model: model.__name__)
def test_a_list_has_five_columns_at_most(model: Any, request_of_admin: HttpRequest) -> None:
    assert len(admin.site._registry[model].get_list_display(request_of_admin)) <= 5
